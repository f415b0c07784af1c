"""Heads in separate outputs: how a layout is written down, and in which ways the shapes of outputs have it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dsbench.families.reference_decoders import grid_cells
from dsbench.onnx.head_graph import HeadPart, Outputs

ROWS, MAPS = ("rows", "columns"), ("maps", "maps_last", "anchor_maps", "anchor_maps_last")
# SCRFD's five levels of three are the most that is published.
MOST_OUTPUTS = 20
Values = Mapping[str, np.ndarray]
# What is done to an output, without its batch axis, to make rows of it: an operator and its perm or shape.
Steps = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Level:
    """Cells of one stride in pixels; `sizes` has the anchors of each in pixels, 0 where the head has no size."""

    stride: int
    sizes: tuple[float, ...] = (0,)

    def cells(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return rows and columns of cells for a network of height and width `size`."""
        height, width = size
        return -(-height // self.stride), -(-width // self.stride)


@dataclass(frozen=True)
class Part:
    """What one output holds of each anchor: so many columns, and one for each class with `classes`.

    With `classes_first` the channels of a map are first those of all anchors for class 0, then for class 1. What is
    `unused` is no part of a detection.
    """

    role: str
    columns: int
    classes: bool = False
    optional: bool = False
    classes_first: bool = False
    unused: bool = False

    def takes(self, columns: int) -> bool:
        """Tell whether an output of so many columns may be this part."""
        return columns > self.columns if self.classes else columns == self.columns


@dataclass(frozen=True)
class Layout:
    """One published way to give a head in separate outputs.

    `join` appends the decoding; None where the outputs do not tell it, and `missing` then says what is not there.
    `fits` looks at real values by role. `pieces` are the channels that the graph concatenates to a map, -1 for the
    classes. `forms` are those in which the head is published. With `alike` roles of as many columns are the same.
    """

    family: str
    title: str
    levels: tuple[Level, ...]
    parts: tuple[Part, ...]
    join: Callable[[HeadPart], Outputs] | None = None
    fits: Callable[[Values], bool] = lambda values: True
    pieces: tuple[int, ...] = ()
    forms: tuple[str, ...] = (*ROWS, *MAPS)
    alike: bool = False
    missing: str = ""


@dataclass(frozen=True)
class Group:
    """Outputs that together have all rows of one part, by level, and the steps that make rows of each."""

    columns: int
    outputs: tuple[tuple[str, Steps], ...]

    @property
    def names(self) -> frozenset[str]:
        """Names of the outputs."""
        return frozenset(name for name, _ in self.outputs)


@dataclass(frozen=True)
class Reading:
    """One way to read a graph's outputs: a layout, and the outputs of each part by role."""

    layout: Layout
    groups: Mapping[str, Group]
    size: tuple[int, int]

    @property
    def classes(self) -> int:
        """Number of class columns; 1 for a layout of one class."""
        counts = [self.groups[part.role].columns - part.columns for part in self.layout.parts if part.classes]
        return counts[0] if counts else 1

    @property
    def names(self) -> set[str]:
        """Names of the outputs that are read."""
        return set().union(*(group.names for group in self.groups.values()))

    @property
    def pieces(self) -> list[int]:
        """Channels of the pieces that a map is put together from."""
        return [self.classes if piece < 0 else piece for piece in self.layout.pieces]

    def cells(self) -> np.ndarray:
        """Return column, row, stride and anchor size of each row [N, 4], in the order of the joined rows."""
        height, width = self.size
        if not self.layout.levels:
            return np.empty((0, 4))
        return np.concatenate(
            [
                np.column_stack(
                    [
                        np.repeat(grid_cells(width, height, [level.stride]), len(level.sizes), axis=0),
                        np.tile(level.sizes, int(np.prod(level.cells(self.size)))),
                    ]
                )
                for level in self.layout.levels
            ]
        ).astype(np.float64)

    def values(self, answers: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the rows [M, K] of each role in the answers to some pictures."""
        return {
            role: np.concatenate(
                [applied(answer[name], steps)[0] for answer in answers for name, steps in group.outputs]
            )
            for role, group in self.groups.items()
        }


def applied(array: np.ndarray, steps: Steps) -> np.ndarray:
    """Return an output's rows [B, N, K]."""
    for op, argument in steps:
        array = array.transpose(argument) if op == "Transpose" else array.reshape(argument)
    return array


def readings(
    outputs: Mapping[str, Sequence[int]], size: tuple[int, int], layouts: Sequence[Layout]
) -> list[Reading]:
    """Return every way in which all outputs, by name and measured dims, are the parts of one of the layouts."""
    found = []
    for layout in layouts if len(outputs) <= MOST_OUTPUTS else ():
        groups = list(_groups(outputs, layout, size))
        ways = [Reading(layout, way, size) for way in _ways(layout.parts, groups)]
        ways = [reading for reading in ways if reading.names == set(outputs)]
        found += ways[:1] if layout.alike else ways
    return found


def _groups(
    outputs: Mapping[str, Sequence[int]], layout: Layout, size: tuple[int, int]
) -> Iterator[tuple[Part, Group]]:
    """Yield the outputs that may be one part: one of each level, or one with the rows of all levels."""
    places: list[tuple[int, ...]] = [(index,) for index in range(len(layout.levels))]
    places += [tuple(range(len(layout.levels)))] if len(layout.levels) > 1 else []
    for part in layout.parts:
        found: dict = defaultdict(lambda: defaultdict(list))
        for name, dims in outputs.items():
            for place in places:
                levels = [layout.levels[index] for index in place]
                for form, columns, steps in _forms(dims, levels, size, part):
                    if form in layout.forms and part.takes(columns):
                        found[form, len(place) > 1, columns][place].append((name, steps))
        for (_, whole, columns), by_place in found.items():
            wanted = places[-1:] if whole else places[: len(layout.levels)]
            if set(by_place) == set(wanted):
                for together in zip(*(by_place[place] for place in wanted), strict=False):
                    yield part, Group(columns, together)


def _forms(
    dims: Sequence[int], levels: Sequence[Level], size: tuple[int, int], part: Part
) -> Iterator[tuple[str, int, Steps]]:
    """Yield how an output of these dims may hold rows of these levels: the form's name, columns, and steps."""
    count = sum(len(level.sizes) * int(np.prod(level.cells(size))) for level in levels)
    if len(dims) in (2, 3):
        # Without a batch axis the rows of all images stand below each other.
        rows, columns = dims[-2:]
        if rows == count:
            yield "rows", columns, (("Reshape", (-1, count, columns)),)
        if list(dims) == [1, count]:
            yield "rows", 1, (("Reshape", (-1, count, 1)),)
        if columns == count and len(dims) == 3:
            yield "columns", rows, (("Transpose", (0, 2, 1)),)
    if len(levels) > 1 or len(dims) < 4:
        return
    height, width = levels[0].cells(size)
    anchors = len(levels[0].sizes)
    if len(dims) == 4:
        for form, channels, cells, perm in (
            ("maps", dims[1], dims[2:], (0, 2, 3, 1)),
            ("maps_last", dims[3], dims[1:3], (0, 1, 2, 3)),
        ):
            if list(cells) == [height, width] and channels % anchors == 0:
                yield form, channels // anchors, _of_map(count, channels // anchors, anchors, perm, part)
    elif len(dims) == 5 and dims[1] == anchors:
        for form, columns, cells, order in (
            ("anchor_maps", dims[4], dims[2:4], (0, 2, 3, 1, 4)),
            ("anchor_maps_last", dims[2], dims[3:], (0, 3, 4, 1, 2)),
        ):
            if list(cells) == [height, width]:
                yield form, columns, (("Transpose", order), ("Reshape", (-1, count, columns)))


def _of_map(count: int, columns: int, anchors: int, perm: tuple[int, ...], part: Part) -> Steps:
    steps: Steps = (("Transpose", perm),) if perm != (0, 1, 2, 3) else ()
    if part.classes_first and anchors > 1:
        apart = (-1, count // anchors, columns, anchors)
        steps += (("Reshape", apart), ("Transpose", (0, 1, 3, 2)))
    return (*steps, ("Reshape", (-1, count, columns)))


def _ways(parts: Sequence[Part], groups: list[tuple[Part, Group]]) -> Iterator[dict[str, Group]]:
    """Yield every choice of a group for each part such that no output is taken twice."""
    if not parts:
        yield {}
        return
    part, *rest = parts
    for of, group in groups:
        if of is part:
            free = [(other, taken) for other, taken in groups if not taken.names & group.names]
            for others in _ways(rest, free):
                yield {part.role: group} | others
    if part.optional:
        yield from _ways(rest, groups)
