"""Heads in separate outputs: each published layout is found by shapes, and decoded in the graph as it is in numbers."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

import tiny_graphs as graphs
from dsbench.families.decision_table import UnknownGraphError, family_facts
from dsbench.families.family import FrameTensors
from dsbench.families.graph_facts import graph_facts
from dsbench.families.reference_decoders import detection_rows, sigmoid, softmax
from dsbench.onnx.head_joining import HeadsError, completed
from dsbench.onnx.importing import import_onnx, source_answers
from head_graphs import NETWORK, Heads, model_of, rows_of

P3 = {8: 1, 16: 1, 32: 1}
FACES = {"scores": 2, "boxes": 4, "landmarks": 10}
SCRFD = {"scores": 1, "boxes": 4, "landmarks": 10}
SIGMOID = {"scores": "Sigmoid"}


def around(x, y, sides):
    left, top, right, bottom = sides
    return [x - left, y - top, x + right, y + bottom]


def centred(x, y, width, height):
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def expected(bins, count):
    return [softmax(bins[side * count : (side + 1) * count]) @ np.arange(count) for side in range(4)]


def picodet(stride, row, column, _, numbers):
    sides = np.multiply(expected(numbers["bins"], 8), stride)
    return around((column + 0.5) * stride, (row + 0.5) * stride, sides), numbers["scores"]


def yolo_v8(stride, row, column, _, numbers):
    bins, scores = numbers.get("bins"), numbers.get("scores")
    if bins is None:
        bins, scores = numbers["rows"][:64], numbers["rows"][64:]
    sides = np.multiply(expected(bins, 16), stride)
    return around((column + 0.5) * stride, (row + 0.5) * stride, sides), sigmoid(scores)


def yolox(stride, row, column, _, numbers):
    rows = (
        numbers["rows"]
        if "rows" in numbers
        else np.hstack([numbers[r] for r in ("boxes", "objectness", "scores")])
    )
    x, y, width, height = rows[:4]
    box = centred((x + column) * stride, (y + row) * stride, np.exp(width) * stride, np.exp(height) * stride)
    return box, sigmoid(rows[4]) * sigmoid(rows[5:])


def scrfd(stride, row, column, _, numbers):
    return around(column * stride, row * stride, numbers["boxes"] * stride), numbers["scores"]


def anchored(sizes, offset, move, grow):
    def decode(stride, row, column, anchor, numbers):
        size = sizes[stride][anchor]
        dx, dy, dw, dh = numbers["boxes"]
        x, y = (column + offset) * stride + dx * move * size, (row + offset) * stride + dy * move * size
        scores = numbers["scores"]
        return centred(x, y, size * np.exp(dw * grow), size * np.exp(dh * grow)), scores[1:]

    return decode


def insightface(stride, row, column, anchor, numbers):
    size = {8: (32, 16), 16: (128, 64), 32: (512, 256)}[stride][anchor]
    dx, dy, dw, dh = numbers["boxes"]
    x, y = column * stride + 7.5 + dx * size, row * stride + 7.5 + dy * size
    return centred(x, y, size * np.exp(dw) - 1, size * np.exp(dh) - 1), softmax(numbers["scores"])[1:]


def blazeface(stride, row, column, _, numbers):
    x, y, width, height = numbers["boxes"][:4]
    return centred((column + 0.5) * stride + x, (row + 0.5) * stride + y, width, height), sigmoid(
        numbers["scores"]
    )


def yunet(stride, row, column, _, numbers):
    x, y, width, height = numbers["boxes"]
    box = centred((column + x) * stride, (row + y) * stride, np.exp(width) * stride, np.exp(height) * stride)
    return box, np.sqrt(numbers["scores"] * numbers["objectness"])


RETINAFACE = {8: (16, 32), 16: (64, 128), 32: (256, 512)}
MOBILE = {8: (10, 20), 16: (32, 64), 32: (128, 256)}
SLIM = {8: (10, 16, 24), 16: (32, 48), 32: (64, 96), 64: (128, 192, 256)}
SOFTMAX = {"scores": "Softmax"}
TWO = {8: 2, 16: 2, 32: 2}
P3_TO_P6, P3_TO_P7 = P3 | {64: 1}, P3 | {64: 1, 128: 1}
YUNET = {"scores": 1, "objectness": 1, "boxes": 4, "landmarks": 10}
NINE = {"boxes": 4, "objectness": 1, "scores": 3}
# What is given, the family, the decoding written out, and what the config says where the outputs do not tell.
CASES = {
    "picodet": (Heads(P3_TO_P6, {"scores": 5, "bins": 32}, activations=SIGMOID), "picodet", picodet, None),
    "picodet maps": (
        Heads(P3_TO_P6, {"scores": 32, "bins": 32}, form="maps_last", activations=SIGMOID),
        "picodet",
        picodet,
        None,
    ),
    "yolox": (Heads(P3, {"rows": 8}, form="maps"), "yolox_raw", yolox, None),
    "yolox in nine": (Heads(P3, NINE, form="maps"), "yolox_raw", yolox, None),
    "yolox of one class in nine": (Heads(P3, NINE | {"scores": 1}), "yolox_raw", yolox, None),
    "yolo_v8": (Heads(P3, {"rows": 67}, form="maps"), "yolo_v8", yolo_v8, "yolo_v8"),
    "yolo_v8 in six": (Heads(P3, {"bins": 64, "scores": 3}, form="maps"), "yolo_v8", yolo_v8, None),
    "scrfd": (Heads(TWO, SCRFD, activations=SIGMOID), "scrfd", scrfd, None),
    "scrfd without batch": (Heads(TWO, SCRFD, form="flat", activations=SIGMOID), "scrfd", scrfd, None),
    "scrfd maps": (Heads(TWO, SCRFD, form="maps", activations=SIGMOID), "scrfd", scrfd, None),
    "scrfd of five": (Heads(P3_TO_P7, SCRFD, activations=SIGMOID), "scrfd", scrfd, None),
    "retinaface": (
        Heads(TWO, FACES, form="whole", activations=SOFTMAX),
        "retinaface",
        anchored(RETINAFACE, 0.5, 0.1, 0.2),
        "retinaface",
    ),
    "face_1mb": (
        Heads(TWO, FACES, activations=SOFTMAX),
        "face_1mb",
        anchored(MOBILE, 0.5, 0.1, 0.2),
        "face_1mb",
    ),
    "face_1mb slim": (
        Heads({8: 3, 16: 2, 32: 2, 64: 3}, FACES, form="whole", activations=SOFTMAX),
        "face_1mb",
        anchored(SLIM, 0.5, 0.1, 0.2),
        None,
    ),
    "retinaface maps": (Heads(TWO, FACES, form="maps"), "retinaface_insightface", insightface, None),
    "blazeface": (
        Heads({8: 2, 16: 6}, {"boxes": 16, "scores": 1}, (128, 128), "whole"),
        "blazeface",
        blazeface,
        None,
    ),
    "blazeface back": (
        Heads({16: 2, 32: 6}, {"boxes": 16, "scores": 1}, (256, 256), "maps_last"),
        "blazeface",
        blazeface,
        None,
    ),
    "blazeface full": (Heads({4: 1}, {"boxes": 16, "scores": 1}, (192, 192)), "blazeface", blazeface, None),
    "yunet": (
        Heads(P3, YUNET, activations={"scores": "Sigmoid", "objectness": "Sigmoid"}),
        "yunet",
        yunet,
        None,
    ),
}


def pixels_of(size, seed=5):
    return np.random.default_rng(seed).random((3, 3, *size), np.float32)


def in_numbers(heads, decode, answer, thresholds):
    """Return the rows that the decoding, written out cell by cell, gives for one picture."""
    first = ("scores",) if decode is insightface else ()
    found = [decode(*cell) for cell in rows_of(heads, answer, first)]
    boxes, scores = np.array([box for box, _ in found]), np.array([scores for _, scores in found])
    height, width = heads.size
    frame = FrameTensors({}, width, height, thresholds)
    return detection_rows(frame, scores.argmax(axis=1), scores.max(axis=1), boxes)


def by_family(family, facts, imported, index, size, thresholds):
    """Return the rows that the family's reference decoder gives for one picture's joined outputs."""
    tensors = {
        role: imported.alone[index][name][0].astype(np.float64) for role, name in facts.tensors.items()
    }
    height, width = size
    return family.head.decode(FrameTensors(tensors, width, height, thresholds), facts.settings)


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("case", CASES)
def test_joined_head_is_decoded_as_published(case, batch):
    heads, name, decode, named = CASES[case]
    source, pixels = model_of(heads, batch), pixels_of(heads.size)
    complete = completed(source, pixels, {}, named)
    imported = import_onnx(complete.model, pixels)
    family = complete.recognised(imported.facts, None, None).family
    assert family.name == name
    facts = family_facts(family, graph_facts(imported.model, None, imported.alone[0]))
    classes = facts.class_count
    thresholds = np.full(classes, 0.3)
    seen = 0
    for index, answer in enumerate(source_answers(source, pixels)[0]):
        wanted = in_numbers(heads, decode, answer, thresholds)
        found = by_family(family, facts, imported, index, heads.size, thresholds)
        assert len(found) == len(wanted)
        np.testing.assert_allclose(found, wanted, atol=2e-3)
        seen += len(wanted)
    assert seen > 5
    assert imported.dynamic or heads.form == "flat"
    assert any("nodes were appended" in note for note in complete.notes)


def joined(source, size=NETWORK, names=(), named=None):
    return completed(source, pixels_of(size), dict(enumerate(names)), named)


def in_one_map(parts, activations=None):
    """Return a detector of three levels whose maps are put together from these parts."""
    heads = Heads(P3, parts, form="maps", activations=activations)
    model = model_of(heads)
    del model.graph.output[:]
    for stride in P3:
        height, width = heads.cells(stride)
        pieces = [f"out_{role}_{stride}" for role in parts]
        model.graph.node.append(onnx.helper.make_node("Concat", pieces, [f"level_{stride}"], axis=1))
        model.graph.output.append(
            graphs.info(f"level_{stride}", ["batch", sum(parts.values()), height, width])
        )
    return model


def test_two_layouts_of_the_same_shapes_are_both_shown():
    source = model_of(Heads(TWO, FACES, form="whole", activations=SOFTMAX))
    with pytest.raises(
        HeadsError, match=r"may be retinaface \(1 class; .*16 to 512.* or face_1mb \(1 class; .*10 to 256"
    ):
        joined(source)


def test_columns_of_two_layouts_are_told_by_the_number_of_names():
    source = model_of(Heads(P3, {"rows": 67}, form="maps"))
    with pytest.raises(HeadsError, match=r"yolox_raw \(62 classes.*yolo_v8 \(3 classes.*labels:"):
        joined(source)
    assert joined(source, names="abc").joined.name == "yolo_v8"
    assert joined(source, named="yolox_raw").joined.name == "yolox_raw"
    with pytest.raises(HeadsError) as fault:
        joined(source, names="abcd")
    assert "family:" in str(fault.value) and "labels:" not in str(fault.value)


@pytest.mark.parametrize(
    ("parts", "family"), [({"bins": 64, "scores": 3}, "yolo_v8"), ({"b": 4, "o": 1, "s": 62}, "yolox_raw")]
)
def test_columns_of_two_layouts_are_told_by_what_the_graph_puts_together(parts, family):
    assert joined(in_one_map(parts)).joined.name == family


def test_a_map_of_other_pieces_is_neither():
    with pytest.raises(HeadsError, match="three anchors in each cell"):
        joined(in_one_map({"b": 12, "o": 3, "s": 60}))


def test_scores_that_are_behind_a_sigmoid_get_no_second_one():
    activations = {"objectness": "Sigmoid", "scores": "Sigmoid"}
    parts = {"boxes": 4, "objectness": 1, "scores": 3}
    source = in_one_map(parts, activations)
    complete, pixels = joined(source), pixels_of(NETWORK)
    assert complete.joined.name == "yolox_raw"
    answer, rows = (source_answers(model, pixels)[0][0] for model in (source, complete.model))
    np.testing.assert_array_equal(rows["joined_rows"][0, 0], answer["level_8"][0, :, 0, 0])


def test_scores_and_bins_of_one_width_are_told_by_their_numbers():
    heads = Heads(P3_TO_P6, {"bins": 32, "scores": 32})
    with pytest.raises(HeadsError, match=r"picodet \(32 classes; .* or picodet"):
        joined(model_of(heads))
    complete = joined(model_of(replace(heads, activations=SIGMOID)))
    assert complete.notes[0].index("out_scores_8") < complete.notes[0].index("out_bins_8")


@pytest.mark.parametrize(
    ("heads", "reason"),
    [
        (
            Heads({8: 3, 16: 3, 32: 3}, {"rows": 8}, form="maps"),
            "three anchors in each cell are not in the file",
        ),
        (Heads({8: 3, 16: 3, 32: 3}, {"rows": 8}), "three anchors in each cell are not in the file"),
        (
            Heads(P3, {"scores": 3, "boxes": 4}, form="maps", activations=SIGMOID | {"boxes": "Relu"}),
            "four distances begin in the corner or the middle",
        ),
    ],
)
def test_a_decoding_that_the_file_does_not_tell_is_named(heads, reason):
    names = "abc" if "rows" in heads.columns else ()
    with pytest.raises(HeadsError, match=reason):
        joined(model_of(heads), names=names)


@pytest.mark.parametrize(
    "heads",
    [
        Heads({4: 1, 8: 1, 16: 1}, {"rows": 19}, form="maps"),
        # PicoDet's with another number of bins, and with five levels.
        Heads(P3, {"scores": 3, "bins": 4 * 17}, activations=SIGMOID),
        Heads({4: 1, 8: 1, 16: 1, 32: 1, 64: 1}, {"scores": 3, "bins": 4 * 9}, activations=SIGMOID),
    ],
)
def test_levels_of_no_published_layout_stay_refused(heads):
    source, pixels = model_of(heads), pixels_of(NETWORK)
    complete = completed(source, pixels, {})
    assert complete.model is source
    imported = import_onnx(complete.model, pixels)
    with pytest.raises(UnknownGraphError, match="not decoded"):
        complete.recognised(imported.facts, None, None)


def test_half_precision_outputs_are_decoded_in_float32():
    source = model_of(Heads(TWO, SCRFD, activations=SIGMOID))
    for value in source.graph.output:
        node = next(node for node in source.graph.node if node.output[0] == value.name)
        node.op_type = "Cast"
        node.attribute.append(onnx.helper.make_attribute("to", onnx.TensorProto.FLOAT16))
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    imported = import_onnx(joined(source).model, pixels_of(NETWORK))
    assert {v.type.tensor_type.elem_type for v in imported.model.graph.output} == {onnx.TensorProto.FLOAT}


def decoded_pair():
    """Return boxes [B, N, 4] as corners in pixels beside scores [B, N, 2], N that of SCRFD's anchors."""
    heads = Heads(TWO, {"boxes": 4, "scores": 2}, form="whole", activations=SIGMOID)
    model = model_of(heads)
    corners = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]]) * 60
    model.graph.initializer.append(graphs.constant("corners", corners, np.float32))
    model.graph.node.extend(
        [
            onnx.helper.make_node("Sigmoid", ["out_boxes_8"], ["fractions"]),
            onnx.helper.make_node("MatMul", ["fractions", "corners"], ["boxes"]),
        ]
    )
    model.graph.output[0].name = "boxes"
    return model


@pytest.mark.parametrize("make", [decoded_pair, graphs.queries, graphs.original_rt_detr])
def test_a_graph_that_is_told_is_not_touched(make):
    source = make()
    assert joined(source).model is source


def test_an_answer_without_a_batch_axis_is_kept_whole():
    heads = Heads(TWO, SCRFD, form="flat", activations=SIGMOID)
    answer = source_answers(model_of(heads, 1), pixels_of(NETWORK))[0][0]
    assert answer["out_scores_8"].shape == (8 * 12 * 2, 1)


def ssd(anchors, scores="Softmax", y_first=False, columns=4):
    """Return the picture -> deltas [B, N, 4], scores [B, N, columns], anchors [1, N, 4], one for each cell."""
    heads = Heads({8: 1}, {"boxes": 4, "scores": columns}, activations={"scores": scores} if scores else {})
    model = model_of(heads)
    order = [1, 0, 3, 2] if y_first else [0, 1, 2, 3]
    model.graph.initializer.append(graphs.constant("priors", anchors[None][:, :, order], np.float32))
    model.graph.node.append(onnx.helper.make_node("Identity", ["priors"], ["anchors"]))
    model.graph.output.append(graphs.info("anchors", [1, len(anchors), 4]))
    return model


def grid_anchors():
    """Return centre and size of an anchor in the middle of each cell of stride 8, as fractions."""
    return np.array([[(c + 0.5) / 12, (r + 0.5) / 8, 0.2, 0.3] for r in range(8) for c in range(12)])


def test_logits_beside_anchors_are_no_scores_yet():
    with pytest.raises(HeadsError, match=r"SSD, a softmax with .* or ssd_decoded_pixels .*SSD, sigmoids"):
        joined(ssd(grid_anchors(), None))


@pytest.mark.parametrize("y_first", [False, True])
def test_ssd_is_decoded_with_the_anchors_beside_it(y_first):
    source, pixels = ssd(grid_anchors(), y_first=y_first), pixels_of(NETWORK)
    complete = completed(source, pixels, {})
    imported = import_onnx(complete.model, pixels)
    assert complete.recognised(imported.facts, None, None).family.name == "ssd_decoded_pixels"
    answer = source_answers(source, pixels)[0][0]
    deltas = answer["out_boxes_8"][0][:, [1, 0, 3, 2] if y_first else [0, 1, 2, 3]]
    for anchor, delta, box in zip(grid_anchors(), deltas, imported.alone[0]["joined_boxes"][0], strict=True):
        (x, y, width, height), (dx, dy, dw, dh) = anchor, delta
        wanted = centred(
            x + dx * 0.1 * width, y + dy * 0.1 * height, width * np.exp(dw * 0.2), height * np.exp(dh * 0.2)
        )
        np.testing.assert_allclose(box, np.multiply(wanted, [96, 64, 96, 64]), atol=1e-3)
    assert imported.alone[0]["joined_scores"].shape == (1, 96, 4)
    np.testing.assert_array_equal(imported.alone[0]["joined_scores"], answer["out_scores_8"])


def test_ssd_with_sigmoids_is_told_by_the_number_of_names():
    source = ssd(grid_anchors(), "Sigmoid")
    assert joined(source, names="abcd").joined.name == "boxes_and_scores"
    assert joined(source, names="abc").joined.name == "ssd_decoded_pixels"


def test_anchors_of_corners_in_pixels_are_no_ssd():
    anchors = grid_anchors()
    corners = np.hstack([anchors[:, :2], anchors[:, :2] + anchors[:, 2:]]) * 96
    with pytest.raises(HeadsError, match=r"deltas are scaled by 0.1 and 0.2 \(SSD\) or not"):
        joined(ssd(corners))
