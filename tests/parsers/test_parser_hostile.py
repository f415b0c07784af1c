"""Every head against damaged and random tensors, with the address and the undefined behaviour sanitizer."""

import numpy as np
import pytest

from dsbench.families.declared import families
from parser_calls import FLOAT, HALF, PARSERS, Layer, build, case, layer, tensors_of

SIZE = (96, 64)
CLASSES = 37
INT8, UNKNOWN = 2, 7
# Bytes of one element by DeepStream's data type: FLOAT, HALF, INT8, INT32, INT64, UINT8, none.
ITEM_BYTES = {0: 4, 1: 2, 2: 1, 3: 4, 4: 8, 5: 1, 7: 8}


def heads():
    """Return one family for each parser and each setting of it."""
    found = {}
    for family in families():
        found.setdefault((family.head.parser_source, *sorted(family.all_settings().items())), family)
    return list(found.values())


@pytest.fixture(scope="module", params=heads(), ids=lambda family: family.name)
def head(request):
    family = request.param
    return family, build(family, tensors_of(family), sanitize=True)


def example(family, classes=CLASSES, size=SIZE, seed=0):
    random = np.random.default_rng(seed)
    return {role: np.asarray(array) for role, array in family.example(random, classes, *size).items()}


def layers_of(family):
    names = tensors_of(family)
    return {role: layer(names[role], array.astype(np.float32)) for role, array in example(family).items()}


def damages(array):
    """Return what is changed of one tensor's layer by the name of the damage."""
    dims, size = array.shape, array.size
    huge = (1 << 16,) * len(dims) if len(dims) == 2 else (1 << 31, 1 << 31, 4)
    zeros = {
        f"axis {axis} of 0": {"dims": (*dims[:axis], 0, *dims[axis + 1 :]), "elements": 0}
        for axis in range(len(dims))
    }
    return zeros | {
        "no name": {"name": None},
        "another name": {"name": "other"},
        "no buffer": {"array": None},
        "INT8": {"dtype": INT8},
        "unknown dtype": {"dtype": UNKNOWN},
        "no dims": {"dims": ()},
        "a dim more": {"dims": (1, *dims)},
        "9 dims": {"dim_count": 9},
        "4294967295 dims": {"dim_count": 0xFFFFFFFF},
        "flat": {"dims": (1, 1, 1, size)},
        "product beyond the integers": {"dims": huge, "elements": 0},
        "an element more": {"elements": size + 1},
        "an element fewer": {"elements": size - 1},
        "elements of another product": {"dims": (*dims[:-1], dims[-1] + 1)},
    }


def test_damaged_layer_is_refused_in_one_line_that_names_it(head):
    family, parser = head
    layers = layers_of(family)
    cases, expected = [], []
    for role, whole in layers.items():
        for damage, changes in damages(whole.array).items():
            damaged = {**layers, role: Layer(**(vars(whole) | changes))}
            cases.append(case(damaged.values(), [0.01] * CLASSES, SIZE))
            expected.append((tensors_of(family)[role], damage))
        cases.append(case([other for other in layers.values() if other is not whole], [0.01] * CLASSES, SIZE))
        expected.append((tensors_of(family)[role], "not there"))
    assert_refused(parser, cases, expected)


def test_what_nvinfer_is_configured_for_is_compared_with_the_tensors(head):
    family, parser = head
    layers = list(layers_of(family).values())
    good = [0.01] * CLASSES
    cases = {
        "a threshold fewer": case(layers, good[1:], SIZE, classes=CLASSES),
        "no thresholds": case(layers, [], SIZE, classes=CLASSES),
        "a class more": case(layers, good, SIZE, classes=CLASSES + 1),
        "no class": case(layers, good, SIZE, classes=0),
        "no width": case(layers, good, (0, SIZE[1])),
        "no height": case(layers, good, (SIZE[0], 0)),
        "no layers": case([], good, SIZE),
    }
    dims = {role: ["batch", *array.shape] for role, array in example(family).items()}
    if family.head.classes(dims, family.all_settings()) is not None:
        cases["other classes"] = case(layers, good[1:], SIZE)
        cases["more classes"] = case(layers, [*good, 0.01], SIZE)
    assert_refused(parser, list(cases.values()), [("", name) for name in cases])


def test_tensors_whose_shared_sides_differ_are_refused(head):
    family, parser = head
    layers = layers_of(family)
    cases, expected = [], []
    for role, whole in layers.items():
        others = {side for other in layers.values() if other is not whole for side in other.dims}
        for axis, side in enumerate(whole.dims):
            if side > 1 and side in others:
                dims = (*whole.dims[:axis], side - 1, *whole.dims[axis + 1 :])
                changed = layer(whole.name, np.zeros(dims, np.float32))
                cases.append(
                    case([*(v for r, v in layers.items() if r != role), changed], [0.01] * CLASSES, SIZE)
                )
                expected.append(("", f"{role} {dims}"))
    if not cases:
        pytest.skip("no side of one tensor is that of another")
    assert_refused(parser, cases, expected)


def assert_refused(parser, cases, expected):
    answers, said = parser.run(cases)
    accepted = [expected[n] for n, (yes, objects) in enumerate(answers) if yes or len(objects)]
    assert accepted == []
    assert len(said) == len(cases), "each refusal is one line"
    for line, (name, damage) in zip(said, expected, strict=True):
        assert line.startswith(f"{parser.symbol}: ") and name in line, damage


def test_undamaged_example_is_accepted(head):
    family, parser = head
    [(accepted, objects)], said = parser.run([case(layers_of(family).values(), [0.01] * CLASSES, SIZE)])
    assert accepted and said == [] and len(objects) > 0


def random_frame(family, random, dtypes):
    """Return a case of random bits and its size and thresholds; some have other sizes than the network's."""
    classes = int(random.integers(1, 41))
    size = tuple(int(side) for side in random.integers(1, 5, 2) * 32)
    shapes = {role: array.shape for role, array in example(family, classes, size).items()}
    rows = max(max(shape) for shape in shapes.values())
    fewer = int(random.integers(1, 41)) if random.random() < 0.5 else rows
    layers = []
    for role, shape in shapes.items():
        dims = tuple(fewer if side == rows else side for side in shape)
        if random.random() < 0.1:
            dims = tuple(int(side) for side in random.integers(1, 41, len(dims)))
        count, dtype = int(np.prod(dims)), int(random.choice(dtypes))
        bits = np.frombuffer(random.bytes(count * ITEM_BYTES[dtype]), np.uint8)
        layers.append(Layer(tensors_of(family)[role], bits, dtype, dims, count))
    thresholds = random.choice([0.0, 0.3, 0.5, 1.0], classes).astype(np.float32)
    return case(layers, thresholds, size), size, thresholds


@pytest.mark.parametrize("dtypes", [[FLOAT], [HALF], list(ITEM_BYTES)], ids=["float", "half", "any"])
def test_random_bits_of_any_size_give_boxes_inside_the_network_or_a_refusal(head, dtypes):
    family, parser = head
    random = np.random.default_rng(len(dtypes) + dtypes[0])
    frames = [random_frame(family, random, dtypes) for _ in range(150)]
    answers, _ = parser.run([frame for frame, _, _ in frames])
    assert len(answers) == len(frames)
    assert len(dtypes) > 1 or sum(accepted for accepted, _ in answers) > 20, "hardly any frame was decoded"
    for (accepted, objects), (_, (width, height), thresholds) in zip(answers, frames, strict=True):
        assert accepted or len(objects) == 0
        assert np.isfinite(objects[:, :5]).all()
        assert (objects[:, 0] < len(thresholds)).all()
        assert (objects[:, 1:3] >= 0).all() and (objects[:, 3:5] > 0).all()
        assert (objects[:, 1] + objects[:, 3] <= width + 0.01).all()
        assert (objects[:, 2] + objects[:, 4] <= height + 0.01).all()
        assert (objects[:, 5] >= thresholds[objects[:, 0].astype(int)] - 1e-6).all()


def test_every_parser_is_some_familys_and_is_among_the_heads():
    sources = {path.name for path in PARSERS.glob("*.cpp")}
    assert sources == {family.head.parser_source for family in heads()}
