"""Let torchvision be imported where its compiled operators do not fit the torch that is installed.

Its wheel on PyPI is built for CUDA; beside a CPU build of torch its operators cannot load, and its import
stops at their missing declarations. Exports use none of them.
"""

import importlib
import sys

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
