"""What a graph answers at a size of the build's own, which tells a net for something else."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import onnx

from dsbench.families.decision_table import UnknownGraphError, refuse_no_detector
from dsbench.families.graph_facts import GraphFacts, graph_facts
from dsbench.families.graph_refusals import HIGHEST_STRIP, image_layout
from dsbench.onnx.compare import GraphError, run_graph, session

COLORS = 3
# Of pictures, then of lines of text.
HEIGHTS, WIDTH = (320, 48, 32, 64), 320
BRIGHTEST = {"uint8": 255}

# Height and width in pixels to the outputs by name, None where the graph does not run at that size.
AskAtSize = Callable[[int, int], dict[str, np.ndarray] | None]


@dataclass(frozen=True)
class FreeImage:
    """An image input that does not say how nvinfer would feed it: a side is free, or its channels are not three."""

    name: str
    kind: str
    batch: int
    channels: int
    height: int | None
    width: int | None
    is_last: bool

    @classmethod
    def of(cls, facts: GraphFacts) -> Self | None:
        """Return the only input where it is such an image, else None."""
        (name, (dims, kind)) = next(iter(facts.inputs.items()), ("", ([], "")))
        if len(facts.inputs) != 1 or len(dims) != 4:
            return None
        colors, sides, is_last = image_layout(dims)
        height, width = (side if isinstance(side, int) and side > 0 else None for side in sides)
        if colors == COLORS and height and width:
            return None
        batch, channels = (dim if isinstance(dim, int) and dim > 0 else None for dim in (dims[0], colors))
        return cls(name, kind, batch or 1, channels or COLORS, height, width, is_last)

    def dims(self, height: int, width: int) -> list[int]:
        """Return the input's dims where free sides get this many pixels."""
        sides = [self.height or height, self.width or width]
        return [self.batch, *sides, self.channels] if self.is_last else [self.batch, self.channels, *sides]


def refuse_before_size(model: onnx.ModelProto) -> None:
    """Raise UnknownGraphError where names, dims, metadata or answers show that the model is no object detector.

    One whose image has three channels and a size is not run here: it is told by its answers at that size.
    """
    facts = graph_facts(model)
    refuse_no_detector(facts)
    if (image := FreeImage.of(facts)) is None:
        return
    try:
        ask = _asker(model, image)
    except GraphError:
        # Said where it is imported.
        return
    heights = [image.height] if image.height else HEIGHTS
    height, answers = next(((each, found) for each in heights if (found := ask(each, WIDTH))), (0, None))
    if answers is None:
        return
    inputs = {image.name: (image.dims(height, WIDTH), image.kind)}
    refuse_no_detector(replace(facts, inputs=inputs, answers=answers))
    if _reads_lines(ask, answers, height, image):
        raise UnknownGraphError(
            f"the ONNX ({facts.signature()}) is no object detector: its rows become more with the image's width alone,"
            " as those of a net that reads lines of text, which gives no boxes."
        )


def _asker(model: onnx.ModelProto, image: FreeImage) -> AskAtSize:
    runner = session(model)

    def ask(height: int, width: int) -> dict[str, np.ndarray] | None:
        pixels = np.random.default_rng(0).random(image.dims(height, width)) * BRIGHTEST.get(image.kind, 1)
        try:
            found = run_graph(runner, {image.name: pixels.astype(image.kind)})
        except GraphError:
            return None
        return {name: value.astype(np.float32) for name, value in found.items() if value.ndim}

    return ask


def _reads_lines(ask: AskAtSize, answers: dict[str, np.ndarray], height: int, image: FreeImage) -> bool:
    """Tell one table of rows whose number follows the width of the image and not its height."""
    shapes = [value.shape for value in answers.values()]
    if image.width or len(shapes) != 1 or len(shapes[0]) != 3:
        return False

    def is_same(found: dict[str, np.ndarray] | None) -> bool:
        return found is not None and [value.shape for value in found.values()] == shapes

    wider = ask(height, 2 * WIDTH)
    if wider is None or is_same(wider):
        return False
    return height <= HIGHEST_STRIP or (image.height is None and is_same(ask(2 * height, WIDTH)))
