"""What transformers' image processors make of one picture; runs in the export environment.

PYTHONPATH=workflow/scripts python tests/support/processor_tensors.py PICTURE.npy CASES.json DESTINATION.npz
"""

import json
import sys
from pathlib import Path

import numpy as np
import transformers as hf

from dsbench.onnx.inside_export.torch_export import import_torchvision

import_torchvision()


def tensors(picture, cases):
    for name, (kind, settings) in cases.items():
        processor = getattr(hf, kind)(**settings)
        yield name, processor(picture, return_tensors="pt")["pixel_values"][0].numpy()


if __name__ == "__main__":
    picture, cases, destination = map(Path, sys.argv[1:])
    np.savez(destination, **dict(tensors(np.load(picture), json.loads(cases.read_text()))))
