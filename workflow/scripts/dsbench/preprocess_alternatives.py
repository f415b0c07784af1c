"""What a model's preprocessing could be instead: one nvinfer setting after the other, the rest as derived."""

from dataclasses import replace

from dsbench.nvinfer_config import image_keys
from dsbench.preprocessing import Preprocessing

AS_DERIVED = "as derived"
IMAGENET_OFFSETS = (123.675, 116.28, 103.53)
MID_LEVEL = (127.5, 127.5, 127.5)
PADDINGS = ((False, False), (True, False), (True, True))


def alternatives(derived: Preprocessing) -> dict[str, Preprocessing]:
    """Return the derived preprocessing and then each alternative, by the nvinfer keys that it changes."""
    others = [
        *(replace(derived, net_scale_factor=scale) for scale in (1 / 255, 1.0)),
        replace(derived, net_scale_factor=1 / 127.5, offsets=MID_LEVEL),
        replace(derived, offsets=_in_order(IMAGENET_OFFSETS, derived) if derived.offsets is None else None),
        _other_colour_order(derived),
        *(replace(derived, maintain_aspect_ratio=kept, symmetric_padding=both) for kept, both in PADDINGS),
    ]
    named = {changed_keys(derived, other): other for other in others}
    named.pop("", None)
    return {AS_DERIVED: derived} | named


def changed_keys(derived: Preprocessing, other: Preprocessing) -> str:
    """Return the nvinfer keys in which `other` differs, with at most 6 digits; empty where none does."""
    before, after = image_keys(derived), image_keys(other)
    changed = [f"{key}={_short(value)}" for key, value in after.items() if before.get(key) != value]
    return ", ".join([*changed, *(["no offsets"] if "offsets" in before and "offsets" not in after else [])])


def _short(value: object) -> object:
    """Return a value of an nvinfer key; net-scale-factor is written with 17 digits, which nobody reads."""
    text = str(value)
    return f"{float(text):.6g}" if len(text) > 12 and ";" not in text else value


def _other_colour_order(derived: Preprocessing) -> Preprocessing:
    """Return it with red and blue swapped; offsets follow the network's channels."""
    order = "RGB" if derived.model_color_format == "BGR" else "BGR"
    return replace(derived, model_color_format=order, offsets=derived.offsets and derived.offsets[::-1])


def _in_order(rgb: tuple[float, float, float], derived: Preprocessing) -> tuple[float, float, float]:
    return rgb if derived.model_color_format == "RGB" else rgb[::-1]
