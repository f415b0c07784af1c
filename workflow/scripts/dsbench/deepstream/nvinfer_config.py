"""The nvinfer configuration of one detector, written from its preprocessing, its family and its ONNX."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.deepstream.app_config import relative_to_config
from dsbench.families.family import Family
from dsbench.pixels.preprocessing import Preprocessing

NETWORK_MODES = {"fp32": 0, "fp16": 2}
COLOR_FORMATS = {"RGB": 0, "BGR": 1}


class NvinferConfigError(BuildError):
    """Facts about a model that contradict each other."""


@dataclass(frozen=True)
class NvinferFiles:
    """The files an nvinfer configuration names, and the configuration's own place."""

    config: Path
    onnx: Path
    engine: Path
    labels: Path
    parser_library: Path


def render_nvinfer_config(
    preprocessing: Preprocessing,
    family: Family,
    input_dims: Sequence[int | str | None],
    class_count: int,
    labels: Sequence[str],
    files: NvinferFiles,
    *,
    batch_size: int,
    precision: str,
    threshold: float | None = None,
) -> str:
    """Return the text of the nvinfer configuration file `files.config`; its paths are relative to that file.

    `input_dims` are the ONNX image input's dims, batch first; `class_count` comes from the output tensor and
    `labels` from labels.txt; `threshold` is a score in 0..1, None for the family's. Raises NvinferConfigError
    where these contradict each other or nvinfer's limits.
    """
    _check(preprocessing, input_dims, class_count, labels, files)
    _check_settings(batch_size, precision, threshold)
    threshold = family.default_threshold if threshold is None else threshold
    keys = {
        "gie-unique-id": 1,
        "network-type": 0,
        "network-mode": NETWORK_MODES[precision],
        "batch-size": batch_size,
        "onnx-file": relative_to_config(files.onnx, files.config),
        "model-engine-file": relative_to_config(files.engine, files.config),
        "infer-dims": f"3;{preprocessing.height};{preprocessing.width}",
        **image_keys(preprocessing),
        "labelfile-path": relative_to_config(files.labels, files.config),
        "num-detected-classes": class_count,
        "custom-lib-path": relative_to_config(files.parser_library, files.config),
        "parse-bbox-func-name": family.head.parser_symbol,
        "cluster-mode": family.cluster_mode,
    }
    lines = [*_remarks(preprocessing), "[property]", *(f"{key}={value}" for key, value in keys.items())]
    rules = class_keys(family, threshold)
    lines += ["", "[class-attrs-all]", *(f"{key}={value}" for key, value in rules.items())]
    return "\n".join(lines) + "\n"


def _remarks(preprocessing: Preprocessing) -> list[str]:
    if preprocessing.folded_std is None:
        return []
    std = ";".join(f"{value:.10g}" for value in preprocessing.folded_std)
    return [f"# The ONNX divides by std {std} itself; net-scale-factor and offsets do the rest exactly.", ""]


def class_keys(family: Family, threshold: float) -> dict[str, object]:
    """Return the keys of the rules that hold for every class."""
    keys: dict[str, object] = {"pre-cluster-threshold": threshold}
    if family.nms_iou_threshold is not None:
        keys["nms-iou-threshold"] = family.nms_iou_threshold
    return keys


def image_keys(preprocessing: Preprocessing) -> dict[str, object]:
    """Return the keys that say how a frame becomes the network's input."""
    keys: dict[str, object] = {
        "net-scale-factor": f"{preprocessing.net_scale_factor:.17g}",
        "model-color-format": COLOR_FORMATS[preprocessing.model_color_format],
        "maintain-aspect-ratio": int(preprocessing.maintain_aspect_ratio),
    }
    if preprocessing.scaling_filter is not None:
        keys["scaling-filter"] = preprocessing.scaling_filter
    if preprocessing.maintain_aspect_ratio:
        keys["symmetric-padding"] = int(preprocessing.symmetric_padding)
    if preprocessing.offsets is not None:
        keys["offsets"] = ";".join(f"{offset:.10g}" for offset in preprocessing.offsets)
    return keys


def _check(
    preprocessing: Preprocessing,
    input_dims: Sequence[int | str | None],
    class_count: int,
    labels: Sequence[str],
    files: NvinferFiles,
) -> None:
    expected = [3, preprocessing.height, preprocessing.width]
    if list(input_dims[1:]) != expected:
        raise NvinferConfigError(
            f"{files.onnx}: the image input is {list(input_dims)}, but the preprocessing gives "
            f"{expected} after the batch; export the model with that fixed size."
        )
    if len(labels) != class_count:
        raise NvinferConfigError(
            f"{files.labels}: {len(labels)} labels, but the output tensor of {files.onnx.name} has "
            f"{class_count} classes; write one name per line for every class id."
        )


def _check_settings(batch_size: int, precision: str, threshold: float | None) -> None:
    if not 1 <= batch_size <= 1024:
        raise NvinferConfigError(f"batch-size is {batch_size}; nvinfer accepts 1 to 1024.")
    if precision not in NETWORK_MODES:
        raise NvinferConfigError(f"precision is {precision!r}; expected one of {', '.join(NETWORK_MODES)}.")
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise NvinferConfigError(f"threshold is {threshold}; expected a score from 0 to 1.")
