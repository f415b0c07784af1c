"""The decision table's refusals: graphs that are told apart, and why each cannot be built."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dsbench.families.declared.boxes_beside_scores import background_is_last
from dsbench.families.graph_facts import GraphFacts, has_channels_last
from dsbench.families.graph_signs import dense_p6, distance_cells, ends_in_angle, queries

# Nets for each pixel answer at up to 8 pixels a cell, as nets for text areas at 4; a detector's one grid is coarser.
FINEST_STRIDE = 8
HIGHEST_STRIP = 64
# The rank of heads that are in separate outputs or not decoded.
NOT_DECODED = 27
BOX = 4
SEGMENTERS = ("masks", "pred_masks", "keypoints", "pred_keypoints")


def _anchors(f: GraphFacts) -> set[int]:
    """Return how many anchors dense heads have for the image's size; what gave scores has matched before."""
    cells = (f.cells, dense_p6(f))
    return {count * anchors for count in cells for anchors in (1, 3)} | {distance_cells(f)}


@dataclass(frozen=True)
class Refusal:
    """One row of the table; `{task}` in the reason is the task in the metadata.

    `is_no_detector` where the graph is for something else, which no size and no export changes.
    """

    rank: int
    matches: Callable[[GraphFacts], bool]
    seen: str
    reason: str
    is_no_detector: bool = False

    def sentence(self, facts: GraphFacts) -> str:
        """Return what the graph is refused for."""
        reason = self.reason.format(task=facts.metadata.get("task", "")[:40])
        if self.is_no_detector:
            return f"the ONNX ({facts.signature()}) is no object detector: {reason} ({self.seen})."
        return f"the ONNX ({facts.signature()}) has {self.seen}: {reason}."


def _pixel_maps(f: GraphFacts) -> bool:
    """Tell outputs as fine as the image, or one of cells up to 8 pixels wide.

    Several of coarser cells are a detector's heads, as CenterNet's.
    """
    image = _sides(f)
    if (
        not f.outputs
        or not image
        or any(side == "?" or (isinstance(side, int) and side < 1) for side in image)
    ):
        return False
    maps = [_map_sides(f.dims(name), image) for name in f.names]
    if all(sides == image for sides in maps):
        return True
    if len(maps) != 1 or not all(isinstance(side, int) and side > 0 for side in (*maps[0], *image)):
        return False
    return bool(maps[0]) and all(
        1 <= length / side <= FINEST_STRIDE for length, side in zip(image, maps[0], strict=True)
    )


def _map_sides(dims: list, image: list) -> list:
    """Return height and width of an output, empty for one that is no map."""
    if len(dims) == 3:
        # A class id or a depth for each pixel has no axis of channels; other tables have rows there.
        return dims[1:] if dims[1:] == image else []
    if len(dims) != 4:
        return []
    return dims[1:3] if dims[1:3] == image else dims[2:]


def image_layout(dims: list) -> tuple[int | str, list[int | str], bool]:
    """Return channels, height and width of an image's four dims, and whether the channels are last."""
    return (dims[3], dims[1:3], True) if has_channels_last(dims) else (dims[1], dims[2:], False)


def _sides(f: GraphFacts) -> list[int | str]:
    """Return height and width of the image input, a name where one is free; none without an image."""
    dims = next((dims for dims, _ in f.inputs.values() if len(dims) == 4), None)
    return [] if dims is None else image_layout(dims)[1]


def _text_line(f: GraphFacts) -> bool:
    """Tell rows of numbers for a strip: an image with one low height and any width."""
    height, width = _sides(f) or (0, 0)
    is_strip = isinstance(height, int) and 0 < height <= HIGHEST_STRIP and not isinstance(width, int)
    return is_strip and len(f.only) == 3


def _counts_no_images(f: GraphFacts) -> bool:
    """Tell one table whose number of rows is not that of the images: 1 where it was run, else as the image says."""
    images = next((dims[0] for dims, _ in f.inputs.values() if len(dims) == 4), "?")
    return len(f.only) == 2 and f.only[0] not in (1 if f.answers else images, "?")


def _distributions(f: GraphFacts) -> bool:
    """Tell rows that each sum to 1, as a softmax over signs has them."""
    return (
        f.rows is not None
        and f.rows.ndim == 2
        and f.rows.shape[-1] > 1
        and bool((f.rows >= 0).all())
        and bool(np.allclose(f.rows.sum(axis=-1), 1, atol=1e-2))
    )


def _in_levels(f: GraphFacts) -> bool:
    """Tell heads at several strides: a map for each, or rows whose number differs from stride to stride."""
    dims = [f.dims(name) for name in f.names]
    return (
        sum(len(each) in (4, 5) for each in dims) >= 3
        or len({each[1] for each in dims if len(each) == 3}) >= 3
    )


def _ends_in_angle(f: GraphFacts) -> bool:
    """Tell an angle behind the scores of each anchor, whichever axis they lie along."""
    if f.rows is None or f.rows.ndim != 2 or _anchors(f).isdisjoint(f.rows.shape):
        return False
    has_rows = f.rows.shape[1] not in _anchors(f)
    return ends_in_angle((f.rows.T if has_rows else f.rows)[BOX:], f.class_count, has_rows)


REFUSALS = (
    Refusal(
        1,
        lambda f: f.metadata.get("task", "detect") != "detect",
        "task in the metadata",
        "its task is {task}",
        is_no_detector=True,
    ),
    Refusal(
        5,
        lambda f: (
            any(name in SEGMENTERS for name in f.names)
            or (
                any(len(f.dims(n)) == 4 and f.dims(n)[1] == 32 for n in f.names)
                and any(len(f.dims(n)) == 3 for n in f.names)
            )
        ),
        "masks or key points among the outputs",
        "it is for segmentation or poses",
        is_no_detector=True,
    ),
    Refusal(
        6,
        lambda f: (
            queries(f)
            and {"input_ids", "attention_mask"} & f.side_inputs != set()
            and f.dims("logits")[2] == 256
        ),
        "logits [B, Q, 256] and text inputs",
        "it is a Grounding DINO whose text is an input; import its safetensors with a prompt",
    ),
    Refusal(
        7,
        lambda f: queries(f) and "text_embeds" in f.names,
        "logits, pred_boxes, text_embeds",
        "it is an OWL-ViT whose text is an input; import its safetensors with a prompt",
    ),
    Refusal(
        16,
        lambda f: "scale_factor" in f.inputs and any(f.dims(n)[1:] == [6] for n in f.names),
        "rows of 6 and scale_factor",
        "its first axis counts detections, not images; export it with exclude_nms",
    ),
    Refusal(
        17,
        lambda f: len(f.only) == 2 and f.only[1] == 7,
        "rows of 7",
        "its first axis counts detections of all images; export it without the NMS",
    ),
    Refusal(
        18,
        lambda f: {"boxes", "scores", "labels"} <= f.names and len(f.dims("boxes")) == 2,
        "boxes [N, 4] without a batch axis",
        "its outputs have no batch axis (torchvision)",
    ),
    Refusal(
        19,
        _ends_in_angle,
        "an angle behind the scores",
        "its boxes are oriented, which nvinfer's detections and clustering are not; export the model for upright boxes,"
        " or, if the last number is the score of a class, give its name with labels: in the model's entry",
    ),
    Refusal(
        25,
        background_is_last,
        "scores with a softmax whose last column is the background",
        "the parser knows a background in front of the classes; export it with the background first, or without",
    ),
    Refusal(
        NOT_DECODED,
        _in_levels,
        "three or more maps, or rows of three or more levels",
        "its heads are in separate outputs that are not decoded, of no layout that docs/sources.md lists; export it"
        " with the decoding in the graph, or append it: Transpose, Reshape and Concat of the levels, and boxes"
        " [B, N, 4] in pixels beside scores [B, N, classes]",
    ),
    Refusal(
        NOT_DECODED,
        lambda f: f.rows is not None and f.rows.ndim == 2 and not _anchors(f).isdisjoint(f.rows.shape),
        "numbers beyond 0 to 1 where scores are expected",
        "its scores or boxes are not decoded, or it gives key points; export it with the decoding in the graph",
    ),
    Refusal(
        28,
        _counts_no_images,
        "rows without a batch axis",
        "its first axis counts detections, not images; export it with a batch axis, or without the NMS",
    ),
    Refusal(
        28,
        lambda f: len(f.only) == 2 and not _counts_no_images(f),
        "[B, C]",
        "one row of numbers for each image is a classifier",
        is_no_detector=True,
    ),
    Refusal(
        28,
        _pixel_maps,
        "outputs as fine as the image",
        "a number for each pixel is of a net for segmentation, text areas or depth, which has no boxes",
        is_no_detector=True,
    ),
    Refusal(
        28,
        _text_line,
        "an image of one low height and any width",
        "it reads lines of text, and gives no boxes",
        is_no_detector=True,
    ),
    Refusal(
        28,
        _distributions,
        "rows that each sum to 1",
        "each row chooses one of many signs, as a net that reads lines of text or a classifier does, and has no box",
        is_no_detector=True,
    ),
)
