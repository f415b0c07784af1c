"""The embedded runtime: trtexec and deepstream-app for a machine without an NVIDIA GPU."""

import sys

RUNTIME_VERSION = "0.1.0"

# OpenVINO reports each import to an analytics service; without this package it has a stub that reports nothing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
