"""What a model's own pipeline does to a frame: stated in the config, read from its file, or usual for its family."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dsbench.core.errors import BuildError
from dsbench.families.family import PixelRule
from dsbench.pixels.image_processor import (
    PROCESSOR,
    Fields,
    PreprocessingError,
    ProcessorError,
    processor_says,
)

STATED = "preprocessing: in the config"
FAMILY_RULE = "the family's own pipeline"
LARGEST_LEVEL = 255
# To which two sources have to say the same: a scale is often written with five digits.
RELATIVE_TOLERANCE = 1e-4
NUMBERS = {"scale", "mean", "std"}
# The fields of a pixel rule that a model's sources settle one by one.
WORDS = {"color": "colour order", "scale": "scale", "mean": "mean", "std": "std", "padding": "resizing"}
PADDINGS = {"none": "stretched", "corner": "padded right and below", "centre": "padded on both sides"}


@dataclass(frozen=True)
class OwnPixels:
    """What the model's own pipeline does, and who says so.

    `sources` are the block in the config and the file, where they are there; `left` are the fields that only the
    family's rule has.
    """

    rule: PixelRule
    sources: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def derived_from(self) -> str:
        """Return who says it, in the order in which they count."""
        return ", then ".join([*self.sources, *([FAMILY_RULE] if self.left else [])])

    def notes(self) -> list[str]:
        """Return sentences for the report on what is assumed."""
        rule, notes = self.rule, []
        if self.left:
            missing = "There is no preprocessor_config.json"
            if self.sources:
                left = ", ".join(WORDS[key] for key in self.left)
                missing = f"Not said by {' and '.join(self.sources)}: {left}"
            usual = ", ".join(shown(key, getattr(rule, key)) for key in self.left)
            notes.append(f"{missing}; its family's usual preprocessing is assumed: {usual}.")
        return notes

    def resize_notes(self) -> list[str]:
        """Return sentences for the report on what nvinfer's resize does otherwise."""
        if self.rule.padding == "none" or not self.rule.fill:
            return []
        return [f"Padding is black in nvinfer, {self.rule.fill:g} of 255 in the model's own preprocessing."]


def own_pixels(
    config: Fields | None, do_normalize_default: bool | None, rule: PixelRule, block: Fields | None
) -> OwnPixels:
    """Return what the model's own pipeline does to an 8-bit frame.

    `config` is what preprocessor_config.json holds, `block` the preprocessing: of the model's entry, `rule` the
    family's own pipeline. What block and file say replaces the rule's. PreprocessingError shows both where block and
    file contradict each other.
    """
    stated = stated_fields(block or {})
    read = {} if config is None else processor_says(config, do_normalize_default)
    read = _in_network_order(read, stated, rule)
    _refuse_contradiction(stated, read, replace(rule, **read))
    own = _restated(rule, read | stated)
    for key, value in (("image_mean", own.mean), ("image_std", own.std)):
        if value is None and (config or {}).get("do_normalize") is True:
            raise ProcessorError(f"{key} is None; do_normalize needs 3 numbers.")
    return OwnPixels(
        own,
        tuple(name for name, there in ((STATED, block), (PROCESSOR, config is not None)) if there),
        tuple(key for key in WORDS if key not in read and key not in stated),
    )


def check_block(block: Fields) -> None:
    """Raise BuildError for keys of a preprocessing: block that do not go together."""
    letterbox = block.get("resize") == "letterbox"
    if letterbox and "placement" not in block:
        raise BuildError(
            "resize is letterbox, but placement is not stated; expected placement: corner (the frame lies at the"
            " top left) or placement: centre"
        )
    if not _divisor_or_factor(block.get("scale", 1)):
        raise BuildError(f"scale is {block['scale']}; expected a number above 0, or a fraction such as 1/255")
    for key in ("placement", "fill"):
        if key in block and not letterbox:
            raise BuildError(f"{key} is stated, but not resize: letterbox, to which it belongs")


def stated_fields(block: Fields) -> dict[str, Any]:
    """Return the fields of a PixelRule that a block states; mean and std are in the network's colour order."""
    fields = {key: block[key] for key in ("color", "fill") if key in block}
    if "scale" in block:
        number = _divisor_or_factor(block["scale"])
        fields["scale"] = 1 / number if str(block["scale"]).startswith("1/") else number
    fields |= {key: tuple(block[key]) for key in ("mean", "std") if key in block}
    if "resize" in block:
        fields["padding"] = block["placement"] if block["resize"] == "letterbox" else "none"
    return fields


def stated_size(block: Fields | None) -> tuple[int, int]:
    """Return the height and width that a block states, in pixels; zeros where it states none."""
    size = (block or {}).get("size")
    return (size["height"], size["width"]) if size else (0, 0)


def refuse_other_size(block: Fields | None, read: tuple[int, int], fixed: tuple[int, int]) -> None:
    """Raise PreprocessingError where the block's size is not the one that the graph or the file fixes.

    `fixed` is the graph's height and width, `read` the file's; zeros where it fixes none.
    """
    stated = stated_size(block)
    if not all(stated):
        return
    if all(fixed) and stated != fixed:
        raise PreprocessingError(
            f"{STATED} says {_size(stated)}, but the ONNX is fixed at {fixed[0]}x{fixed[1]}; correct the size, or"
            " export the model at it."
        )
    if not all(fixed) and all(read) and stated != read:
        raise _contradiction(_size(stated), _size(read))


def shown(key: str, value: Any) -> str:
    """Return a field of a pixel rule in words."""
    if key == "padding":
        return PADDINGS[value]
    if value is None:
        return f"no {key}"
    if key in ("mean", "std"):
        return f"{key} [{', '.join(f'{each:.6g}' for each in value)}]"
    return f"{key} {value:.6g}" if isinstance(value, float | int) else str(value)


def _divisor_or_factor(scale: float | str) -> float:
    """Return the number of a scale, which divides where it is written as a fraction."""
    return float(str(scale).removeprefix("1/"))


def _in_network_order(read: Fields, stated: Fields, rule: PixelRule) -> dict[str, Any]:
    """Return what the file says with mean and std in the order of the network's channels.

    Beside do_flip_channel_order they are those of red, green, blue. Where the file has none of it and the network is
    fed BGR, their order is that of the block's; without one ProcessorError asks for it.
    """
    ordered = dict(read)
    if (stated.get("color") or read.get("color") or rule.color) == "RGB":
        return ordered
    for key in ("mean", "std"):
        values = read.get(key)
        if not values or values == values[::-1]:
            continue
        if "color" not in read and key not in stated:
            raise ProcessorError(
                f"image_{key} differs per channel and the network is fed BGR, so the order is not told; add"
                f" do_flip_channel_order, where it is that of red, green, blue, or state {key} in the model's entry, in"
                " preprocessing, in the order of the network."
            )
        if "color" in read or not _same(stated[key], values):
            ordered[key] = values[::-1]
    return ordered


def _restated(rule: PixelRule, says: Fields) -> PixelRule:
    """Return the rule with what is said in place of its own; its own mean and std follow the colour order."""
    if says.get("color", rule.color) != rule.color:
        rule = replace(rule, mean=rule.mean and rule.mean[::-1], std=rule.std and rule.std[::-1])
    kept = [key for key in ("mean", "std") if key not in says and getattr(rule, key)]
    scale = says.get("scale", rule.scale)
    if kept and not math.isclose(scale, rule.scale, rel_tol=RELATIVE_TOLERANCE):
        own = " and ".join(shown(key, getattr(rule, key)) for key in kept)
        raise PreprocessingError(
            f"scale {scale:.6g} is said without {' and '.join(kept)}, and the family's own {own} belong to scale"
            f" {rule.scale:.6g}; say all of them."
        )
    mean = says.get("mean")
    if mean and max(mean) > LARGEST_LEVEL * scale * (1 + RELATIVE_TOLERANCE):
        raise PreprocessingError(
            f"{shown('mean', mean)} lies above every pixel, which end at {LARGEST_LEVEL * scale:.6g} with scale"
            f" {scale:.6g}; state mean and scale in the same unit."
        )
    return replace(rule, **says)


def _refuse_contradiction(stated: Fields, read: Fields, rule: PixelRule) -> None:
    """Raise PreprocessingError where the block says what the file does not; `rule` is what holds without the block."""
    keys = [key for key in stated if key in read and not _same(stated[key], read[key])]
    if not keys or (set(keys) <= NUMBERS and _same_arithmetic(replace(rule, **stated), rule)):
        return
    raise _contradiction(
        *(", ".join(shown(key, said[key]) for key in keys) for said in (stated, read)),
    )


def _contradiction(stated: str, read: str) -> PreprocessingError:
    return PreprocessingError(
        f"{STATED} says {stated}, {PROCESSOR} says {read}; correct the one that is wrong, since both are sources of"
        " the same model."
    )


def _same_arithmetic(a: PixelRule, b: PixelRule) -> bool:
    return all(_same(x, y) for x, y in zip(_in_levels(a), _in_levels(b), strict=True))


def _in_levels(rule: PixelRule) -> tuple[Sequence[float], Sequence[float]]:
    """Return what is subtracted from each channel's 0..255, and what the rest is multiplied with."""
    return (
        [value / rule.scale for value in rule.mean or (0, 0, 0)],
        [rule.scale / value for value in rule.std or (1, 1, 1)],
    )


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None or isinstance(a, str):
        return a == b
    pairs = zip(a, b, strict=True) if isinstance(a, Sequence) else [(a, b)]
    return all(math.isclose(x, y, rel_tol=RELATIVE_TOLERANCE) for x, y in pairs)


def _size(size: tuple[int, int]) -> str:
    return "size {}x{} (height x width)".format(*size)
