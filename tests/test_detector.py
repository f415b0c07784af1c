import json
from pathlib import Path

import pytest

from dsbench.detector import FAMILIES, NotADetectorError, UnsupportedHeadError, class_count, read_detector
from dsbench.errors import BuildError

PARSERS = Path(__file__).parents[1] / "workflow/parsers"
RT_DETR = FAMILIES[0]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"

    def write(**facts):
        path.write_text(json.dumps(facts))
        return path

    return write


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_family_is_recognised_by_its_architecture(config, family):
    detector = read_detector(config(architectures=[family.architecture], id2label={"0": "car", "10": "dog"}))
    assert detector.family is family
    assert detector.id2label == {0: "car", 10: "dog"}


def test_every_family_has_its_parser_source_with_its_symbol():
    parsed = [family for family in FAMILIES if family.parser_source]
    assert {family.name for family in parsed} == {"rt_detr", "rt_detr_v2", "d_fine"}
    for family in parsed:
        assert family.parser_symbol in (PARSERS / family.parser_source).read_text()


def test_model_type_decides_where_no_architecture_is_named(config):
    assert read_detector(config(model_type="d_fine")).family.name == "d_fine"


@pytest.mark.parametrize(
    "architecture",
    [
        "ViTForImageClassification",
        "DetrForSegmentation",
        "RTDetrModel",
        "PPOCRV5ServerDetForObjectDetection",
        "OmDetTurboForObjectDetection",
    ],
)
def test_other_architectures_are_refused_by_name(config, architecture):
    with pytest.raises(NotADetectorError, match=architecture) as error:
        read_detector(config(architectures=[architecture], model_type="rt_detr"))
    assert "config.json" in str(error.value) and "RTDetrForObjectDetection" in str(error.value)


def test_config_that_names_nothing_is_refused(config):
    with pytest.raises(NotADetectorError, match="no architectures, model_type None"):
        read_detector(config())


def test_remote_code_is_refused(config):
    with pytest.raises(NotADetectorError, match="auto_map"):
        read_detector(config(architectures=[RT_DETR.architecture], auto_map={"AutoModel": "own.Model"}))


def test_softmax_head_of_a_sigmoid_family_is_refused(config):
    with pytest.raises(UnsupportedHeadError, match="use_focal_loss is False"):
        read_detector(config(architectures=[RT_DETR.architecture], use_focal_loss=False))


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_file_that_is_no_config_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(BuildError, match=r"config\.json"):
        read_detector(path)


def test_complete_label2id_stands_in_for_id2label(config):
    facts = {"architectures": [RT_DETR.architecture]}
    assert read_detector(config(**facts, label2id={"car": 0, "dog": 1})).id2label == {0: "car", 1: "dog"}
    assert read_detector(config(**facts, label2id={"N/A": 11, "car": 0})).id2label == {}


def test_label_values_become_text_and_bad_keys_are_refused(config):
    facts = {"architectures": [RT_DETR.architecture]}
    assert read_detector(config(**facts, id2label={"1": 63})).id2label == {1: "63"}
    with pytest.raises(BuildError, match="not a class id"):
        read_detector(config(**facts, id2label={"car": "0"}))


def test_class_count_comes_from_the_logits():
    assert class_count(RT_DETR, {"logits": ["batch", 300, 80], "pred_boxes": ["batch", 300, 4]}) == 80


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"logits": ["batch", 300, 80]},
        {"labels": [1, 300], "boxes": [1, 300, 4], "scores": [1, 300]},
        {"logits": [300, 80], "pred_boxes": [300, 4]},
        {"logits": ["batch", "queries", 80], "pred_boxes": ["batch", "queries", 4]},
        {"logits": ["batch", 300, 80], "pred_boxes": ["batch", 100, 4]},
        {"logits": ["batch", 300, 80], "pred_boxes": ["batch", 300, 5]},
        {"logits": ["batch", 300, None], "pred_boxes": ["batch", 300, 4]},
    ],
)
def test_other_outputs_are_listed_and_refused(outputs):
    with pytest.raises(UnsupportedHeadError, match="The ONNX outputs are") as error:
        class_count(RT_DETR, outputs)
    assert all(name in str(error.value) for name in outputs)
