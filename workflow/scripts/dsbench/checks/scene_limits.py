"""What no scene has: sizes, places, numbers and names of boxes by which a wrong deployment gives itself away.

Each limit is set at what is impossible, not at what is unusual: a right model on an odd clip has to pass.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dsbench.boxes.clustering import without_overlaps
from dsbench.boxes.kitti import Detection, Frames
from dsbench.boxes.matching import CORNERS, as_rows, best_first, ious
from dsbench.checks.findings import SceneCheck
from dsbench.checks.verdict import Verdict
from dsbench.pixels.preprocessing import Preprocessing

# Fewer boxes, or pairs of them, than these in the whole clip are not checked.
ENOUGH_BOXES, ENOUGH_PAIRS = 20, 100
# Frames that are looked at, spread over the clip, each with the one behind it.
SAMPLED_FRAMES = 100
# Pixels of the network. What a detector reports covers several of them; fractions read as pixels are within one.
SMALLEST_SIDE_PX = 1.5
# Of ten boxes this many have to be too small: far objects among near ones are.
SMALL_QUANTILE = 0.9
# Overlap from which boxes of one frame are one place, and boxes of two frames one object that stands still.
SAME_PLACE_IOU, SAME_OBJECT_IOU = 0.9, 0.7
# A detector without NMS reports an object 1.1 times at a threshold of 0.02.
MOST_BOXES_PER_PLACE = 3.0
# A name and its kinds (dog, carnivore, mammal, animal) hold at once in some models, but never all of many names.
MOST_NAMES_PER_PLACE, MOST_NAMES_SHARE, FEWEST_NAMES = 8.0, 0.9, 4
# Objects hide what is behind them: the areas of 150 people in a street are twice the frame's.
MOST_COVERAGE, DISTINCT_IOU = 8.0, 0.5
# As many different boxes that all have a point in common, and nothing beside them, in nearly all frames: a scrum of
# players is not that many, and what lies in a corner of the frame is not even four.
PILE, PILE_IN_CORNER, MOST_PILED, ENOUGH_FRAMES = 10, 4, 0.9, 10
# Levels of 256, on average over a box: below STILL its picture is the same but for noise, from CHANGED on another.
STILL_LEVELS, CHANGED_LEVELS = 3.0, 8.0
# What the same picture gives again: a box in 97 of 100 cases at a usual threshold, in 84 at one of 0.02.
LEAST_KEPT = 0.25
# Names are drawn by lot where one holds no longer than chance would have it; of two names an object may hover between.
MOST_CHANCE, ABOVE_CHANCE = 0.4, 0.1
# Numbers of a dump that differ by rounding alone: pixels, and confidences.
SAME_CORNER_PX, SAME_CONFIDENCE = 0.05, 0.001

RIGHT_FAMILY = (
    "look at the family in model/inspect.json, and name the right one with family: in the model's entry."
)

Grey = Callable[[Collection[int]], Iterable[tuple[int, np.ndarray]]]
Pair = tuple[int, int]


@dataclass(frozen=True)
class View:
    """What the boxes are seen against.

    `width` and `height` are the frame's; `network_px` is how many of its pixels one of the network's covers in x and
    y; `classes` is the number of names; `grey` yields frames of these numbers, in order, as [height, width] levels.
    """

    width: int
    height: int
    network_px: tuple[float, float]
    classes: int
    grey: Grey


def network_pixels(preprocessing: Preprocessing, width: int, height: int) -> tuple[float, float]:
    """Return how many pixels of a frame of `width` x `height` one of the network's covers in x and y."""
    if preprocessing.in_graph is not None:
        _, _, columns, rows = preprocessing.in_graph.picture
        return width / columns, height / rows
    ratios = width / preprocessing.width, height / preprocessing.height
    return (max(ratios), max(ratios)) if preprocessing.maintain_aspect_ratio else ratios


class BoxTable:
    """A dump's boxes as rows of class, left, top, right, bottom, score, best first, by frame number."""

    def __init__(self, frames: Frames, view: View):
        self.ids: dict[str, int] = {}
        self.all = {number: self._rows(found, view) for number, found in sorted(frames.items())}
        self.pairs = _spread([pair for pair in pairwise(self.all) if pair[1] == pair[0] + 1])
        self.sample = _spread([rows for rows in self.all.values() if len(rows)])

    def _rows(self, found: Sequence[Detection], view: View) -> np.ndarray:
        rows = as_rows(best_first(found), self.ids)
        rows[:, 1:5] = np.clip(rows[:, 1:5], 0, [view.width, view.height] * 2)
        return rows[(rows[:, 3:5] > rows[:, 1:3]).all(axis=1)]


def _spread(every: list) -> list:
    return every[:: max(1, -(-len(every) // SAMPLED_FRAMES))]


def scene_checks(frames: Frames, view: View) -> list[Verdict[SceneCheck]]:
    """Return a verdict of each check, in the order in which a fault explains the ones behind it."""
    boxes = BoxTable(frames, view)
    if sum(map(len, boxes.all.values())) < ENOUGH_BOXES:
        return []
    return [
        _size(boxes, view),
        _one_point(boxes, view),
        _boxes_of_a_place(boxes),
        _names_of_a_place(boxes, view),
        _coverage(boxes, view),
        _change(boxes, view),
        *_persistence(boxes, view),
    ]


def _verdict(name: str, found: float | None, required: str, fault: str | None = None) -> Verdict[SceneCheck]:
    passed = None if found is None else fault is None
    return Verdict(SceneCheck(name, found, required, passed), fault)


def _size(boxes: BoxTable, view: View) -> Verdict:
    every = np.vstack(list(boxes.all.values()))
    sides = ((every[:, 3:5] - every[:, 1:3]) / view.network_px).max(axis=1)
    found = float(np.quantile(sides, SMALL_QUANTILE))
    fault = None
    if found < SMALLEST_SIDE_PX:
        left, top = every[:, 1:3].min(axis=0)
        right, bottom = every[:, 3:5].max(axis=0)
        fault = (
            f"9 of 10 boxes are at most {found:.2g} pixels of the network long, and all lie from {left:.0f}, {top:.0f}"
            f" to {right:.0f}, {bottom:.0f} in a frame of {view.width} x {view.height}: no detector sees so small an"
            f" object. Most often boxes as fractions are read as pixels; {RIGHT_FAMILY}"
        )
    return _verdict(
        "Longer side of 9 in 10 boxes, network pixels", found, f"at least {SMALLEST_SIDE_PX:g}", fault
    )


def _one_point(boxes: BoxTable, view: View) -> Verdict:
    """Check frames with many boxes that are not one object: whether all of them lie over one point."""
    piled = total = 0
    for rows in boxes.sample:
        distinct = without_overlaps(_nameless(rows), DISTINCT_IOU)
        in_corner = _in_one_corner(distinct, view)
        if len(distinct) >= (PILE_IN_CORNER if in_corner else PILE):
            total += 1
            piled += in_corner or bool((distinct[:, 1:3].max(axis=0) < distinct[:, 3:5].min(axis=0)).all())
    found = piled / total if total >= ENOUGH_FRAMES else None
    fault = None
    if found is not None and found > MOST_PILED:
        fault = (
            f"In {found:.0%} of the frames with many boxes all of them lie over one point, though they are different."
            f" The decoder leaves out where each box is: it reads offsets or sizes as boxes; {RIGHT_FAMILY}"
        )
    return _verdict("Frames with all of many boxes over one point", found, f"at most {MOST_PILED:g}", fault)


def _in_one_corner(rows: np.ndarray, view: View) -> bool:
    at_start, at_end = rows[:, 1:3] < 1, rows[:, 3:5] > [view.width - 1, view.height - 1]
    return all((at_start[:, axis].all() or at_end[:, axis].all()) for axis in (0, 1))


def _boxes_of_a_place(boxes: BoxTable) -> Verdict:
    count = sum(map(len, boxes.sample))
    found = count / sum(len(without_overlaps(rows, SAME_PLACE_IOU)) for rows in boxes.sample)
    fault = None
    if found > MOST_BOXES_PER_PLACE:
        fault = (
            f"Each object is reported {found:.1f} times by boxes of its class that are nearly the same: nothing drops"
            " them. The model has no NMS, but its family takes the boxes as final (cluster-mode=4), or the decoder"
            f" reads boxes that are all alike; {RIGHT_FAMILY}"
        )
    return _verdict("Boxes of a class in one place", found, f"at most {MOST_BOXES_PER_PLACE:g}", fault)


def _names_of_a_place(boxes: BoxTable, view: View) -> Verdict:
    names = places = 0
    for rows in boxes.sample:
        names += len(without_overlaps(rows, SAME_PLACE_IOU))
        places += len(without_overlaps(_nameless(rows), SAME_PLACE_IOU))
    limit = min(MOST_NAMES_PER_PLACE, MOST_NAMES_SHARE * view.classes)
    found = names / places if view.classes >= FEWEST_NAMES else None
    fault = None
    if found is not None and found > limit:
        fault = (
            f"One place has {found:.1f} of {view.classes} class names on average. The scores are none: they are numbers"
            f" of another tensor, or already have the sigmoid that the decoder applies; {RIGHT_FAMILY}"
        )
    return _verdict("Class names in one place", found, f"at most {limit:.3g}", fault)


def _coverage(boxes: BoxTable, view: View) -> Verdict:
    areas = []
    for rows in boxes.sample:
        distinct = without_overlaps(_nameless(rows), DISTINCT_IOU)
        areas.append((distinct[:, 3:5] - distinct[:, 1:3]).prod(axis=1).sum() / (view.width * view.height))
    found = float(np.median(areas))
    fault = None
    if found > MOST_COVERAGE:
        count = np.median([len(rows) for rows in boxes.sample])
        fault = (
            f"A frame has {count:.0f} boxes whose areas are {found:.1f} times the frame's: more than a frame can hold."
            " The model is sure of everything: most often the pixels are in another range than it was trained with"
            " (net-scale-factor, offsets), else the decoder applies no or the wrong score."
        )
    return _verdict("Area of a frame's different boxes, frames", found, f"at most {MOST_COVERAGE:g}", fault)


def _change(boxes: BoxTable, view: View) -> Verdict:
    """Check a dump with the same boxes in every frame by how much the picture in them changes.

    A box that the frame cuts off on all sides is asked for nothing: what fills the frame is always there.
    """
    numbers = list(boxes.all)
    first = boxes.all[numbers[0]]
    free = first[((first[:, 1:3] > 0) | (first[:, 3:5] < [view.width, view.height])).any(axis=1)]
    name, required = (
        "Change of the picture where all frames have the same boxes, levels",
        f"under {CHANGED_LEVELS:g}",
    )
    if (
        len(numbers) < ENOUGH_FRAMES
        or not len(free)
        or not all(_same_rows(first, rows) for rows in boxes.all.values())
    ):
        return _verdict(name, None, required)
    pictures = iter(view.grey(set(numbers[:: -(-len(numbers) // ENOUGH_FRAMES)])))
    _, reference = next(pictures)
    found = max(float(np.mean(_differences(reference, grey, free))) for _, grey in pictures)
    fault = None
    if found >= CHANGED_LEVELS:
        fault = (
            f"All {len(numbers)} frames have the same {len(first)} boxes, though the picture inside them changes by"
            f" {found:.0f} levels of 256. The outputs do not depend on the frame: the network gets no pixels"
            " (net-scale-factor, offsets), or the decoder reads a tensor that is constant."
        )
    return _verdict(name, found, required, fault)


def _persistence(boxes: BoxTable, view: View) -> list[Verdict]:
    """Check whether a picture that stays the same from one frame to the next keeps its boxes, and these their names.

    The pictures are read only where the boxes alone do not pass: what moves, or another picture, excuses them.
    """
    rows = np.vstack([row for row in boxes.all.values() if len(row)])
    chance = float(((np.bincount(rows[:, 0].astype(int)) / len(rows)) ** 2).sum())
    checks = _persisting(boxes, None, chance)
    if not all(check.passed for check in checks):
        checks = _persisting(boxes, _still(boxes, view), chance)
    return checks


def _persisting(boxes: BoxTable, still: dict[Pair, np.ndarray] | None, chance: float) -> list[Verdict]:
    kept: list[bool] = []
    named: list[bool] = []
    for pair in boxes.pairs:
        before, after = (boxes.all[number] for number in pair)
        if still is not None:
            before = before[still[pair]]
        same = ious(before[:, CORNERS], after[:, CORNERS]) >= SAME_OBJECT_IOU
        there = np.asarray(same.any(axis=1))
        kept += there.tolist()
        of_one_name = (same & (before[:, None, 0] == after[None, :, 0])).any(axis=1)
        named += of_one_name[there].tolist()
    return [_kept(kept), _named(named, chance)]


def _kept(kept: Sequence[bool]) -> Verdict:
    found = float(np.mean(kept)) if len(kept) >= ENOUGH_PAIRS else None
    fault = None
    if found is not None and found < LEAST_KEPT:
        fault = (
            f"Of {len(kept)} boxes whose picture stays the same from one frame to the next {found:.0%} are there again:"
            " they are no objects. Most often the pixels are in another range than the model was trained with"
            " (net-scale-factor, offsets), else the decoder reads the wrong tensor."
        )
    return _verdict("Boxes that are there again in the next frame", found, f"at least {LEAST_KEPT:g}", fault)


def _named(named: Sequence[bool], chance: float) -> Verdict:
    found = float(np.mean(named)) - chance if len(named) >= ENOUGH_PAIRS and chance <= MOST_CHANCE else None
    fault = None
    if found is not None and found < ABOVE_CHANCE:
        fault = (
            f"{np.mean(named):.0%} of {len(named)} boxes whose place and picture stay the same keep their class from"
            f" one frame to the next, chance alone gives {chance:.0%}: the classes are drawn by lot. The decoder reads"
            f" them from the wrong tensor or column; {RIGHT_FAMILY}"
        )
    name = "Boxes that keep their class in the next frame, above chance"
    return _verdict(name, found, f"at least {ABOVE_CHANCE:g}", fault)


def _still(boxes: BoxTable, view: View) -> dict[Pair, np.ndarray]:
    """Return for each pair of frames which boxes of the first have the same picture in the second."""
    wanted, still = dict(boxes.pairs), {}
    last: tuple[int, np.ndarray] | None = None
    for number, grey in view.grey({number for pair in boxes.pairs for number in pair}):
        if last is not None and wanted.get(last[0]) == number:
            still[last[0], number] = _differences(last[1], grey, boxes.all[last[0]]) < STILL_LEVELS
        last = number, grey
    return still


def _differences(one: np.ndarray, other: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return for each box by how many levels two pictures differ inside it, on average."""
    difference = np.abs(one.astype(np.int16) - other)
    corners = np.column_stack([np.floor(rows[:, 1:3]), np.ceil(rows[:, 3:5])]).astype(int)
    return np.array([difference[top:bottom, left:right].mean() for left, top, right, bottom in corners])


def _same_rows(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    tolerance = [0, *[SAME_CORNER_PX] * 4, SAME_CONFIDENCE]
    return bool((np.abs(_in_order(one) - _in_order(other)) <= tolerance).all())


def _in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(rows[:, 4::-1].T.round(1))]


def _nameless(rows: np.ndarray) -> np.ndarray:
    return np.column_stack([np.zeros(len(rows)), rows[:, 1:]])
