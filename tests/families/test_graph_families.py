"""The decision table: families by inputs, outputs, dtypes, metadata, and one answer where shapes do not tell."""

from dataclasses import replace

import numpy as np
import pytest

import tiny_graphs as graphs
from dsbench.families.decision_table import UnknownGraphError, family_facts, family_table, recognise
from dsbench.families.declared import family_named
from dsbench.families.graph_facts import GraphFacts, graph_facts, metadata_names, stated_license
from workflow_run import PROJECT

F, L = "float32", "int64"
ULTRALYTICS = {"author": "Ultralytics", "task": "detect"}


def facts(outputs, size=640, sides=(), image="images", metadata=None, classes=None, answers=None, names=()):
    inputs = {image: (["batch", 3, size, size], F)} | {name: (["batch", 2], L) for name in sides}
    count = len(names) or classes
    return GraphFacts(inputs, outputs, metadata or {}, count, answers or {}, dict(enumerate(names)))


def rows(array):
    return {"output0": np.asarray(array, np.float32)[None]}


def one(*dims, kind=F, name="output0"):
    return {name: (["batch", *dims], kind)}


def hf(columns):
    return {"logits": (["batch", 100, columns], F), "pred_boxes": (["batch", 100, 4], F)}


def nvidia(columns):
    return {"pred_logits": (["b", 300, columns], F), "pred_boxes": (["b", 300, 4], F)}


BOXES, SCORES = (["batch", 100, 4], F), (["batch", 100], F)
CASES = [
    (facts(one(300, 6), metadata=ULTRALYTICS | {"head": "RTDETRDecoder"}), "ultralytics_rt_detr"),
    (facts(one(300, 6), metadata=ULTRALYTICS | {"end2end": "True"}), "yolo_end_to_end"),
    (facts(one(84, "anchors"), metadata=ULTRALYTICS, classes=80), "yolo_v8"),
    (facts(hf(92)), "softmax_queries"),
    (facts(hf(5), classes=4), "softmax_queries"),
    (facts(hf(4), classes=4), "sigmoid_queries"),
    (facts(hf(80)), "sigmoid_queries"),
    (facts(hf(91), sides=["pixel_mask"]), "sigmoid_queries"),
    (facts(nvidia(4), names=["BG", "person", "face", "bag"]), "tao_detr"),
    (facts(nvidia(4), names=["Background", "person", "face", "bag"]), "tao_detr"),
    (facts(nvidia(4), names=["person", "forklift", "pallet", "cart"]), "tao_rt_detr"),
    (
        facts({"labels": (["b", 300], L), "boxes": BOXES, "scores": SCORES}, sides=["orig_target_sizes"]),
        "rt_detr_original",
    ),
    (facts({"dets": (["b", 100, 5], F), "labels": (["b", 100], L)}), "mmdetection"),
    (facts({"dets": BOXES, "labels": (["b", 100, 91], F)}), "rf_detr_original"),
    (
        facts({"num_dets": (["b", 1], "int32"), "boxes": BOXES, "scores": SCORES, "labels": SCORES}),
        "nms_in_graph",
    ),
    (
        facts(
            {"output_cov/Sigmoid:0": (["b", 3, 34, 60], F), "output_bbox/BiasAdd:0": (["b", 12, 34, 60], F)}
        ),
        "detectnet_v2",
    ),
    (facts({"BatchedNMS": (["b", 1], "int32"), "BatchedNMS_1": BOXES}), "tao_nms"),
    (facts(one(8400, 6, name="output"), image="input"), "deepstream_yolo_rows"),
    (facts(one(25200, 6)), "yolo_v5"),
    (facts(one(300, 6), answers=rows([[0.5, 0.5, 0.2, 0.2, 0.9, 3]] * 300)), "ultralytics_rt_detr"),
    (facts(one(300, 6), answers=rows([[200, 100, 280, 190, 0.9, 3]] * 300)), "yolo_end_to_end"),
    (facts(one(84, 8400)), "yolo_v8"),
    (facts(one(6, 2100), size=320), "yolo_v8"),
    (facts(one(84, 8500)), "yolo_v8"),
    (facts(one(25200, 85)), "yolo_v5"),
    (facts(one(8400, 84), classes=80), "yolo_v8_transposed"),
    (
        facts(one(8400, 85), answers=rows(np.hstack([np.full((8400, 4), 300), np.ones((8400, 81))]))),
        "yolo_v6",
    ),
    (facts(one(8400, 85), answers=rows(np.full((8400, 85), 0.3))), "yolox_raw"),
    (
        facts(one(8400, 85), answers=rows(np.hstack([np.full((8400, 4), 300.3), np.full((8400, 81), 0.3)]))),
        "yolox",
    ),
    (facts(one(2125, 112), size=320), "nanodet"),
    (facts(one(3598, 112), size=416), "nanodet"),
    (facts({"boxes": (["b", 8400, 4], F), "scores": (["b", 80, 8400], F)}), "pp_yoloe"),
    (facts({"boxes": (["b", 10647, 1, 4], F), "confs": (["b", 10647, 80], F)}), "yolo_v4"),
]
REFUSED = [
    (facts(one(116, 8400), metadata=ULTRALYTICS | {"task": "segment"}), "its task is segment"),
    (
        facts({"logits": (["b", 9, 4], F), "pred_boxes": BOXES, "pred_masks": (["b", 9, 8, 8], F)}),
        "segmentation",
    ),
    (facts(one(116, 8400) | {"output1": (["b", 32, 160, 160], F)}), "segmentation"),
    (facts(hf(256), sides=["input_ids"]), "Grounding DINO whose text"),
    (facts(hf(3) | {"text_embeds": (["b", 3, 512], F)}), "OWL-ViT whose text"),
    (facts(hf(7)), "may be sigmoid_queries or softmax_queries"),
    (facts(nvidia(4)), "may be softmax_queries or tao_detr or tao_rt_detr"),
    (facts(nvidia(92)), "may be softmax_queries or tao_detr or tao_rt_detr"),
    (facts(nvidia(4), classes=4), "may be tao_detr or tao_rt_detr"),
    (
        facts(nvidia(4), names=["person", "face", "bag"]),
        "may be softmax_queries or tao_detr or tao_rt_detr",
    ),
    (facts(nvidia(4), names=["N/A", "person", "face", "bag"]), "may be tao_detr or tao_rt_detr"),
    (facts({"a": (["m", 6], F), "b": ([1], "int32")}, sides=["scale_factor"]), "exclude_nms"),
    (facts({"output": (["m", 7], F)}), "counts detections of all images; export it without the NMS"),
    (facts({"output": (["m", 6], F)}), "rows without a batch axis: its first axis counts detections"),
    (facts({"output": ([300, 6], F)}), "rows without a batch axis"),
    (facts({"boxes": (["n", 4], F), "scores": (["n"], F), "labels": (["n"], L)}), "torchvision"),
    (facts({name: (["b", 255, 80, 80], F) for name in "abc"}), "not decoded"),
    (facts(one(1000)), "classifier"),
    (facts(one(7, 11, 13, 17)), "no object detector of a known family"),
]


@pytest.mark.parametrize(
    ("seen", "family"), CASES, ids=[f"{n}-{family}" for n, (_, family) in enumerate(CASES)]
)
def test_family_is_told_by_the_graph(seen, family):
    verdict = recognise(seen)
    assert verdict.family.name == family
    assert seen.signature() in verdict.why


@pytest.mark.parametrize(("seen", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_is_no_detector_is_refused_with_its_signature(seen, reason):
    with pytest.raises(UnknownGraphError, match=reason) as error:
        recognise(seen)
    assert seen.signature() in str(error.value)


@pytest.mark.parametrize(
    ("seen", "closest"),
    [
        (
            facts({"out1": (["b", 8400, 4], F), "out2": (["b", 8400, 80], F), "out3": (["b", 8400, 1], F)}),
            [
                "boxes_and_scores: out1 [b, 8400, 4] as boxes, out2 [b, 8400, 80] as scores would fit, but",
                "there is 1 more.",
            ],
        ),
        (
            facts(one(84, 1234)),
            [
                "yolo_v8: output0 [batch, 84, 1234] as channels would fit, but it is not",
                "640x640 pixels have 8400 cells",
            ],
        ),
        (
            facts({"boxes": (["b", 100, 4], F), "labels": (["b", 100], L)}),
            [
                "rt_detr_original: labels [b, 100] as labels, boxes [b, 100, 4] as boxes",
                "there is no scores [B, N]",
            ],
        ),
    ],
)
def test_of_an_unknown_graph_the_three_closest_families_are_told_with_what_fits_and_what_does_not(
    seen, closest
):
    with pytest.raises(UnknownGraphError) as error:
        recognise(seen)
    _, *lines, last = str(error.value).splitlines()
    assert len(lines) <= 3 and max(map(len, lines)) < 300
    assert all(words in "\n".join(lines) for words in closest)
    assert lines[0].strip().startswith(closest[0].partition(":")[0])
    assert last.startswith("If it is one of these, name it with family: ")


def test_a_graph_with_many_outputs_is_shown_in_part():
    seen = facts({f"output_{'x' * 200}_{n}": (["b", n + 1, 9, 9, 9, 9], F) for n in range(50)})
    with pytest.raises(UnknownGraphError, match=r"42 more\) is no object detector") as error:
        recognise(seen)
    assert len(str(error.value)) < 1500


def test_document_has_the_row_of_each_family():
    """`family_table()` of dsbench.families.decision_table prints the table."""
    assert family_table() in (PROJECT / "docs/families.md").read_text()


@pytest.mark.parametrize("outputs", [nvidia(4), {"dets": BOXES, "labels": (["b", 100, 91], F)}])
def test_config_decides_between_families_of_its_head_whatever_the_outputs_are_called(outputs):
    family = family_named("rf_detr")
    seen = facts(outputs)
    assert recognise(seen, hint=family).family.head is family.head
    assert set(family_facts(family, seen).tensors.values()) == set(outputs)


def test_names_from_1_on_do_not_turn_the_background_into_a_class():
    seen = replace(facts(hf(5), classes=5), class_names={1: "a", 2: "b", 3: "c", 4: "d"})
    assert recognise(seen, hint=family_named("detr")).family.name == "softmax_queries"
    with pytest.raises(UnknownGraphError, match="may be sigmoid_queries or softmax_queries"):
        recognise(seen)


def dominated(columns, share):
    """Return the answer of a hundred queries of which `share` percent are sure to be the last column."""
    logits = np.full((1, 100, columns), -4.0)
    logits[:, :share, -1] = 6.0
    return {"logits": logits}


@pytest.mark.parametrize(
    ("columns", "names", "share", "family"),
    [
        (5, 4, 90, "softmax_queries"),
        (92, 0, 90, "softmax_queries"),
        (5, 5, 10, "sigmoid_queries"),
        (91, 0, 0, "sigmoid_queries"),
        # A column that was never trained, as ids from 1 leave it, answers nothing.
        (5, 4, 0, None),
        (5, 5, 90, None),
        (92, 0, 0, None),
    ],
)
def test_background_behind_the_classes_is_proven_by_the_answer(columns, names, share, family):
    seen = replace(facts(hf(columns), classes=names or None), answers=dominated(columns, share))
    if family is None:
        with pytest.raises(UnknownGraphError, match="may be sigmoid_queries or softmax_queries"):
            recognise(seen)
    else:
        assert recognise(seen).family.name == family


@pytest.mark.parametrize(
    ("columns", "share", "says"),
    [
        (5, 0, "a column more than names may be"),
        (4, 90, "as many columns as names, but most queries of one answer"),
    ],
)
def test_it_is_said_what_speaks_against_the_names(columns, share, says):
    seen = replace(facts(hf(columns), names=["car", "bus", "van", "tram"]), answers=dominated(columns, share))
    with pytest.raises(UnknownGraphError, match=says):
        recognise(seen)


def test_config_of_detr_tells_its_own_repositorys_outputs():
    seen = facts(nvidia(92), names=["N/A", *(f"name {n}" for n in range(1, 91))])
    verdict = recognise(seen, hint=family_named("detr"))
    assert verdict.family.name == "softmax_queries"
    assert family_facts(verdict.family, seen).class_count == 91


def test_facts_leave_initializers_out_of_the_inputs():
    model = graphs.queries()
    model.graph.input.append(graphs.info("kernel", [8, 3, 16, 16]))
    assert set(graph_facts(model).inputs) == {"pixel_values"}
    assert recognise(graph_facts(model, class_count=4)).family.name == "sigmoid_queries"


@pytest.mark.parametrize(
    ("names", "read"),
    [
        ("{0: 'person', 1: 'car'}", {0: "person", 1: "car"}),
        ("{0: '0', 1: '1'}", {0: "0", 1: "1"}),
        ("['person', 'car']", {0: "person", 1: "car"}),
        ("__import__('os').system('true')", {}),
        ("", {}),
        ("{", {}),
        ("7", {}),
    ],
)
def test_metadata_names_are_a_literal_and_never_run(names, read):
    assert metadata_names({"names": names}) == read


@pytest.mark.parametrize(
    ("key", "stated", "read"),
    [
        ("character", "text\ntitle\nfigure caption\n", {0: "text", 1: "title", 2: "figure caption"}),
        ("labels", '["car", "road sign"]', {0: "car", 1: "road sign"}),
        ("classes", "car,person", {0: "car", 1: "person"}),
        ("class_names", "0: car\n1: person", {0: "car", 1: "person"}),
        ("labels", "coco", {}),
        ("classes", "80", {}),
        ("classes", "[0, 1, 2]", {}),
        ("character", "a\n" * 30_000, {}),
        ("labels", "x" * (5 << 20) + "\n", {}),
        ("caption", "car,person", {}),
    ],
)
def test_class_names_stand_in_any_usual_key_of_the_metadata(key, stated, read):
    assert metadata_names({key: stated}) == read


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        (
            "AGPL-3.0 License (https://ultralytics.com/license)",
            "AGPL-3.0 License (https://ultralytics.com/license)",
        ),
        ("", None),
        ("<b>free</b>", None),
        ("a" * 121, None),
    ],
)
def test_licence_in_the_metadata_is_taken_where_it_is_plain(stated, read):
    assert stated_license({"license": stated}) == read


V8_NAMES = tuple(f"c{n}" for n in range(18))


def dense(name="output0", size=320, values=0.1, dims=(22, 2100)):
    answer = np.full((1, *dims), values, np.float32)
    answer[:, :4] = 100
    return replace(
        facts(one(*dims, name=name), size=size, metadata=ULTRALYTICS, names=V8_NAMES), answers={name: answer}
    )


@pytest.mark.parametrize(
    ("seen", "family", "says"),
    [
        (
            dense(),
            "yolo_v8_transposed",
            r"22 anchors with 2096 classes each \(18 are named\), but no strides",
        ),
        (replace(dense(), metadata={"task": "segment"}), "yolo_v8", "its task is 'segment'"),
        (
            replace(facts(hf(5)), answers=dominated(5, 40)),
            "softmax_queries",
            "its last column is no background.*40 of",
        ),
        (dense(values=3.5), "yolo_v8", "its scores go from 3.5 to 3.5, expected 0 to 1"),
        (dense(values=-3.5), "yolo_v8", "its scores go from -3.5 to -3.5, expected 0 to 1"),
    ],
)
def test_named_family_that_the_graph_contradicts_is_refused(seen, family, says):
    with pytest.raises(UnknownGraphError, match=says) as error:
        recognise(seen, family)
    assert f"family: {family}" in str(error.value) and seen.signature() in str(error.value)


@pytest.mark.parametrize(
    ("seen", "family"),
    [
        (dense(), "yolo_v8"),
        # Strides 16 and 32 with three anchors, as of the tiny networks.
        (facts(one(1500, 23), size=320, names=V8_NAMES), "yolo_v5"),
        (facts(one(22, 8500), size=320, names=V8_NAMES), "yolo_v8"),
        (facts(one(22, 8400), size="side", names=V8_NAMES), "yolo_v8"),
        (facts(hf(5), names=["a", "b", "c", "d"]), "softmax_queries"),
        (facts(hf(5), names=["a", "b", "c", "d", "e"]), "sigmoid_queries"),
        (facts(hf(7)), "sigmoid_queries"),
        (replace(facts(hf(5)), answers=dominated(5, 60)), "softmax_queries"),
        (facts(nvidia(4), names=["", "person", "face", "bag"]), "tao_detr"),
    ],
)
def test_named_family_that_may_be_right_is_taken(seen, family):
    assert recognise(seen, family).family.name == family


def test_largest_class_in_the_answer_is_told_where_no_tensor_has_a_column_for_each():
    rows = np.tile(np.float32([200, 100, 280, 190, 0.9, 3]), (300, 1))
    rows[7, 5] = 89
    rows[8:, 4] = 0
    rows[200:, 5] = 500
    seen = facts(one(300, 6), answers={"output0": rows[None]})
    assert family_facts(family_named("yolo_end_to_end"), seen).largest_class == 89
    assert family_facts(family_named("yolo_v8"), facts(one(84, 8400))).largest_class is None
