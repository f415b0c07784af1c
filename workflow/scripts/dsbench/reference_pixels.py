"""Real pixels as a network gets them: three views of one picture, resized and normalised as nvinfer does."""

from pathlib import Path

import cv2
import numpy as np

from dsbench.errors import BuildError
from dsbench.preprocessing import Preprocessing


def image_views(image: Path, height: int, width: int) -> np.ndarray:
    """Return the picture, its mirror image and the picture upside down as float32 RGB [3, 3, H, W] in 0..255."""
    picture = cv2.imread(str(image))
    if picture is None:
        raise BuildError(f"{image}: not a picture that can be read; delete it to have it made again.")
    rgb = cv2.cvtColor(cv2.resize(picture, (width, height)), cv2.COLOR_BGR2RGB)
    views = np.stack([rgb, rgb[:, ::-1], rgb[::-1]])
    return np.ascontiguousarray(views.transpose(0, 3, 1, 2), np.float32)


def source_pixels(image: Path, preprocessing: Preprocessing) -> np.ndarray:
    """Return the views as the source model expects them: fully normalised, whatever the ONNX does itself."""
    levels = image_views(image, preprocessing.height, preprocessing.width)
    if preprocessing.model_color_format == "BGR":
        levels = np.ascontiguousarray(levels[:, ::-1])
    if preprocessing.offsets is not None:
        levels -= per_channel(preprocessing.offsets)
    pixels = levels * np.float32(preprocessing.net_scale_factor)
    if preprocessing.folded_std is not None:
        pixels /= per_channel(preprocessing.folded_std)
    return pixels


def per_channel(values: tuple[float, float, float]) -> np.ndarray:
    """Return three numbers as float32 [3, 1, 1], which broadcasts over images."""
    return np.asarray(values, np.float32)[:, None, None]
