"""One attempt to export safetensors to ONNX, and torch's own answers; runs inside build/.venv_optimum.

    python -m dsbench.torch_export JOB.json

The job names the folder to load, the pixels, the method and the files to leave (see export_attempt.py).
"""

import json
import os
import sys
from pathlib import Path

from dsbench.torchvision_operators import import_torchvision


def main() -> int:
    """Run the job, with torchvision importable and no hub asked."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import_torchvision()
    from dsbench.torch_attempt import run

    return run(json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    sys.exit(main())
