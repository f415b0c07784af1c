"""What the build knows about detectors, tools, logs and reports; nothing here knows Snakemake."""

import os

# ONNX Runtime reports each model that it loads, by name and hash, to its maker; it asks before it first loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
