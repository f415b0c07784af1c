import json
from pathlib import Path

import pytest

from dsbench.core.errors import BuildError
from dsbench.families.declared import families
from dsbench.families.detector import NotADetectorError, UnsupportedHeadError, read_detector

PARSERS = Path(__file__).parents[2] / "workflow/parsers"
RT_DETR = "RTDetrForObjectDetection"
ARCHITECTURES = [(name, family) for family in families() for name in family.architectures]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.json"

    def write(**facts):
        path.write_text(json.dumps(facts))
        return path

    return write


@pytest.mark.parametrize(
    ("architecture", "family"), ARCHITECTURES, ids=lambda value: getattr(value, "name", "")
)
def test_family_is_recognised_by_its_architecture(config, architecture, family):
    detector = read_detector(config(architectures=[architecture], id2label={"0": "car", "10": "dog"}))
    assert detector.family is family
    assert detector.id2label == {0: "car", 10: "dog"}


def test_every_family_has_its_parser_source_with_its_symbol():
    for family in families():
        assert family.head.parser_symbol in (PARSERS / family.head.parser_source).read_text()


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
    assert "config.json" in str(error.value) and "docs/families.md" in str(error.value)
    assert "DetrForObjectDetection" in str(error.value).split("the closest: ")[1]


def test_config_that_names_nothing_is_refused(config):
    with pytest.raises(NotADetectorError, match="no architectures, model_type None"):
        read_detector(config())


def test_remote_code_is_refused(config):
    with pytest.raises(NotADetectorError, match="auto_map"):
        read_detector(config(architectures=[RT_DETR], auto_map={"AutoModel": "own.Model"}))


def test_softmax_head_of_a_sigmoid_family_is_refused(config):
    with pytest.raises(UnsupportedHeadError, match="use_focal_loss is False"):
        read_detector(config(architectures=[RT_DETR], use_focal_loss=False))


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_file_that_is_no_config_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(BuildError, match=r"config\.json"):
        read_detector(path)


def test_complete_label2id_stands_in_for_id2label(config):
    facts = {"architectures": [RT_DETR]}
    assert read_detector(config(**facts, label2id={"car": 0, "dog": 1})).id2label == {0: "car", 1: "dog"}
    assert read_detector(config(**facts, label2id={"N/A": 11, "car": 0})).id2label == {}


def test_label_values_become_text_and_bad_keys_are_refused(config):
    facts = {"architectures": [RT_DETR]}
    assert read_detector(config(**facts, id2label={"1": 63})).id2label == {1: "63"}
    with pytest.raises(BuildError, match="not a class id"):
        read_detector(config(**facts, id2label={"car": "0"}))
