"""What no scene has is stopped with its cause, and odd but right dumps pass: few, still, crowded, tiny, flickering."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsbench.boxes.kitti import Detection, read_directory
from dsbench.checks.gate import check_dump
from dsbench.checks.scene_limits import View, network_pixels, scene_checks
from dsbench.pixels.nvinfer_pixels import grey_frames
from dsbench.pixels.preprocessing import derive_preprocessing

PROJECT = Path(__file__).parents[2]
WIDTH, HEIGHT, FRAMES = 1280, 720, 60
NAMES = ("car", "person", "bicycle", "road_sign")


def still_picture(numbers):
    return ((number, np.full((HEIGHT, WIDTH), 90, np.uint8)) for number in sorted(numbers))


def noise(numbers):
    """Yield pictures of which each is quite another one."""
    return (
        (number, np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH), np.uint8))
        for number in sorted(numbers)
    )


def demo_clip(numbers):
    return grey_frames(PROJECT / "demo/sample_720p.mp4", numbers)


def view(grey=still_picture, classes=4):
    return View(WIDTH, HEIGHT, network_px=(4.0, 2.25), classes=classes, grey=grey)


def box(left, top, width, height, label="car", confidence=0.8):
    return Detection(label, left, top, left + width, top + height, confidence)


def frames_of(make, count=FRAMES):
    return {number: make(number, np.random.default_rng(number)) for number in range(count)}


def trembling(boxes, random, pixels=0.7):
    """Return boxes as a detector gives them for the same objects again: a little beside, a little less sure."""
    return [
        replace(
            one,
            left=one.left + random.normal(0, pixels),
            right=one.right + random.normal(0, pixels),
            confidence=float(np.clip(one.confidence + random.normal(0, 0.02), 0.01, 1)),
        )
        for one in boxes
    ]


def crowd(count, random):
    """Return `count` people who stand in rows, the nearer the larger, as they hide each other."""
    depth = np.sort(random.uniform(0, 1, count))
    heights = 40 + 260 * depth**2
    return [
        box(x * (WIDTH - h * 0.4), 120 + 300 * d, h * 0.4, h, "person")
        for x, d, h in zip(random.uniform(0, 1, count), depth, heights, strict=True)
    ]


def mixed_sizes(random):
    far = [box(x, 200, s, s) for x, s in zip(range(100, 1200, 40), random.uniform(8, 12, 28), strict=True)]
    return [*far, box(300, 400, 200, 120), box(700, 420, 180, 130), box(60, 380, 90, 180, "person")]


def random_boxes(count, random):
    sides = random.uniform(0.02, 0.4, (count, 2)) * [WIDTH, HEIGHT]
    corners = random.uniform(0, 1, (count, 2)) * ([WIDTH, HEIGHT] - sides)
    labels = random.choice(NAMES, count)
    return [box(*corner, *side, str(name)) for corner, side, name in zip(corners, sides, labels, strict=True)]


STREET = [box(80, 400, 310, 100), box(880, 366, 80, 66), box(500, 300, 40, 110, "person")]
RIGHT = {
    "the demonstration's truth": (read_directory(PROJECT / "demo/sample_720p_kitti"), view(demo_clip)),
    "a moving object": (frames_of(lambda n, r: [box(100 + 4 * n, 300, 60, 40)]), view()),
    "an object in a still picture": (frames_of(lambda n, r: STREET), view()),
    "an object that trembles in a still picture": (frames_of(lambda n, r: trembling(STREET, r)), view()),
    "150 people": (
        frames_of(lambda n, r: trembling(crowd(150, np.random.default_rng(7)), r)),
        view(),
    ),
    "far objects of 8 to 12 pixels among near ones": (
        frames_of(lambda n, r: trembling(mixed_sizes(np.random.default_rng(7)), r, 0.4)),
        view(),
    ),
    "far objects alone": (
        frames_of(lambda n, r: trembling(mixed_sizes(np.random.default_rng(7))[:-3], r, 0.4)),
        view(),
    ),
    "objects at the threshold": (
        frames_of(
            lambda n, r: [
                one for one in trembling(crowd(20, np.random.default_rng(7)), r) if r.random() < 0.5
            ]
        ),
        view(),
    ),
    "a slide show": (frames_of(lambda n, r: random_boxes(8, r)), view(noise)),
    "one object of another class in each slide": (
        frames_of(lambda n, r: [box(0, 0, WIDTH, HEIGHT, NAMES[r.integers(4)])], 200),
        view(noise),
    ),
    "a name and its kinds": (
        frames_of(lambda n, r: [replace(one, label=name) for one in STREET for name in NAMES]),
        view(classes=500),
    ),
    "tiny fast objects": (
        frames_of(lambda n, r: [box(x, y, 9, 9, "bird") for x, y in r.uniform(10, 700, (8, 2))]),
        view(noise),
    ),
    "one class of 80": (frames_of(lambda n, r: trembling(STREET[:2] * 1, r)), view(classes=80)),
    "a page that fills the frame, whatever it shows": (
        frames_of(lambda n, r: [box(0, 0, WIDTH, HEIGHT, "page", 1.0)]),
        view(noise),
    ),
    "nested pages": (
        frames_of(
            lambda n, r: [box(10, 10, 1200, 700, "page"), box(40, 40, 500, 600, "text"), box(60, 60, 300, 80)]
        ),
        view(),
    ),
}


@pytest.mark.parametrize("dump", RIGHT)
def test_right_dumps_pass_however_odd_the_scene(dump):
    frames, seen = RIGHT[dump]
    assert check_dump(frames, 0.9, view=seen).passed


def reduced(boxes, by):
    return [
        replace(one, left=one.left / by, top=one.top / by, right=one.right / by, bottom=one.bottom / by)
        for one in boxes
    ]


WRONG = {
    "fractions as pixels": (
        frames_of(lambda n, r: reduced(trembling(crowd(30, r), r), 320)),
        view(),
        r"9 of 10 boxes are at most 0\.\d+ pixels of the network long.* fractions are read as pixels",
    ),
    "53 random boxes a frame": (
        frames_of(lambda n, r: random_boxes(53, r)),
        view(),
        r"Of \d+ boxes whose picture stays the same .* \d% are there again: they are no objects",
    ),
    "random boxes on the clip": (
        frames_of(lambda n, r: random_boxes(53, r)),
        view(demo_clip),
        r"Of \d+ boxes whose picture stays the same .* \d% are there again",
    ),
    "hundreds of boxes": (
        frames_of(lambda n, r: random_boxes(400, np.random.default_rng(7)), 20),
        view(),
        r"A frame has 400 boxes whose areas are \d+\.\d times the frame's: more than a frame can hold",
    ),
    "the same boxes whatever is shown": (
        frames_of(lambda n, r: STREET),
        view(noise),
        r"All 60 frames have the same 3 boxes, though the picture inside them changes by \d+ levels",
    ),
    "random classes": (
        frames_of(lambda n, r: [replace(one, label=NAMES[r.integers(4)]) for one in trembling(STREET, r)]),
        view(),
        r"\d\d% of 177 boxes whose place and picture stay the same keep their class .* drawn by lot",
    ),
    "all classes in one place": (
        frames_of(lambda n, r: [replace(one, label=name) for one in STREET for name in NAMES]),
        view(),
        r"One place has 4\.0 of 4 class names on average",
    ),
    "no NMS": (
        frames_of(lambda n, r: [one for _ in range(5) for one in trembling(STREET, r)]),
        view(),
        r"Each object is reported \d\.\d times by boxes of its class",
    ),
    "all boxes in a corner": (
        frames_of(lambda n, r: [box(0, 0, 30 * 2**k, 18 * 2**k, r.choice(NAMES)) for k in range(5)]),
        view(),
        r"In 100% of the frames with many boxes all of them lie over one point",
    ),
    "all boxes around one point": (
        frames_of(lambda n, r: [box(600 - w, 350 - h, 2 * w, 2 * h) for w, h in r.uniform(5, 340, (40, 2))]),
        view(),
        r"In 100% of the frames with many boxes all of them lie over one point",
    ),
}


@pytest.mark.parametrize("dump", WRONG)
def test_what_no_scene_has_is_stopped_with_its_cause(dump):
    frames, seen, reason = WRONG[dump]
    verdict = check_dump(frames, 0.9, view=seen)
    assert re.search(reason, verdict.reason)
    failed = [check for check in verdict.numbers.checks if check.passed is False]
    assert failed and not verdict.numbers.passed


def test_what_was_checked_is_told_and_what_could_not_be():
    frames, seen = RIGHT["the demonstration's truth"]
    checks = {check.check: check for check in check_dump(frames, view=seen).numbers.checks}
    assert len(checks) == 8
    assert checks["Boxes that are there again in the next frame"].found > 0.9
    frozen = checks["Change of the picture where all frames have the same boxes, levels"]
    assert (frozen.found, frozen.passed, frozen.required) == (None, None, "under 8")
    assert check_dump({0: STREET}, view=view()).numbers.checks == []


def test_a_clip_with_objects_in_few_frames_is_checked_by_these():
    frames = {number: STREET * (number % 30 == 1) for number in range(300)}
    checks = scene_checks(frames, view())
    assert checks[0].numbers.found > 50 and all(check.passed for check in checks)


def test_pictures_are_read_only_where_the_boxes_alone_do_not_pass():
    def unread(numbers):
        raise AssertionError("the clip was read")

    frames = frames_of(lambda n, r: trembling(STREET, r))
    assert all(check.passed for check in scene_checks(frames, view(unread)))


def test_a_pixel_of_the_network_is_that_of_the_resized_frame():
    stretched = derive_preprocessing(None, None, graph_size=(320, 320))
    assert network_pixels(stretched, 1280, 720) == (4.0, 2.25)
    padded = replace(stretched, maintain_aspect_ratio=True)
    assert network_pixels(padded, 1280, 720) == (4.0, 4.0)
