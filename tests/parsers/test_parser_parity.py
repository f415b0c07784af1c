"""Every family: the compiled parser gives what its reference decoder gives, moved back, in half and full precision."""

import numpy as np
import pytest

from dsbench.families.declared import families
from dsbench.families.family import FrameTensors
from parser_calls import build, case, layer, tensors_of

SHIFT = (0.5, 0.375)
EDGES = (8, 12, 310, 180)
SIZES = [(640, 640), (320, 192), (416, 416)]


def prepared(family, seed, size, classes, dtype):
    random = np.random.default_rng(seed)
    return {
        role: np.asarray(array).astype(dtype)
        for role, array in family.example(random, classes, *size).items()
    }


def assert_same_rows(objects, expected):
    """Assert that each row has its counterpart on the other side, whatever the order."""
    assert len(objects) == len(expected)
    difference = np.abs(objects[:, None] - expected[None])
    same = (difference <= [0, 0.05, 0.05, 0.05, 0.05, 1e-5]).all(axis=2)
    assert same.any(axis=0).all() and same.any(axis=1).all()


@pytest.fixture(scope="module", params=families(), ids=lambda family: family.name)
def parser(request):
    family = request.param
    return family, build(family, tensors_of(family), shift=SHIFT, edges=EDGES)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_objects_are_those_of_the_reference(parser, dtype):
    family, compiled = parser
    found = 0
    for size in SIZES:
        for classes in (1, 4, 80):
            thresholds = np.full(classes, family.default_threshold, np.float32)
            frames = [prepared(family, seed, size, classes, dtype) for seed in range(3)]
            names = tensors_of(family)
            cases = [
                case([layer(names[role], array) for role, array in frame.items()], thresholds, size)
                for frame in frames
            ]
            answers, said = compiled.run(cases)
            assert said == []
            for tensors, (accepted, objects) in zip(frames, answers, strict=True):
                frame = FrameTensors(
                    {r: a.astype(np.float64) for r, a in tensors.items()}, *size, thresholds, SHIFT, EDGES
                )
                expected = family.head.decode(frame, family.all_settings())
                assert accepted
                assert_same_rows(objects, expected)
                found += len(expected)
    assert found > 20, "the example has hardly any object"
