import pytest

from dsembed.engine.shapes import (
    ShapeError,
    ShapeRange,
    broadcast,
    check_dims,
    check_profile,
    parse_shapes,
    shape_of,
)

DIMS = (4, 3, 8, 8)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("x:1x3x8x8", {"x": (1, 3, 8, 8)}),
        ("x:0:4x1", {"x:0": (4, 1)}),
        ("'x:0':4x1", {"x:0": (4, 1)}),
        ("a:1,b:2x2", {"a": (1,), "b": (2, 2)}),
        ("s:scalar", {"s": ()}),
    ],
)
def test_shapes_split_at_the_last_colon_of_each_item(text, shapes):
    assert parse_shapes(text) == shapes


@pytest.mark.parametrize(
    ("given", "profile", "warnings"),
    [
        ((1, 4, 8), (1, 4, 8), 0),
        ((None, 4, None), (4, 4, 4), 2),
        ((None, 4, 8), (4, 4, 8), 1),
        ((1, None, 8), (1, 8, 8), 1),
        ((1, None, None), (1, 1, 1), 2),
        ((None, None, 8), (8, 8, 8), 2),
    ],
)
def test_missing_shapes_are_broadcast_with_a_warning_each(given, profile, warnings):
    options = zip(("minShapes", "optShapes", "maxShapes"), given, strict=True)
    found, texts = broadcast({option: batch and (batch, 3) for option, batch in options}, "x")
    assert (found.min[0], found.opt[0], found.max[0]) == profile
    assert len(texts) == warnings
    assert all("Shapes is being broadcasted to " in text and text.endswith("for tensor x") for text in texts)


def test_nothing_given_is_no_profile():
    assert broadcast({"minShapes": None, "optShapes": None, "maxShapes": None}, "x") == (None, [])


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
