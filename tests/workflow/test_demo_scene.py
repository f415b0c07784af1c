import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[2] / "demo"))

from streetscene.actors import LABELS, Actor
from streetscene.canvas import Canvas
from streetscene.people import sample_person
from streetscene.scene import MIN_SIDE_PX, Scene
from streetscene.signs import sample_sign
from streetscene.street import HEIGHT_PX, WIDTH_PX
from streetscene.vehicles import sample_bicycle, sample_car
from training.samples import MAX_BOXES, training_samples

SAMPLERS = {"car": sample_car, "person": sample_person, "bicycle": sample_bicycle, "road_sign": sample_sign}
VARIANTS = [
    *((label, facing, False) for label in LABELS for facing in (1, -1)),
    ("car", 1, True),
    ("car", -1, True),
]


def test_a_seed_gives_the_same_picture_and_boxes_again():
    first, second = Scene(3).frame(1.5), Scene(3).frame(1.5)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.boxes, second.boxes)


def test_another_seed_gives_another_picture():
    assert not np.array_equal(Scene(3).frame(1.5).image, Scene(4).frame(1.5).image)


@pytest.mark.parametrize("distance_m", [8.0, 14.0, 25.0])
@pytest.mark.parametrize(("label", "facing", "along_z"), VARIANTS)
def test_owned_pixels_bound_the_drawn_pixels(label, facing, along_z, distance_m):
    canvas = Canvas(np.full((HEIGHT_PX, WIDTH_PX, 3), (1, 2, 3), np.uint8))
    actor = Actor(SAMPLERS[label](np.random.default_rng(5)), 0.3, distance_m, float(facing), along_z)
    actor.draw(canvas.pen(1, (640.3, 600.7), 900 / distance_m, facing), time_s=0.4)
    changed, owned = extent((canvas.image != (1, 2, 3)).any(2)), extent(canvas.owner == 1)
    assert np.abs(changed - owned).max() <= 2


@pytest.mark.parametrize("label", LABELS)
def test_an_actor_alone_gets_its_label_and_a_box_at_its_place(label):
    scene = Scene(1)
    z_m = (scene.street.near_kerb_m + scene.street.far_kerb_m) / 2
    scene.actors = [Actor(SAMPLERS[label](np.random.default_rng(5)), 0.0, z_m)]
    frame = scene.frame(0.0)
    assert [LABELS[index] for index in frame.labels] == [label]
    left, top, right, bottom = frame.boxes[0]
    assert left < WIDTH_PX / 2 < right
    ground, metre = scene.street.project(0, 0, z_m)[1], scene.street.px_per_m(z_m)
    assert top < bottom < ground + 0.1 * metre
    assert (bottom < ground - metre) == (label == "road_sign")


def test_an_actor_behind_another_has_no_box():
    scene, car = Scene(1), sample_car(np.random.default_rng(5))
    z_m = scene.street.near_kerb_m + 1
    scene.actors = [Actor(car, 0.0, z_m), Actor(car, 0.0, z_m + 0.01)]
    assert len(scene.frame(0.0).boxes) == 1


def test_a_half_hidden_actor_is_boxed_by_what_is_seen():
    scene, rng = Scene(1), np.random.default_rng(5)
    rear, z_m = Actor(sample_car(rng), 0.0, scene.street.near_kerb_m + 1.5), scene.street.near_kerb_m + 1
    scene.actors = [rear]
    whole = scene.frame(0.0).boxes[0]
    scene.actors = [rear, Actor(sample_car(rng), -2.4, z_m)]
    seen = scene.frame(0.0).boxes[0]
    assert seen[0] > whole[0] + 10
    assert seen[2] == whole[2]


def test_boxes_lie_in_the_picture_and_are_not_tiny():
    boxes = np.concatenate([Scene(seed).frame(2.0).boxes for seed in range(4)])
    assert (boxes >= 0).all()
    assert (boxes[:, 2] <= WIDTH_PX).all()
    assert (boxes[:, 3] <= HEIGHT_PX).all()
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= MIN_SIDE_PX


def test_an_actor_that_leaves_its_stretch_enters_at_the_other_end():
    actor = Actor(sample_car(np.random.default_rng(0)), 9.0, 12.0, velocity_m_s=2.0, stretch_m=20.0)
    assert actor.place_m(0.25) == (9.5, 12.0)
    assert actor.place_m(1.0) == (-9.0, 12.0)


def test_training_samples_are_a_function_of_their_index():
    for first, second in zip(training_samples(2), training_samples(2), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_training_boxes_are_centred_fractions_of_a_320_pixel_picture():
    for image, labels, boxes in training_samples(5):
        assert image.shape == (320, 320, 3)
        assert 0 < len(labels) == len(boxes) <= MAX_BOXES
        low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
        assert low.min() > -1e-6
        assert high.max() < 1 + 1e-6


def extent(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()])
