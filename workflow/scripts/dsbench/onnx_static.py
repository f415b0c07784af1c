"""An ONNX for exactly one batch size, for graphs whose batch cannot be made dynamic."""

from pathlib import Path

import numpy as np
import onnx

from dsbench.onnx_batch import BatchError, declared_batch, unroll_batch
from dsbench.onnx_compare import answers, largest_difference, session, tolerance_of
from dsbench.onnx_graph import check, fix_spatial_dims


def static_onnx(model: onnx.ModelProto, batch: int, reference: Path) -> onnx.ModelProto:
    """Return the model for `batch` images, proven on the pixels in `reference`; raise BatchError if it differs.

    A dynamic batch gets the number; a static one of 1 is unrolled.
    """
    with np.load(reference) as arrays:
        pixels = arrays["pixels"]
    if isinstance(declared_batch(model), int):
        static = unroll_batch(model, batch) if batch > 1 else model
    else:
        static = fix_spatial_dims(model, *pixels.shape[2:], batch)
    check(static)
    _compare(model, static, np.resize(pixels, (batch, *pixels.shape[1:])))
    return static


def _compare(model: onnx.ModelProto, static: onnx.ModelProto, pixels: np.ndarray) -> None:
    got = answers(session(static), pixels)
    runner = session(model)
    for slot in range(len(pixels)):
        want = answers(runner, pixels[slot : slot + 1])
        error = largest_difference({name: value[slot : slot + 1] for name, value in got.items()}, want)
        if not error <= tolerance_of(model):
            raise BatchError(
                f"slot {slot} of the ONNX for {len(pixels)} images differs by {error:.3g} from the image alone"
            )
