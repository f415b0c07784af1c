"""The host's pixels against those that NVIDIA's own library made of the same inputs.

tests/data/nvbufsurftransform.json has one case a line: input, format, filter, the output's size, the picture's
rectangle in it, and the SHA-256 of the levels that NVIDIA's NvBufSurfTransform wrote (DeepStream 9.0.2, H100 and H200;
null where it refused, or where what it wrote has no sense). `others` are the levels, by their place, that the host
computes otherwise. `defined` is the part of a picture whose chroma the library writes, where that is not all of it.
"""

import hashlib
import json

import numpy as np
import pytest

from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.postprocess import refuse_scaling
from dsembed.shared import native
from dsembed.shared.declared_keys import RefusedError
from nvidia_pixels import DATA, measured_inputs, scaled, through_rgb

CASES = json.loads((DATA / "nvbufsurftransform.json").read_text())
EXACT_FILTERS = (0, 1, 6)
MOST_LEVELS, MOST_SHARE = 2, 0.0025


@pytest.fixture(scope="module")
def inputs():
    return measured_inputs()


def cases(output_format, *filters, refused=False):
    chosen = [
        case
        for case in CASES
        if case["output_format"] == output_format
        and case["filter"] in filters
        and (case["sha256"] is None) == refused
    ]
    assert chosen
    return pytest.mark.parametrize("case", chosen, ids=name_of)


def name_of(case):
    size = "-".join(map(str, case["rectangle"]))
    return f"{case['input']}-{case['format']}-filter{case['filter']}-{size}"


def levels(planes, case):
    """Return the host's levels [H, W, 3] of the whole output."""
    y, cb, cr = (np.ascontiguousarray(plane) for plane in planes)
    pointers = [plane.ctypes.data for plane in (y, cb, cr)]
    kind = case["format"]
    frame = native.Frame(
        *pointers, y.shape[1], cb.shape[1], 1, *y.shape[::-1], "709" in kind, kind.endswith("ER")
    )
    left, top, width, height = case["rectangle"]
    network = native.Network(*case["size"], width, height, left, top, False, case["filter"], 1.0)
    tensor = np.full((3, *case["size"][::-1]), np.nan, np.float32)
    mux = native.Mux(*y.shape[::-1], False)
    native.load_host().dsembed_prepare(frame, mux, network, tensor.ctypes.data)
    return tensor.transpose(1, 2, 0)


def assert_nvidias(found, case):
    """The levels are those of NVIDIA's library but for those that are known to differ, which are few and near."""
    found = np.ascontiguousarray(found).astype(np.uint8).ravel()
    others = case.get("others", [])
    assert len(others) <= MOST_SHARE * found.size
    for place, level in others:
        assert abs(int(found[place]) - level) <= MOST_LEVELS
        found[place] = level
    assert hashlib.sha256(found.tobytes()).hexdigest() == case["sha256"]


@cases("RGB", *EXACT_FILTERS)
def test_nearest_and_bilinear_pixels_are_nvidias(inputs, case):
    assert "others" not in case
    assert_nvidias(levels(inputs[case["input"]], case), case)


@cases("RGB", 2, 3)
def test_cubic_and_area_pixels_are_nvidias_within_two_levels_at_few_places(inputs, case):
    left, top, width, height = case["rectangle"]
    width, height = case.get("defined", (width, height))
    found = levels(inputs[case["input"]], case)
    assert_nvidias(found[top : top + height, left : left + width], case)


@cases("RGB", 2, 3, refused=True)
def test_what_nvidia_refuses_or_colours_falsely_is_refused(inputs, case):
    height, width = inputs[case["input"]][0].shape
    left, top, *picture = case["rectangle"]
    network = native.Network(*case["size"], *picture, left, top, False, case["filter"])
    with pytest.raises(RefusedError, match=f"scaling-filter={case['filter']} with a picture"):
        refuse_scaling(network, MuxSettings(width, height, False))


@cases("NV12", 1)
def test_scaling_of_the_muxer_is_nvidias(inputs, case):
    width, height = case["rectangle"][2:]
    y, cb, cr = through_rgb(scaled(inputs[case["input"]], width, height, 1))
    assert_nvidias(np.concatenate([y.ravel(), np.stack([cb, cr], axis=-1).ravel()]), case)
