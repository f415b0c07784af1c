"""SafeTensors to ONNX, and torch's own answer for real pixels; runs inside build/.venv_optimum.

    python -m dsbench.torch_export SOURCE IMAGE DESTINATION

leaves DESTINATION/model.onnx (spatial dims and batch still symbolic) and DESTINATION/reference.npz:
`pixels` [3, 3, H, W] float32 and for each output `torch_b1/NAME`, `torch_b3/NAME`.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from optimum.exporters.onnx import main_export
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection

OPSET = 17
OUTPUTS = ("logits", "pred_boxes")


def export(source: Path, destination: Path) -> None:
    """Export with optimum; opset 17 keeps LayerNormalization, whose decomposition breaks fp16."""
    main_export(
        str(source),
        output=destination,
        task="object-detection",
        opset=OPSET,
        do_validation=False,
        trust_remote_code=False,
    )


def reference(source: Path, image: Path, destination: Path) -> None:
    """Write what torch answers for three different views of `image`, at batch 1 and 3."""
    processor = AutoImageProcessor.from_pretrained(source, use_fast=False, trust_remote_code=False)
    model = AutoModelForObjectDetection.from_pretrained(
        source, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    ).eval()
    picture = Image.open(image).convert("RGB")
    views = [picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), picture.rotate(180)]
    pixels = torch.cat([processor(view, return_tensors="pt")["pixel_values"] for view in views])
    arrays = {"pixels": pixels.numpy()}
    for batch in (1, 3):
        with torch.no_grad():
            answer = model(pixel_values=pixels[:batch])
        arrays |= {f"torch_b{batch}/{name}": getattr(answer, name).numpy() for name in OUTPUTS}
    np.savez(destination / "reference.npz", **arrays)


def main() -> int:
    """Export, then compute the reference."""
    parser = argparse.ArgumentParser(description="SafeTensors to ONNX with torch's reference answer")
    parser.add_argument("source", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("destination", type=Path)
    arguments = parser.parse_args()
    print(f"exporting {arguments.source} with optimum, opset {OPSET}", file=sys.stderr, flush=True)
    export(arguments.source, arguments.destination)
    print("computing torch's reference answer at batch 1 and 3", file=sys.stderr, flush=True)
    reference(arguments.source, arguments.image, arguments.destination)
    return 0


if __name__ == "__main__":
    sys.exit(main())
