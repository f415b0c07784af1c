"""nvinfer's post-processing behind the real parser ABI, against NumPy in nvinfer's types."""

import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.nvinfer_settings import ClassAttributes
from dsembed.deepstream_app.postprocess import DETECTION, Postprocessor, mux_struct, network_struct
from dsembed.engine.engine import Binding
from dsembed.shared import native
from dsembed.shared.declared_keys import RefusedError

F32 = np.float32
QUERIES, CLASSES = 60, 3
MUX = MuxSettings(1280, 720, False)
PARSER = r"""
#include <cstring>
#include <stdexcept>
#include "nvdsinfer_custom_impl.h"
using Layers = std::vector<NvDsInferLayerInfo>;
using Objects = std::vector<NvDsInferObjectDetectionInfo>;
// Rows of "boxes": class, left, top, width, height, confidence; a class below -1.5 ends the list.
extern "C" bool ParseRows(Layers const& layers, NvDsInferNetworkInfo const& network,
                          NvDsInferParseDetectionParams const& params, Objects& objects) {
    const NvDsInferLayerInfo& boxes = layers.at(1);
    if (std::strcmp(boxes.layerName, "boxes") || boxes.inferDims.numDims != 2 || boxes.inferDims.d[1] != 6 ||
        boxes.inferDims.numElements != boxes.inferDims.d[0] * 6 || boxes.dataType != FLOAT ||
        layers[0].dataType != INT64 || layers[0].bindingIndex != 1 || network.channels != 3 ||
        params.perClassThreshold.size() != params.numClassesConfigured) {
        return false;
    }
    for (unsigned i = 0; i < boxes.inferDims.d[0]; ++i) {
        const float* row = static_cast<const float*>(boxes.buffer) + i * 6;
        if (row[0] < -1.5f) break;
        NvDsInferObjectDetectionInfo object = {};
        object.classId = static_cast<unsigned>(static_cast<int>(row[0]));
        object.left = row[1]; object.top = row[2]; object.width = row[3]; object.height = row[4];
        object.detectionConfidence = row[5];
        objects.push_back(object);
    }
    return true;
}
extern "C" bool ParseNothing(Layers const&, NvDsInferNetworkInfo const&, NvDsInferParseDetectionParams const&,
                             Objects&) { return false; }
#ifdef STATED_BYTES
extern "C" { extern const unsigned NvDsInferParseObjectBytes; const unsigned NvDsInferParseObjectBytes = STATED_BYTES; }
#endif
extern "C" bool ParseThrowsANumber(Layers const&, NvDsInferNetworkInfo const&, NvDsInferParseDetectionParams const&,
                                   Objects&) { throw 7; }
extern "C" bool ParseThrows(Layers const&, NvDsInferNetworkInfo const&, NvDsInferParseDetectionParams const&,
                            Objects&) { throw std::runtime_error("no such layer"); }
"""
OUTPUTS = (Binding("count", (), "int64"), Binding("boxes", (QUERIES, 6), "fp32"))


@pytest.fixture(scope="module")
def host():
    return native.load_host()


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """The test parser by the bytes of its objects, 28 and 24, and one that states its 24 bytes."""
    directory = tmp_path_factory.mktemp("parser")
    source = directory / "parser.cpp"
    source.write_text(PARSER)
    built = {}
    for object_bytes, stated in ((28, False), (24, False), (24, True)):
        name = f"stated {object_bytes}" if stated else object_bytes
        built[name] = directory / f"libparser{object_bytes}{'_stated' if stated else ''}.so"
        include = f"-I{native.PARSER_INCLUDE_DIR}"
        flags = ["-std=c++17", "-fPIC", "-shared", f"-DDEEPSTREAM_OBJECT_BYTES={object_bytes}", include]
        flags += [f"-DSTATED_BYTES={object_bytes}"] * stated
        subprocess.run(["g++", *flags, "-o", built[name], source], check=True)
    return built


ATTRIBUTES = ClassAttributes(0.25, 0.0, 0.45, -1, 0, 0, 0, 0, 0, 0)


def detector(host, library, symbol="ParseRows", filtered_out=frozenset(), aspect=False, nms=True, **changes):
    settings = SimpleNamespace(
        parser_library=library,
        parser_symbol=symbol,
        classes=(ClassAttributes(**{**vars(ATTRIBUTES), **changes}),) * CLASSES,
        filtered_out=filtered_out,
        nms=nms,
        maintain_aspect_ratio=aspect,
        symmetric_padding=True,
        bgr=False,
        scaling_filter=1,
        scale_factor=1.0,
        offsets=(0, 0, 0),
    )
    network = network_struct(settings, MUX, (3, 320, 320))
    return Postprocessor(host, settings, mux_struct(MUX), network, OUTPUTS)


def random_rows(frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-20, 300, (frames, QUERIES, 2))
    sizes = rng.uniform(1, 120, (frames, QUERIES, 2))
    classes = rng.integers(-1, CLASSES + 1, (frames, QUERIES, 1))
    # Coarse confidences, so that ties occur and the stable order matters.
    confidences = rng.integers(0, 20, (frames, QUERIES, 1)) / 20
    return np.concatenate([classes, corners, sizes, confidences], axis=2).astype(F32)


def run(some: Postprocessor, rows: np.ndarray) -> list[list[tuple]]:
    frames = some.run([np.zeros(len(rows), np.int64), rows])
    return [None if frame is None else frame.tolist() for frame in frames]


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    def overlap(i: int) -> np.float32:
        return max(F32(0), min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]))

    shared = overlap(1) * overlap(2)
    union = a[3] * a[4] + b[3] * b[4] - shared
    return F32(0) if union == 0 else shared / union


def reference(rows: np.ndarray, rules: ClassAttributes, nms: bool, aspect: bool) -> list[tuple]:
    pad, rows_used = (70, 180) if aspect else (0, 320)
    ratio_x, ratio_y = np.float64(320) / 1280, np.float64(rows_used) / 720
    found = []
    for class_id in range(CLASSES):
        kept = [row for row in rows if row[0] == class_id and row[5] >= F32(rules.pre_cluster_threshold)]
        if nms or rules.top_k >= 0:
            kept.sort(key=lambda row: -row[5])
        if nms:
            survivors = []
            for row in kept:
                if all(iou(row, other) <= F32(rules.nms_iou_threshold) for other in survivors):
                    survivors.append(row)
            kept = [row for row in survivors if row[5] > F32(rules.post_cluster_threshold)]
        kept = kept if rules.top_k < 0 else kept[: rules.top_k]
        for _, x, y, w, h, confidence in kept:
            left, top = max(F32(0), F32(x / ratio_x)), max(F32(0), F32((y - F32(pad)) / ratio_y))
            width, height = F32(w / ratio_x), F32(h / ratio_y)
            small = width < rules.min_width or height < rules.min_height
            large = 0 < rules.max_width < width or 0 < rules.max_height < height
            outside = top < rules.roi_top_offset or top + height > F32(720 - rules.roi_bottom_offset)
            if not (small or large or outside):
                found.append((left, top, width, height, confidence, class_id))
    return [(*map(float, row[:5]), row[5]) for row in found]


RULES = [
    {},
    {"nms_iou_threshold": 0.1, "post_cluster_threshold": 0.6},
    {"top_k": 3},
    {"top_k": 0},
    {"min_width": 100, "min_height": 120, "max_width": 400, "max_height": 200},
    {"roi_top_offset": 60, "roi_bottom_offset": 90},
    {"pre_cluster_threshold": 0.0},
]


@pytest.mark.parametrize("changes", RULES)
@pytest.mark.parametrize("nms", [True, False])
@pytest.mark.parametrize("aspect", [True, False])
def test_objects_are_those_of_the_reference_in_its_order(host, libraries, changes, nms, aspect):
    some = detector(host, libraries[28], nms=nms, aspect=aspect, **changes)
    rows = random_rows(4)
    rules = ClassAttributes(**{**vars(ATTRIBUTES), **changes})
    assert run(some, rows) == [reference(frame, rules, nms, aspect) for frame in rows]
    some.close()


def test_left_and_top_are_clipped_without_shrinking(host, libraries):
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, 0] = (1, -10, -16, 40, 32, 0.5)
    (only,) = run(detector(host, libraries[28]), rows)[0]
    assert only == (0.0, 0.0, 160.0, 72.0, 0.5, 1)


def test_box_touching_below_the_frame_is_dropped(host, libraries):
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, 0] = (0, 0, 300, 10, 20, 0.5)
    rows[0, 1] = (0, 100, 300, 10, 20.01, 0.5)
    assert [found[0] for found in run(detector(host, libraries[28]), rows)[0]] == [0.0]


def test_ratios_are_doubles_which_decides_at_the_lower_edge(host, libraries):
    # In float32 the sum of both is 720 exactly, and the box would stay.
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, 0] = (0, 0, 19.0572529, 10, 300.942749, 0.5)
    assert run(detector(host, libraries[28]), rows)[0] == []


def test_overlap_that_is_no_number_suppresses(host, libraries):
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, 0] = (0, 10, 10, 10, 10, 0.9)
    rows[0, 1] = (0, 200, 200, np.nan, 10, 0.8)
    rows[0, 2] = (0, 100, 100, 10, 10, 0.7)
    found = run(detector(host, libraries[28]), rows)[0]
    assert [box[4] for box in found] == pytest.approx([0.9, 0.7])


def test_roi_offset_beyond_the_surface_leaves_boxes_in(host, libraries):
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, 0] = (0, 10, 10, 10, 10, 0.9)
    assert len(run(detector(host, libraries[28], roi_bottom_offset=719), rows)[0]) == 0
    assert len(run(detector(host, libraries[28], roi_bottom_offset=721), rows)[0]) == 1


def test_filtered_out_class_is_dropped_after_clustering(host, libraries):
    found = run(detector(host, libraries[28], filtered_out={1}), random_rows(1))[0]
    assert {row[5] for row in found} == {0, 2}


def test_nan_confidence_survives_the_threshold(host, libraries):
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, 0] = (0, 10, 10, 10, 10, np.nan)
    assert len(run(detector(host, libraries[28], nms=False), rows)[0]) == 1


def test_frame_without_objects_between_others(host, libraries):
    rows = random_rows(3)
    rows[1, 0, 0] = -2
    counts = [len(frame) for frame in run(detector(host, libraries[28]), rows)]
    assert counts[1] == 0 and counts[0] > 0 and counts[2] > 0


def test_no_object_at_all(host, libraries):
    rows = np.full((2, QUERIES, 6), -2, F32)
    assert run(detector(host, libraries[28]), rows) == [[], []]


def test_parser_that_returns_false_is_reported_per_frame(host, libraries):
    assert run(detector(host, libraries[28], "ParseNothing"), random_rows(2)) == [None, None]


def test_parser_that_throws_ends_the_run(host, libraries):
    with pytest.raises(native.HostError, match="no such layer"):
        run(detector(host, libraries[28], "ParseThrows"), random_rows(1))


def test_parser_that_throws_anything_ends_the_run(host, libraries):
    with pytest.raises(native.HostError, match="no std::exception"):
        run(detector(host, libraries[28], "ParseThrowsANumber"), random_rows(1))


def test_parser_that_states_other_objects_is_refused_at_load(host, libraries):
    with pytest.raises(
        native.HostError, match=r"_stated\.so writes objects of 24 bytes, DeepStream 9's have 28"
    ):
        detector(host, libraries["stated 24"])


@pytest.mark.parametrize("objects", [3, 7, 14, 56])
def test_parser_of_an_older_deepstream_is_recognised(host, libraries, objects):
    rows = np.full((1, QUERIES, 6), -2, F32)
    rows[0, :objects] = (0, 0, 0, 10, 10, 0.5)
    with pytest.raises(native.HostError, match="not of DeepStream 9's 28 bytes"):
        run(detector(host, libraries[24]), rows)


def test_missing_library_and_symbol_are_named(host, libraries, tmp_path):
    with pytest.raises(native.HostError, match=r"none\.so"):
        detector(host, tmp_path / "none.so")
    with pytest.raises(native.HostError, match="ParseSomething"):
        detector(host, libraries[28], "ParseSomething")


def test_struct_sizes_agree_with_the_host():
    assert DETECTION.itemsize == 24


def placed(surface, network, scaling_filter=1, symmetric=True, aspect=True):
    settings = SimpleNamespace(
        maintain_aspect_ratio=aspect,
        symmetric_padding=symmetric,
        bgr=False,
        scaling_filter=scaling_filter,
        scale_factor=1.0,
        offsets=(0, 0, 0),
    )
    found = network_struct(settings, MuxSettings(*surface, False), (3, *network[::-1]))
    return found.picture_left, found.picture_top, found.picture_width, found.picture_height


@pytest.mark.parametrize(
    ("surface", "network", "picture"),
    [
        ((848, 480), (736, 416), (1, 0, 734, 416)),  # 416.6 rows do not fit, although 416 would
        ((1280, 720), (736, 416), (0, 1, 736, 414)),
        ((1281, 721), (640, 640), (0, 140, 640, 360)),
        ((480, 848), (416, 736), (0, 1, 416, 734)),
    ],
)
def test_picture_that_keeps_its_aspect_lies_where_nvinfer_puts_it(surface, network, picture):
    assert placed(surface, network) == picture


@pytest.mark.parametrize("network", [(1280, 320), (320, 720), (1280, 720), (1920, 1080), (320, 900)])
def test_area_filter_is_refused_where_a_side_does_not_shrink(network):
    with pytest.raises(RefusedError, match="filter 3 only where width and height both shrink"):
        placed((1280, 720), network, 3, aspect=False)
    assert placed((1280, 720), network, 2, aspect=False) == (0, 0, *network)


def test_area_filter_is_taken_where_both_sides_shrink():
    assert placed((1280, 720), (1278, 718), 3, aspect=False) == (0, 0, 1278, 718)


@pytest.mark.parametrize("scaling_filter", [2, 3])
def test_filters_that_colour_a_picture_below_an_odd_row_falsely_are_refused(scaling_filter):
    with pytest.raises(RefusedError, match=r"begins in row 1: .* false colours"):
        placed((1280, 720), (736, 416), scaling_filter)
    assert placed((1280, 720), (736, 416), scaling_filter, symmetric=False) == (0, 0, 736, 414)


def test_surface_of_which_nothing_is_left_in_the_network_is_refused():
    settings = SimpleNamespace(maintain_aspect_ratio=True, symmetric_padding=False)
    with pytest.raises(
        RefusedError, match="leaves 320x0 pixels of a 4096x2 mux surface in the 320x320 network"
    ):
        network_struct(settings, MuxSettings(4096, 2, False), (3, 320, 320))
