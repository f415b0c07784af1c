"""A frame as a model's own image processor makes it: float64, from its settings alone, nothing of nvinfer in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from dsbench.families.family import NO_SHIFT, PixelRule, Shift
from dsbench.pixels.image_processor import (
    PIL_BILINEAR,
    YOLOS_MULTIPLE,
    Fields,
    PreprocessingError,
    processor_type,
)

GREY = 0.5


@dataclass(frozen=True)
class Picture:
    """Where a whole frame lies in a network's input, in network pixels; `shift` is how far its content is aside."""

    left: int
    top: int
    width: int
    height: int
    shift: Shift = NO_SHIFT

    def inside(self, tensor: np.ndarray) -> np.ndarray:
        """Return the part of [..., H, W] that shows the frame."""
        return tensor[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def to_frame(self, corners: np.ndarray, width: int, height: int) -> np.ndarray:
        """Return [N, 4] left, top, right, bottom in pixels of the frame, clipped to its `width` x `height`."""
        origin = np.array([self.left, self.top] * 2)
        ratio = np.array([width / self.width, height / self.height] * 2)
        return np.clip((corners - origin) * ratio, 0, [width, height] * 2)


@dataclass(frozen=True)
class ReferencePixels:
    """One frame, fully normalised: float64 [3, H, W], and what one of its 256 levels is worth per channel."""

    tensor: np.ndarray
    picture: Picture
    level: np.ndarray


def processor_pixels(
    rgb: np.ndarray, config: Fields, do_normalize_default: bool, size: tuple[int, int]
) -> ReferencePixels:
    """Return what the image processor of a preprocessor_config.json makes of uint8 RGB [h, w, 3].

    `size` is the network's height and width, in which the processor's own result for the frame has to fit.
    """
    scale = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    if processor_type(config).startswith("Owlv2"):
        image, picture = _padded_and_smoothed(rgb * float(scale), size, bool(config.get("do_pad", True)))
    else:
        resample = config.get("resample")
        resized = Image.fromarray(rgb).resize(size[::-1], PIL_BILINEAR if resample is None else resample)
        image, picture = np.asarray(resized) * float(scale), Picture(0, 0, size[1], size[0])
    std = None
    if config.get("do_normalize", do_normalize_default):
        std = config["image_std"]
        image = (image - np.asarray(config["image_mean"], np.float64)) / np.asarray(std, np.float64)
    # The last step of the processors that have it.
    order = slice(None, None, -1) if config.get("do_flip_channel_order") else slice(None)
    return ReferencePixels(image.transpose(2, 0, 1)[order], picture, _level(scale, std)[order])


def family_pixels(rgb: np.ndarray, rule: PixelRule, size: tuple[int, int]) -> ReferencePixels:
    """Return what a family's own pipeline makes of uint8 RGB [h, w, 3] at the network's height and width.

    Where the rule does not say what the padding is filled with, it is black.
    """
    picture = family_picture(rule, size, rgb.shape[:2])
    canvas = np.full((3, *size), rule.fill or 0.0)
    resized = cv2.resize(rgb if rule.color == "RGB" else rgb[..., ::-1], (picture.width, picture.height))
    picture.inside(canvas)[:] = resized.transpose(2, 0, 1)
    pixels = canvas * rule.scale - _per_channel(rule.mean or (0, 0, 0))
    return ReferencePixels(
        pixels / _per_channel(rule.std or (1, 1, 1)), picture, _level(rule.scale, rule.std)
    )


def family_picture(rule: PixelRule, size: tuple[int, int], frame: tuple[int, ...]) -> Picture:
    """Return where a family's own pipeline shows a frame; `size` and `frame` are heights and widths.

    Raises PreprocessingError for a frame so narrow that its letterbox has no pixel left.
    """
    height, width = size
    ratio = min(height / frame[0], width / frame[1])
    rows, columns = (height, width) if rule.padding == "none" else (int(side * ratio) for side in frame)
    if not rows or not columns:
        raise PreprocessingError(
            f"a letterbox leaves {columns}x{rows} pixels of a frame of {frame[1]}x{frame[0]} in a network of"
            f" {width}x{height}; measure with a clip whose frames are not that narrow."
        )
    centred = rule.padding == "centre"
    return Picture((width - columns) // 2 * centred, (height - rows) // 2 * centred, columns, rows)


def processor_size(config: Fields, height: int, width: int) -> tuple[int, int]:
    """Return the height and width that the image processor gives a frame of `height` x `width` pixels."""
    size = config["size"]
    kind = processor_type(config)
    if isinstance(size, Mapping) and "height" in size:
        return size["height"], size["width"]
    if not isinstance(size, Mapping):
        if kind.lower().startswith("owl"):
            return size, size
        size = {"shortest_edge": size}
    short, long = size.get("shortest_edge"), size.get("longest_edge", config.get("max_size"))
    ratio = max(height, width) / min(height, width)
    exact = long / ratio if short is None or (long and short * ratio > long) else short
    edges = round(exact), int(exact * ratio)
    multiple = YOLOS_MULTIPLE if kind.startswith("Yolos") else 1
    rows, columns = edges if height <= width else edges[::-1]
    return rows // multiple * multiple, columns // multiple * multiple


def _padded_and_smoothed(
    image: np.ndarray, size: tuple[int, int], padded: bool
) -> tuple[np.ndarray, Picture]:
    """Return OWLv2's resize: square with grey right and below, smoothed where it shrinks, then bilinear."""
    rows, columns = image.shape[:2]
    if padded:
        side = max(rows, columns)
        border = (0, side - rows, 0, side - columns)
        image = cv2.copyMakeBorder(image, *border, cv2.BORDER_CONSTANT, value=(GREY,) * 3)
    picture = smoothed_picture(image.shape[:2], size, (rows, columns))
    if sigmas := smoothing_sigmas(image.shape[:2], size):
        image = smoothed(image, sigmas)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), picture


def smoothing_sigmas(given: tuple[int, ...], size: tuple[int, int]) -> tuple[float, float] | None:
    """Return the deviations in pixels, down and right, with which OWLv2 smooths; None where a side does not shrink."""
    down, right = ((side / wanted - 1) / 2 for side, wanted in zip(given, size, strict=True))
    return (down, right) if min(down, right) > 0 else None


def smoothed(image: np.ndarray, sigmas: tuple[float, float]) -> np.ndarray:
    """Return an image [h, w] or [h, w, 3] smoothed with these deviations in pixels, down and right."""
    down, right = (2 * int(np.ceil(3 * sigma)) + 1 for sigma in sigmas)
    # A kernel of one pixel takes any deviation; OpenCV takes 0 for another way to state it.
    along, across = (sigma or 1.0 for sigma in sigmas)
    return cv2.GaussianBlur(
        image, (right, down), sigmaX=across, sigmaY=along, borderType=cv2.BORDER_REFLECT_101
    )


def smoothed_picture(given: tuple[int, ...], size: tuple[int, int], frame: tuple[int, int]) -> Picture:
    """Return where OWLv2 shows a frame that is padded to `given`; all are heights and widths."""
    rows, columns = (
        round(side / (whole / wanted)) for side, whole, wanted in zip(frame, given, size, strict=True)
    )
    return Picture(0, 0, columns, rows)


def _level(scale: float, std: Sequence[float] | None) -> np.ndarray:
    return scale / np.asarray(std or (1.0, 1.0, 1.0), np.float64)


def _per_channel(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, np.float64)[:, None, None]
