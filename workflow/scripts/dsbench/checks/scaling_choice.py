"""Which of nvinfer's scaling filters keeps a model's boxes closest to where its own preprocessing puts them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dsbench.checks.findings import FilterChoice, FilterRow
from dsbench.core.errors import BuildError
from dsbench.pixels.nvinfer_pixels import placement
from dsbench.pixels.preprocessing import Preprocessing

# nvinfer's numbers, and the order in which filters are taken that are equally close: first the one that smooths what
# it shrinks, then the other one that leaves the picture in its place, then those after which the boxes are moved back.
FILTERS: Mapping[int, str] = {3: "area", 2: "cubic", 1: "bilinear", 0: "nearest"}
# Mean overlaps nearer than this are equal: on the demonstration's clip two choices of ten frames differ by as much.
EQUAL_OVERLAP = 0.005
# Of fewer objects one that is found or not decides which way comes closer.
ENOUGH_OBJECTS = 8


class ScalingError(BuildError):
    """A filter that the config states and that NVIDIA's library refuses for these sizes."""


def filter_order(preprocessing: Preprocessing, size: tuple[int, int]) -> list[int]:
    """Return the filters in the order in which equally close ones are taken; nearest is first where it only copies."""
    copies = (preprocessing.width, preprocessing.height) == size
    return sorted(FILTERS, key=lambda number: number != 0) if copies else list(FILTERS)


def why_refused(preprocessing: Preprocessing, scaling_filter: int, size: tuple[int, int]) -> str | None:
    """Return why NVIDIA's library does not scale frames of `size` (width, height) so, None where it does."""
    try:
        placement(replace(preprocessing, scaling_filter=scaling_filter), *size)
    except BuildError as error:
        return str(error)
    return None


def usable_filter(preprocessing: Preprocessing, size: tuple[int, int]) -> Preprocessing:
    """Return the preprocessing with its filter, or with the first one that NVIDIA's library takes for these sizes."""
    wanted = preprocessing.scaling_filter
    for number in [*([] if wanted is None else [wanted]), *FILTERS]:
        if why_refused(preprocessing, number, size) is None:
            return replace(preprocessing, scaling_filter=number)
    # What refuses nearest neighbour is no matter of filters, and this says what it is.
    placement(replace(preprocessing, scaling_filter=0), *size)
    raise ScalingError("NVIDIA's library takes none of its filters for these sizes")


def choose_filter(rows: Sequence[FilterRow], objects: int, stated: int | None) -> FilterChoice:
    """Return the filter with the highest mean overlap; equal ones, and all with too few objects, go by their order.

    `objects` is how many the model detects with its own preprocessing, `stated` the filter that its entry in the config
    states, which is taken. Raises ScalingError where NVIDIA's library refuses that.
    """
    return FilterChoice(_taken(rows, objects, stated), stated is not None, list(rows))


def _taken(rows: Sequence[FilterRow], objects: int, stated: int | None) -> int:
    if stated is not None:
        row = next(row for row in rows if row.scaling_filter == stated)
        if row.refused is not None:
            raise ScalingError(f"preprocessing: scaling_filter: {stated} in the config: {row.refused}")
        return stated
    taken = [row for row in rows if row.refused is None]
    if objects < ENOUGH_OBJECTS:
        return taken[0].scaling_filter
    best = max(row.mean_overlap or 0.0 for row in taken)
    return next(row.scaling_filter for row in taken if (row.mean_overlap or 0.0) >= best - EQUAL_OVERLAP)
