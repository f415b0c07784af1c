"""One attempt to export safetensors to ONNX, and torch's own answers; runs inside build/.venv_optimum."""

import importlib
import json
import os
import sys
from pathlib import Path

import torch

UNDECLARED = ("nms", "qnms")


def import_torchvision() -> None:
    """Import torchvision, with its operators declared but not implemented where they cannot be loaded."""
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare()
        importlib.import_module("torchvision")


def _declare() -> None:
    # The declarations live as long as the library object, so it is kept.
    library = torch.library.Library("torchvision", "DEF")
    for name in UNDECLARED:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.library.torchvision_declarations = library


def main() -> int:
    """Run the job, with torchvision importable and no hub asked."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import_torchvision()
    from dsbench.onnx.inside_export.torch_attempt import run

    return run(json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    sys.exit(main())
