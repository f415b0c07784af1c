"""Whether an ONNX in half precision finds what the ONNX in float32 finds, on real pixels in ONNX Runtime."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx

from dsbench.detection_scores import Decoder, above, agreement
from dsbench.half_precision import ATTEMPTS, half_precision, half_share
from dsbench.half_rounding import rounded
from dsbench.onnx_compare import GraphError, answers, largest_difference, session
from dsbench.reference_preprocessing import Picture

# The same objects with boxes and scores a little off: trained detectors were seen to agree to 0.987 and better.
LEAST_AGREEMENT = 0.95
# Where nothing is detected, fainter detections tell; where there are none either, the tensors.
FAINT = 0.1
LARGEST_DIFFERENCE = 0.1


def to_half(model: onnx.ModelProto, pixels: np.ndarray, decoder: Decoder) -> tuple[onnx.ModelProto, dict]:
    """Return the model in half precision and what was measured; as little as possible stays in float32.

    `pixels` is a batch as the network gets it. Raises GraphError where no attempt is accurate enough.
    """
    wanted = answers(session(model), pixels)
    refused = []
    for keep in ATTEMPTS:
        attempt = {"kept_in_float32": keep, "accepted": False}
        try:
            half = half_precision(model, keep)
            attempt |= compare(wanted, answers(session(rounded(half)), pixels), decoder, pixels.shape[2:])
        except GraphError as error:
            attempt |= {"error": str(error)}
        if attempt["accepted"]:
            return half, attempt | {"half_share": half_share(half), "images": len(pixels), "refused": refused}
        refused.append(attempt)
    raise GraphError(
        f"in half precision the ONNX is too far from float32: {_told(refused[-1])}; set precision: fp32"
    )


def compare(
    wanted: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray], decoder: Decoder, size: tuple[int, int]
) -> dict:
    """Return how far `found` is from `wanted`, and whether that is half precision's rounding."""
    difference = largest_difference(found, wanted)
    result = {"max_difference": difference if np.isfinite(difference) else None}
    for threshold in (decoder.threshold, decoder.threshold * FAINT):
        sides = [_rows(outputs, replace(decoder, threshold=threshold), size) for outputs in (wanted, found)]
        score = agreement(*sides, threshold)
        if score is not None:
            return result | {
                "told_by": "detections",
                "threshold": threshold,
                "detections": {
                    "fp32": len(above(sides[0], threshold)),
                    "fp16": len(above(sides[1], threshold)),
                },
                "agreement": score,
                "least_agreement": LEAST_AGREEMENT,
                "accepted": score >= LEAST_AGREEMENT,
            }
    return result | {
        "told_by": "tensors",
        "largest_difference": LARGEST_DIFFERENCE,
        "accepted": difference <= LARGEST_DIFFERENCE,
    }


def _rows(outputs: Mapping[str, np.ndarray], decoder: Decoder, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the detections of each image, in pixels of the network's input."""
    picture = Picture(0, 0, size[1], size[0])
    count = len(next(iter(outputs.values())))
    return [
        decoder.rows({name: value[i : i + 1] for name, value in outputs.items()}, size, picture, size)
        for i in range(count)
    ]


def _told(attempt: dict) -> str:
    if "error" in attempt:
        return attempt["error"]
    if attempt["told_by"] == "detections":
        return (
            f"its detections agree to {attempt['agreement']:.3f} of 1, at least {LEAST_AGREEMENT} is expected"
        )
    return f"its tensors differ by {attempt['max_difference']}, at most {LARGEST_DIFFERENCE} is expected"
