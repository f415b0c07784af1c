import pytest

from dsembed.engine.shapes import (
    ShapeError,
    ShapeRange,
    check_dims,
    check_profile,
    fill_profiles,
    shape_of,
)

DIMS = (4, 3, 8, 8)


def test_tensor_that_one_option_leaves_out_has_no_dims_there():
    given = {"minShapes": {"a": (1,)}, "optShapes": {"b": (2,)}, "maxShapes": None}
    assert fill_profiles(given)[0] == {"a": ShapeRange((1,), (), ()), "b": ShapeRange((), (2,), (2,))}


def test_nothing_given_is_no_profile():
    assert fill_profiles({"minShapes": None, "optShapes": None, "maxShapes": None}) == ({}, [])


def test_unknown_tensor_is_refused_in_trtexecs_words():
    with pytest.raises(ShapeError, match='Cannot find input tensor with name "image" in the network inputs!'):
        shape_of("images", {"image": DIMS}, "network inputs")


@pytest.mark.parametrize(
    ("pattern", "fits"), [("im*", True), ("*", True), ("*es", True), ("imagesX*", False)]
)
def test_one_star_stands_for_any_text(pattern, fits):
    if fits:
        assert shape_of("images", {pattern: DIMS}, "network inputs") == DIMS
    else:
        with pytest.raises(ShapeError):
            shape_of("images", {pattern: DIMS}, "network inputs")


@pytest.mark.parametrize("dims", [(4, 3, 8), (4, 3, 8, 9), (0, 3, 8, 8), (-1, 3, 8, 8), ()])
def test_dims_that_do_not_fit_the_network_are_refused(dims):
    with pytest.raises(ShapeError, match="does not fit"):
        check_dims(dims, "x", (-1, 3, 8, 8))


def test_only_the_batch_may_vary():
    with pytest.raises(ShapeError, match="varies in more than its batch"):
        check_profile(ShapeRange((1, 3, 8, 8), (1, 3, 8, 8), (1, 3, 16, 16)), "x", (-1, 3, -1, -1))


def test_min_opt_max_must_not_fall():
    with pytest.raises(ShapeError, match="min <= opt <= max"):
        check_profile(ShapeRange((4, 3), (2, 3), (8, 3)), "x", (-1, 3))


def test_tensor_that_two_patterns_name_is_refused():
    with pytest.raises(ShapeError, match=r'images of the network inputs is named by "images", "im.*"; give'):
        shape_of("images", {"images": DIMS, "im*": (8, 3, 8, 8)}, "network inputs")
