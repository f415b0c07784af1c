"""What a preprocessor_config.json says of the pixels, and the one size of a network that keeps a frame's aspect."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from dsbench.core.errors import BuildError

# The aspect of the streams: every camera format the build is asked for is 16:9.
FRAME_HEIGHT, FRAME_WIDTH = 720, 1280
YOLOS_MULTIPLE = 16


class SizeError(BuildError):
    """A `size` that does not say which height and width the network gets."""


# What a JSON or YAML of a model's author holds: what is taken of it is checked where it is read.
Fields = Mapping[str, Any]


def processor_type(config: Fields) -> str:
    """Return the processor's class name in a preprocessor_config.json, empty where it is not told."""
    return str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")


def network_size(config: Fields) -> tuple[int, int, str | None]:
    """Return height, width in pixels, and a note where they were chosen for 16:9 frames rather than given."""
    size = config.get("size")
    kind = processor_type(config)
    if _is_side(size) and kind.lower().startswith("owl"):
        return size, size, None
    edges = _edges(size, config.get("max_size"))
    if edges is not None:
        multiple = YOLOS_MULTIPLE if kind.startswith("Yolos") else 1
        height, width = _aspect_kept(*edges, multiple)
        given = ", ".join(
            f"{name} {edge}" for name, edge in zip(("short", "long"), edges, strict=True) if edge
        )
        return (
            height,
            width,
            (
                f"size gives edges ({given} px) and keeps the aspect; the network is fixed at {height}x{width}"
                f" (height x width), what the image processor makes of {FRAME_WIDTH}x{FRAME_HEIGHT} frames."
            ),
        )
    if isinstance(size, dict) and _is_side(size.get("height")) and _is_side(size.get("width")):
        return size["height"], size["width"], None
    raise SizeError(
        f'size is {size!r}; expected {{"height": pixels, "width": pixels}}'
        ' or {"shortest_edge": pixels, "longest_edge": pixels}.'
    )


def _edges(size: Any, max_size: Any) -> tuple[int | None, int | None] | None:
    """Return shortest and longest edge in pixels, None where one is not limited; None without edges."""
    if _is_side(size):
        return size, max_size if _is_side(max_size) else None
    if not isinstance(size, dict) or not {"shortest_edge", "longest_edge"} & set(size):
        return None
    short, long = size.get("shortest_edge"), size.get("longest_edge", max_size)
    if not all(edge is None or _is_side(edge) for edge in (short, long)):
        raise SizeError(f"size is {size!r}; expected edges in whole pixels above 0.")
    return short, long


def _aspect_kept(short: int | None, long: int | None, multiple: int) -> tuple[int, int]:
    """Return what the processors make of a 16:9 frame: the limiting edge exact, the short one rounded."""
    low, high = sorted((FRAME_HEIGHT, FRAME_WIDTH))
    if short is not None and (long is None or short * high <= long * low):
        sides = (short, short * high // low)
    elif long is not None:
        sides = (round(long * low / high), long)
    else:
        raise SizeError("size limits neither edge; expected edges in whole pixels above 0.")
    height, width = (max(multiple, side // multiple * multiple) for side in sides)
    return height, width


def _is_side(value: Any) -> TypeGuard[int]:
    return type(value) is int and value > 0


PROCESSOR = "preprocessor_config.json"
DEFAULT_RESCALE_FACTOR = 1 / 255
OWLV2_FILL = 127.5
PIL_BILINEAR = 2
PIL_FILTERS = range(6)


class PreprocessingError(BuildError):
    """Preprocessing that nvinfer cannot do, or sources that do not say, or say differently, what is done."""


class ProcessorError(PreprocessingError):
    """A fault of the preprocessor_config.json itself."""


def read_processor(path: Path) -> dict:
    """Return the settings in the preprocessor_config.json at `path`; raise ProcessorError for no JSON object."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProcessorError(
            f"not a readable JSON file ({error}); expected the model's preprocessor_config.json."
        ) from error
    if not isinstance(config, dict):
        raise ProcessorError(f"found a JSON {type(config).__name__}, expected an object.")
    return config


def processor_says(config: Fields, do_normalize_default: bool | None) -> dict[str, Any]:
    """Return the fields of a PixelRule that the file settles; mean and std are in the order red, green, blue.

    Where the file names a class of transformers, that settles all fields, by its defaults. Else the keys that are
    there count, and a mean or std is applied where neither do_normalize nor its default says no. Raises
    ProcessorError for what nvinfer cannot express.
    """
    _refuse_inexpressible(config)
    named = bool(processor_type(config))
    says = _normalisation(config, do_normalize_default, named)
    if named or {"do_rescale", "rescale_factor"} & config.keys():
        says["scale"] = 1.0
        if config.get("do_rescale", True):
            says["scale"] = _positive("rescale_factor", config.get("rescale_factor", DEFAULT_RESCALE_FACTOR))
    if named or "do_flip_channel_order" in config:
        says["color"] = "BGR" if config.get("do_flip_channel_order") else "RGB"
    padded_square = processor_type(config).startswith("Owlv2") and bool(config.get("do_pad", True))
    if named or config.get("do_pad") is False:
        says |= {"padding": "corner", "fill": OWLV2_FILL} if padded_square else {"padding": "none"}
    return says


def network_size_in(config: Fields) -> tuple[int, int, str | None]:
    """Return height, width in pixels and a note where the file does not fix them itself; zeros without a size."""
    if "size" not in config:
        return 0, 0, None
    try:
        return network_size(config)
    except SizeError as error:
        raise ProcessorError(str(error)) from error


def processor_notes(config: Fields) -> list[str]:
    """Return sentences for the report on how the image processor resizes and nvinfer does not."""
    notes = []
    if processor_type(config):
        notes.append(
            "The image processor resizes with antialiasing; of nvinfer's filters only 3 does, where both sides shrink."
        )
    resample = config.get("resample")
    if resample not in (None, PIL_BILINEAR):
        notes.append(
            f"The image processor resizes with resample {resample}, nvinfer with the filter that came closest to it."
        )
    return notes


def _refuse_inexpressible(config: Fields) -> None:
    if config.get("do_resize", True) is not True:
        raise ProcessorError("do_resize is false, but nvinfer always resizes to the network's size.")
    cropped_to_size = config.get("crop_size") in (None, config.get("size"))
    for flag in ("do_center_crop", "do_reduce_labels"):
        if config.get(flag) and not (flag == "do_center_crop" and "crop_size" in config and cropped_to_size):
            raise ProcessorError(f"{flag} is {config[flag]!r}, which nvinfer cannot express.")
    resample = config.get("resample")
    if resample is not None and (type(resample) is not int or resample not in PIL_FILTERS):
        raise ProcessorError(
            f"resample is {resample!r}; expected the number of one of PIL's filters, 0 to 5, where 2 is bilinear."
        )
    pad_size = config.get("pad_size")
    if config.get("do_pad") and pad_size not in (None, config.get("size")):
        raise ProcessorError(f"do_pad to {pad_size} is not size {config.get('size')}; expected no padding.")


def _normalisation(config: Fields, do_normalize_default: bool | None, named: bool) -> dict[str, Any]:
    """Return the mean and std that the file settles, None where it says that there are none."""
    applied = config.get("do_normalize", do_normalize_default)
    if applied is not None and not applied:
        return {"mean": None, "std": None} if named or "do_normalize" in config else {}
    if applied is None and named:
        return {"mean": None, "std": None}
    says: dict[str, Any] = {}
    if named or "image_mean" in config:
        says["mean"] = _three_numbers(config, "image_mean")
    if named or "image_std" in config:
        std = _three_numbers(config, "image_std")
        says["std"] = tuple(_positive("image_std", value) for value in std)
    return says


def _three_numbers(config: Fields, key: str) -> tuple[float, float, float]:
    values = config.get(key)
    if not isinstance(values, list) or len(values) != 3 or not all(map(_is_number, values)):
        raise ProcessorError(f"{key} is {values!r}; do_normalize needs 3 numbers.")
    first, second, third = values
    return first, second, third


def _positive(key: str, value: object) -> float:
    if not _is_number(value) or value <= 0:
        raise ProcessorError(f"{key} is {value!r}; expected a number above 0.")
    return value


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value)
