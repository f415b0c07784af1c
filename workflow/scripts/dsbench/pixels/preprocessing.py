"""A model's own preprocessing as the arithmetic that nvinfer has, and real pixels made by it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dsbench.core.errors import BuildError
from dsbench.families.family import PixelRule
from dsbench.pixels.image_processor import (
    PROCESSOR,
    Fields,
    PreprocessingError,
    network_size_in,
    processor_notes,
)
from dsbench.pixels.own_pixels import own_pixels, refuse_other_size, stated_size


@dataclass(frozen=True)
class GraphResize:
    """The resize that the ONNX does itself: to `width` x `height`, where the frame lies as `picture` says.

    `picture` is left, top, width and height; all in pixels of the model's own network.
    """

    width: int
    height: int
    picture: tuple[int, int, int, int]


@dataclass(frozen=True)
class Preprocessing:
    """nvinfer's y = net_scale_factor * (x - offset) for x in 0..255, and how the frame is resized.

    `offsets` has one value per network channel, or is None where nothing is subtracted. `folded_std` are the
    divisors per channel that the ONNX applies itself, None where one net_scale_factor says it all. `notes` are
    sentences for the report; `assumed` names what only the family's usual pipeline says. `scaling_filter` is nvinfer's
    number of one, None until the proof of the preprocessing has chosen it. With `in_graph`, `height` and `width` are
    those of the frame that nvinfer hands on. `resize_notes` are those of the notes that hold where nvinfer resizes.
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
    derived_from: str = PROCESSOR
    assumed: tuple[str, ...] = ()
    scaling_filter: int | None = None
    in_graph: GraphResize | None = None
    resize_notes: tuple[str, ...] = ()

    @property
    def model_size(self) -> tuple[int, int]:
        """The height and width in pixels of the model's own network, behind a resize in the graph."""
        return (self.in_graph.height, self.in_graph.width) if self.in_graph else (self.height, self.width)


def derive_preprocessing(
    config: Fields | None,
    do_normalize_default: bool | None,
    rule: PixelRule | None = None,
    block: Fields | None = None,
    graph_size: tuple[int, int] = (0, 0),
) -> Preprocessing:
    """Return the nvinfer arithmetic that equals what the model's own pipeline does to 8-bit frames.

    `config` is what preprocessor_config.json holds, `rule` the family's own pipeline (None: 1/255 and a stretch),
    `block` the preprocessing: of the model's entry. `graph_size` is the height and width that the graph fixes, 0 where
    it does not. Raises PreprocessingError where these contradict each other, where none has a size, and where nvinfer
    cannot do it.
    """
    own = own_pixels(config, do_normalize_default, rule or PixelRule(), block)
    height, width, size_note = network_size_in(config or {})
    # A size that was chosen for the frames' aspect is not the file's.
    refuse_other_size(block, (0, 0) if size_note else (height, width), graph_size)
    if all(stated := stated_size(block)):
        (height, width), size_note = stated, None
    if not all(graph_size) and not height:
        raise PreprocessingError(
            "neither its ONNX nor a preprocessor_config.json fixes height and width; state them in the model's"
            " entry: preprocessing: {size: {height: pixels, width: pixels}}"
        )
    resize_notes = [*processor_notes(config or {}), *own.resize_notes()]
    notes = [*resize_notes, *([size_note] if size_note else []), *own.notes()]
    found = _in_nvinfer(own.rule, (height, width) if height else graph_size, notes)
    said = replace(found, derived_from=own.derived_from, assumed=own.left, resize_notes=tuple(resize_notes))
    return with_size(said, graph_size)


def _in_nvinfer(rule: PixelRule, size: tuple[int, int], notes: list[str]) -> Preprocessing:
    folded_std = rule.std if rule.std and len(set(rule.std)) > 1 else None
    if folded_std:
        notes.append(
            f"image_std {list(folded_std)} differs per channel and nvinfer has one net-scale-factor,"
            " so the ONNX divides by it."
        )
    return Preprocessing(
        net_scale_factor=rule.scale / rule.std[0] if rule.std and not folded_std else rule.scale,
        offsets=_offsets(rule.mean, rule.scale),
        folded_std=folded_std,
        model_color_format=rule.color,
        maintain_aspect_ratio=rule.padding != "none",
        symmetric_padding=rule.padding == "centre",
        height=size[0],
        width=size[1],
        notes=tuple(notes),
    )


def _offsets(mean: tuple[float, float, float] | None, scale: float) -> tuple[float, float, float] | None:
    if not mean:
        return None
    first, second, third = (round(value / scale, 9) for value in mean)
    return first, second, third


def as_levels(preprocessing: Preprocessing) -> Preprocessing:
    """Return the preprocessing of a network whose image is of bytes: the levels of 0 to 255 as they are.

    Raises PreprocessingError where the config or a file says that a mean is subtracted, which bytes cannot hold.
    """
    if any(preprocessing.offsets or ()) and "mean" not in preprocessing.assumed:
        raise PreprocessingError(
            f"{preprocessing.derived_from} subtracts a mean, but the ONNX takes its image as bytes (uint8) and"
            " normalises in the graph; say there that nothing is subtracted (do_normalize: false, mean: [0, 0, 0]), or"
            " give an ONNX with a float image."
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


def image_views(image: Path, height: int, width: int) -> np.ndarray:
    """Return the picture, its mirror image and the picture upside down as float32 RGB [3, 3, H, W] in 0..255."""
    # It loads slowly, and most that import this module read what is stated.
    import cv2

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


def resized_images(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return float32 images [N, 3, H, W] at another size."""
    import cv2

    made = [cv2.resize(image.transpose(1, 2, 0), (width, height)).transpose(2, 0, 1) for image in images]
    return np.ascontiguousarray(made, np.float32)


def per_channel(values: tuple[float, float, float]) -> np.ndarray:
    """Return three numbers as float32 [3, 1, 1], which broadcasts over images."""
    return np.asarray(values, np.float32)[:, None, None]
