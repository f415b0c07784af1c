"""What preprocessor_config.json asks for, as the arithmetic that nvinfer has."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError

DEFAULT_RESCALE_FACTOR = 1 / 255
PIL_BILINEAR = 2


class PreprocessingError(BuildError):
    """Preprocessing that nvinfer cannot do, or a preprocessor_config.json that does not say what is done."""


@dataclass(frozen=True)
class Preprocessing:
    """nvinfer's y = net_scale_factor * (x - offset) for x in 0..255, and how the frame is resized.

    `offsets` has one value per network channel, or is None where nothing is subtracted; `notes` are sentences
    for the report.
    """

    net_scale_factor: float
    offsets: tuple[float, float, float] | None
    model_color_format: str
    maintain_aspect_ratio: bool
    symmetric_padding: bool
    height: int
    width: int
    notes: tuple[str, ...]


def read_preprocessing(path: Path, do_normalize_default: bool) -> Preprocessing:
    """Return what the preprocessor_config.json at `path` asks for, with the processor class's defaults.

    Raises PreprocessingError with the file and the setting that nvinfer cannot express.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PreprocessingError(
            f"{path}: not a readable JSON file ({error}); expected the model's preprocessor_config.json."
        ) from error
    if not isinstance(config, dict):
        raise PreprocessingError(f"{path}: found a JSON {type(config).__name__}, expected an object.")
    try:
        return derive_preprocessing(config, do_normalize_default)
    except PreprocessingError as error:
        raise PreprocessingError(f"{path}: {error}") from error


def derive_preprocessing(config: Mapping[str, object], do_normalize_default: bool) -> Preprocessing:
    """Return the nvinfer arithmetic that equals the image processor's on 8-bit RGB frames.

    The processor computes ((x * rescale_factor) - mean) / std, each part only where its do_ flag is true.
    """
    _refuse_inexpressible(config)
    height, width = _size(config)
    scale, offsets = _arithmetic(config, do_normalize_default)
    notes = ["nvinfer resizes bilinearly without antialiasing, the image processor with it."]
    if config.get("resample", PIL_BILINEAR) != PIL_BILINEAR:
        notes.append(f"resample {config['resample']} is replaced by bilinear.")
    return Preprocessing(
        net_scale_factor=scale,
        offsets=offsets,
        model_color_format="RGB",
        maintain_aspect_ratio=False,
        symmetric_padding=False,
        height=height,
        width=width,
        notes=tuple(notes),
    )


def _refuse_inexpressible(config: Mapping[str, object]) -> None:
    if config.get("do_resize", True) is not True:
        raise PreprocessingError("do_resize is false, but nvinfer always resizes to the network's size.")
    for flag in ("do_center_crop", "do_flip_channel_order", "do_reduce_labels"):
        if config.get(flag):
            raise PreprocessingError(f"{flag} is {config[flag]!r}, which nvinfer cannot express.")
    pad_size = config.get("pad_size")
    if config.get("do_pad") and pad_size not in (None, config.get("size")):
        raise PreprocessingError(
            f"do_pad to {pad_size} is not size {config.get('size')}; expected no padding."
        )


def _size(config: Mapping[str, object]) -> tuple[int, int]:
    size = config.get("size")
    sides = (size.get("height"), size.get("width")) if isinstance(size, dict) else (None, None)
    if not all(type(side) is int and side > 0 for side in sides):
        raise PreprocessingError(f'size is {size!r}; expected {{"height": pixels, "width": pixels}}.')
    return sides


def _arithmetic(
    config: Mapping[str, object], do_normalize_default: bool
) -> tuple[float, tuple[float, float, float] | None]:
    factor = 1.0
    if config.get("do_rescale", True):
        factor = _positive("rescale_factor", config.get("rescale_factor", DEFAULT_RESCALE_FACTOR))
    if not config.get("do_normalize", do_normalize_default):
        return factor, None
    mean = _three_numbers(config, "image_mean")
    std = [_positive("image_std", value) for value in _three_numbers(config, "image_std")]
    if len(set(std)) != 1:
        raise PreprocessingError(
            f"image_std {std} differs per channel, but nvinfer has one net-scale-factor; "
            "divide the first convolution's weights by it and set image_std to 1, then import that model."
        )
    return factor / std[0], tuple(round(value / factor, 9) for value in mean)


def _three_numbers(config: Mapping[str, object], key: str) -> list[float]:
    values = config.get(key)
    if not isinstance(values, list) or len(values) != 3 or not all(map(_is_number, values)):
        raise PreprocessingError(f"{key} is {values!r}; do_normalize needs 3 numbers.")
    return values


def _positive(key: str, value: object) -> float:
    if not _is_number(value) or value <= 0:
        raise PreprocessingError(f"{key} is {value!r}; expected a number above 0.")
    return value


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
