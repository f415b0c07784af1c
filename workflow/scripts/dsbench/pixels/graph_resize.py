"""A model's own resize as two matrices, so that the ONNX can do it: out = rows @ frame @ columns, and padding."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from dsbench.families.family import PixelRule
from dsbench.pixels.image_processor import PIL_BILINEAR, Fields, PreprocessingError, processor_type
from dsbench.pixels.preprocessing import GraphResize, Preprocessing
from dsbench.pixels.reference_preprocessing import Picture, family_picture

LARGEST_LEVEL = 255
# In levels; what float32 leaves of weights that sum to 1.
NO_DIFFERENCE = 1e-3
# Makes [m, n] of [n, n], resizing rows only.
Resize = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class ResizeMatrices:
    """`rows` [H, h] and `columns` [w, W] make the network's H x W of a frame of h x w; both float64.

    They are zero where the frame is not shown; there the network sees `fill`, a level of 0 to 255.
    """

    rows: np.ndarray
    columns: np.ndarray
    fill: float
    picture: Picture

    @property
    def facts(self) -> GraphResize:
        """What inspect.json says of it."""
        picture = self.picture
        return GraphResize(
            width=self.columns.shape[1],
            height=self.rows.shape[0],
            picture=(picture.left, picture.top, picture.width, picture.height),
        )

    def corrections(self, preprocessing: Preprocessing) -> list[tuple[str, np.ndarray]]:
        """Return the ONNX operators that follow the products, each with its constant, after nvinfer's arithmetic.

        A kernel with negative weights overshoots, and the image processor cuts that off. Padding is added.
        """
        offsets = np.asarray(preprocessing.offsets or (0, 0, 0), np.float64)[None, :, None, None]
        steps = []
        if min(self.rows.min(), self.columns.min()) < 0:
            steps += [("Max", preprocessing.net_scale_factor * (0 - offsets))]
            steps += [("Min", preprocessing.net_scale_factor * (LARGEST_LEVEL - offsets))]
        shown = np.outer(self.rows.sum(axis=1), self.columns.sum(axis=0))
        padding = preprocessing.net_scale_factor * (self.fill - offsets) * (1 - shown)
        if np.abs(padding).max() > NO_DIFFERENCE * preprocessing.net_scale_factor:
            steps += [("Add", padding)]
        return steps


def processor_matrices(config: Fields, size: tuple[int, int], frame: tuple[int, int]) -> ResizeMatrices:
    """Return the resize of the image processor of a preprocessor_config.json.

    `size` is the network's height and width, `frame` the frame's. Raises PreprocessingError for OWLv2's, which smooths.
    """
    if processor_type(config).startswith("Owlv2"):
        raise PreprocessingError(
            "resize is in_graph, but OWLv2's image processor smooths the padded frame, which is not done in the graph;"
            " leave resize out"
        )
    resample = config.get("resample")
    kernel = PIL_BILINEAR if resample is None else resample

    def pillow(image: np.ndarray, count: int) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((image.shape[1], count), kernel))

    return _matrices(pillow, Picture(0, 0, size[1], size[0]), size, frame, 0.0)


def family_matrices(rule: PixelRule, size: tuple[int, int], frame: tuple[int, int]) -> ResizeMatrices:
    """Return the resize of a family's own pipeline, with its letterbox; sizes are heights and widths."""

    def opencv(image: np.ndarray, count: int) -> np.ndarray:
        return cv2.resize(image, (image.shape[1], count))

    return _matrices(opencv, family_picture(rule, size, frame), size, frame, rule.fill or 0.0)


def _matrices(
    resize: Resize, picture: Picture, size: tuple[int, int], frame: tuple[int, int], fill: float
) -> ResizeMatrices:
    rows, columns = np.zeros((size[0], frame[0])), np.zeros((size[1], frame[1]))
    rows[picture.top : picture.top + picture.height] = _weights(resize, frame[0], picture.height)
    columns[picture.left : picture.left + picture.width] = _weights(resize, frame[1], picture.width)
    return ResizeMatrices(rows, columns.T, fill, picture)


def _weights(resize: Resize, source: int, target: int) -> np.ndarray:
    """Return [target, source]: what a linear resize makes of each single pixel that is 1, with rows that sum to 1."""
    found = resize(np.eye(source, dtype=np.float32), target).astype(np.float64)
    return found / found.sum(axis=1, keepdims=True)
