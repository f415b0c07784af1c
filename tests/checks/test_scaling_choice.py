"""Which scaling filter is taken, and which ones NVIDIA's library refuses."""

from dataclasses import replace

import pytest

from dsbench.checks.findings import FilterRow
from dsbench.checks.scaling_choice import ScalingError, choose_filter, usable_filter, why_refused
from dsbench.core.errors import BuildError
from dsbench.pixels.preprocessing import derive_preprocessing

ENOUGH = 20


def network(width, height, **changes):
    size = {"size": {"height": height, "width": width}}
    return replace(derive_preprocessing(size, False), **changes)


def chosen(objects=ENOUGH, stated=None, **mean_overlaps):
    """Return the filter that is taken of filters with these mean overlaps, None for one that is refused."""
    rows = [
        FilterRow(int(name[-1]), name, "it only shrinks" if iou is None else None, mean_overlap=iou)
        for name, iou in mean_overlaps.items()
    ]
    return choose_filter(rows, objects, stated).scaling_filter


def test_filter_with_the_closest_boxes_is_taken():
    assert chosen(f3=0.95, f2=0.94, f1=0.93, f0=0.92) == 3
    assert chosen(f3=0.90, f2=0.91, f1=0.93, f0=0.92) == 1
    assert chosen(f3=0.80, f2=0.80, f1=0.80, f0=0.95) == 0


def test_equal_filters_go_by_their_order():
    assert chosen(f3=0.947, f2=0.95, f1=0.95, f0=0.95) == 3
    assert chosen(f3=0.94, f2=0.947, f1=0.95, f0=0.95) == 2
    assert chosen(f3=None, f2=0.93, f1=0.95, f0=0.954) == 1


def test_too_few_objects_leave_the_order():
    assert chosen(objects=7, f3=0.2, f2=0.9, f1=0.9, f0=0.9) == 3
    assert chosen(objects=7, f3=None, f2=0.2, f1=0.9, f0=0.9) == 2


def test_stated_filter_is_taken_unless_it_is_refused():
    assert chosen(stated=0, f3=0.95, f2=0.94, f1=0.93, f0=0.2) == 0
    with pytest.raises(ScalingError, match="preprocessing: scaling_filter: 3 in the config: it only shrinks"):
        chosen(stated=3, f3=None, f2=0.94, f1=0.93, f0=0.92)


@pytest.mark.parametrize(
    ("preprocessing", "size", "refused"),
    [
        (network(320, 320), (1280, 720), set()),
        (network(640, 640), (640, 360), {3}),
        (network(640, 640), (1280, 480), {3}),
        # 1280x720 fits 736x416 with 414 rows, which begin in row 1.
        (network(736, 416, maintain_aspect_ratio=True, symmetric_padding=True), (1280, 720), {2, 3}),
        (network(736, 416, maintain_aspect_ratio=True), (1280, 720), set()),
    ],
)
def test_refused_filters(preprocessing, size, refused):
    assert {number for number in (3, 2, 1, 0) if why_refused(preprocessing, number, size)} == refused


def test_setting_that_its_filter_does_not_suit_is_tried_with_the_next():
    assert usable_filter(network(320, 320, scaling_filter=3), (1280, 720)).scaling_filter == 3
    assert usable_filter(network(640, 640, scaling_filter=3), (1280, 480)).scaling_filter == 2
    assert usable_filter(network(640, 640, scaling_filter=0), (1280, 480)).scaling_filter == 0


def test_frame_that_no_filter_can_place_is_refused_by_its_own_sentence():
    thin = network(320, 320, maintain_aspect_ratio=True)
    with pytest.raises(BuildError, match="maintain-aspect-ratio=1 leaves 320x0 pixels"):
        usable_filter(thin, (4096, 4))
