"""What preprocessor_config.json asks for, as the arithmetic that nvinfer has."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.family import PixelRule
from dsbench.network_size import SizeError, network_size, processor_type

DEFAULT_RESCALE_FACTOR = 1 / 255
PIL_BILINEAR = 2
PIL_FILTERS = range(6)


class PreprocessingError(BuildError):
    """Preprocessing that nvinfer cannot do, or a preprocessor_config.json that does not say what is done."""


@dataclass(frozen=True)
class Preprocessing:
    """nvinfer's y = net_scale_factor * (x - offset) for x in 0..255, and how the frame is resized.

    `offsets` has one value per network channel, or is None where nothing is subtracted. `folded_std` are the
    divisors per channel that the ONNX applies itself, None where one net_scale_factor says it all. `notes` are
    sentences for the report.
    """

    net_scale_factor: float
    offsets: tuple[float, float, float] | None
    model_color_format: str
    maintain_aspect_ratio: bool
    symmetric_padding: bool
    height: int
    width: int
    notes: tuple[str, ...]
    folded_std: tuple[float, float, float] | None = None
    derived_from: str = "preprocessor_config.json"

    def facts(self) -> dict:
        """Return it as inspect.json holds it."""
        return asdict(self)


def preprocessing_of(facts: Mapping[str, object]) -> Preprocessing:
    """Return what inspect.json holds."""
    return Preprocessing(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    )


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
    try:
        height, width, size_note = network_size(config)
    except SizeError as error:
        raise PreprocessingError(str(error)) from error
    scale, offsets, folded_std = _arithmetic(config, do_normalize_default)
    notes = ["nvinfer resizes bilinearly without antialiasing, the image processor with it."]
    if size_note:
        notes.append(size_note)
    if folded_std:
        notes.append(
            f"image_std {list(folded_std)} differs per channel and nvinfer has one net-scale-factor,"
            " so the ONNX divides by it."
        )
    padded_square = processor_type(config).startswith("Owlv2") and bool(config.get("do_pad", True))
    if padded_square:
        notes.append("Padding to the square is black in nvinfer, mid-grey in the image processor.")
    if config.get("resample") not in (None, PIL_BILINEAR):
        notes.append(f"resample {config['resample']} is replaced by bilinear.")
    return Preprocessing(
        net_scale_factor=scale,
        offsets=offsets,
        folded_std=folded_std,
        model_color_format="RGB",
        maintain_aspect_ratio=padded_square,
        symmetric_padding=False,
        height=height,
        width=width,
        notes=tuple(notes),
    )


def assumed_preprocessing(rule: PixelRule, height: int, width: int) -> Preprocessing:
    """Return what the family's own pipeline does, for a model that says nothing itself."""
    mean, std = rule.mean, rule.std
    one_std = std is not None and len(set(std)) == 1
    said = f"{rule.color}, x * {rule.scale:.6g}"
    said += f" - {list(mean)}" if mean else ""
    said += f", / {list(std)}" if std else ""
    padding = {"none": "stretched", "corner": "padded right and below", "centre": "padded on both sides"}
    return Preprocessing(
        net_scale_factor=rule.scale / std[0] if one_std else rule.scale,
        offsets=tuple(round(value / rule.scale, 9) for value in mean) if mean else None,
        folded_std=tuple(std) if std and not one_std else None,
        model_color_format=rule.color,
        maintain_aspect_ratio=rule.padding != "none",
        symmetric_padding=rule.padding == "centre",
        height=height,
        width=width,
        derived_from="the family's own pipeline",
        notes=(
            "There is no preprocessor_config.json; its family's usual preprocessing is assumed:"
            f" {said}, {padding[rule.padding]}.",
        ),
    )


def as_levels(preprocessing: Preprocessing) -> Preprocessing:
    """Return the preprocessing of a network whose image is of bytes: the levels of 0 to 255 as they are.

    Raises PreprocessingError where a file of the model's says that a mean is subtracted, which bytes cannot hold.
    """
    if preprocessing.offsets is not None and "family" not in preprocessing.derived_from:
        raise PreprocessingError(
            f"{preprocessing.derived_from} subtracts a mean, but the ONNX takes its image as bytes (uint8) and"
            " normalises in the graph; set do_normalize and do_rescale to false there, or give an ONNX with a float"
            " image."
        )
    note = "The ONNX takes its image as bytes (uint8), so the levels of 0 to 255 are fed as they are."
    return replace(
        preprocessing, net_scale_factor=1.0, offsets=None, folded_std=None, notes=(*preprocessing.notes, note)
    )


def with_size(preprocessing: Preprocessing, graph_size: tuple[int, int]) -> Preprocessing:
    """Return the preprocessing at the size that is fixed in the graph; 0 stands for a symbolic side."""
    given = (preprocessing.height, preprocessing.width)
    if not all(graph_size) or graph_size == given:
        return preprocessing
    height, width = graph_size
    note = f"The ONNX is fixed at {height}x{width} (height x width), so {given[0]}x{given[1]} is not used."
    return replace(preprocessing, height=height, width=width, notes=(*preprocessing.notes, note))


def _refuse_inexpressible(config: Mapping[str, object]) -> None:
    if config.get("do_resize", True) is not True:
        raise PreprocessingError("do_resize is false, but nvinfer always resizes to the network's size.")
    cropped_to_size = config.get("crop_size") in (None, config.get("size"))
    for flag in ("do_center_crop", "do_flip_channel_order", "do_reduce_labels"):
        if config.get(flag) and not (flag == "do_center_crop" and "crop_size" in config and cropped_to_size):
            raise PreprocessingError(f"{flag} is {config[flag]!r}, which nvinfer cannot express.")
    resample = config.get("resample")
    if resample is not None and (type(resample) is not int or resample not in PIL_FILTERS):
        raise PreprocessingError(
            f"resample is {resample!r}; expected the number of one of PIL's filters, 0 to 5, where 2 is bilinear."
        )
    pad_size = config.get("pad_size")
    if config.get("do_pad") and pad_size not in (None, config.get("size")):
        raise PreprocessingError(
            f"do_pad to {pad_size} is not size {config.get('size')}; expected no padding."
        )


def _arithmetic(
    config: Mapping[str, object], do_normalize_default: bool
) -> tuple[float, tuple[float, float, float] | None, tuple[float, float, float] | None]:
    """Return net_scale_factor, offsets, and the divisors per channel that are left to the graph."""
    factor = 1.0
    if config.get("do_rescale", True):
        factor = _positive("rescale_factor", config.get("rescale_factor", DEFAULT_RESCALE_FACTOR))
    if not config.get("do_normalize", do_normalize_default):
        return factor, None, None
    mean = _three_numbers(config, "image_mean")
    std = [_positive("image_std", value) for value in _three_numbers(config, "image_std")]
    offsets = tuple(round(value / factor, 9) for value in mean)
    if len(set(std)) != 1:
        return factor, offsets, tuple(std)
    return factor / std[0], offsets, None


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
