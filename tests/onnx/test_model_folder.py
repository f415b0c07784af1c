import json

import pytest

import tiny_graphs as graphs
from dsbench.families.decision_table import recognise
from dsbench.families.graph_facts import graph_facts
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.onnx.variants import choose_variant

METADATA = {"names": "{0: 'from', 1: 'metadata'}"}


@pytest.fixture
def folder(tmp_path):
    graphs.write(graphs.queries(), tmp_path / "model.onnx")
    return ModelFolder(tmp_path)


def test_class_names_are_those_of_config_else_labels_else_metadata(folder):
    assert folder.class_names({}) == {}
    assert folder.class_names(METADATA) == {0: "from", 1: "metadata"}
    (folder.path / "labels.txt").write_text("BG;person;face\n")
    assert folder.class_names(METADATA) == {0: "BG", 1: "person", 2: "face"}
    (folder.path / "config.json").write_text(json.dumps({"model": "yolov10b.yaml"}))
    assert folder.class_names(METADATA) == {0: "BG", 1: "person", 2: "face"}
    (folder.path / "config.json").write_text(json.dumps({"id2label": {"1": "car", "3": "dog"}}))
    assert folder.class_names(METADATA) == {1: "car", 3: "dog"}


@pytest.mark.parametrize(
    ("first", "family"), [("BG", "tao_detr"), ("person", "tao_rt_detr"), ("background", "tao_detr")]
)
def test_names_tell_whether_nvidias_first_column_is_background(folder, first, family):
    model = graphs.queries()
    model.graph.output[0].name = "pred_logits"
    (folder.path / "labels.txt").write_text(f"{first}\ncar\ndog\nbag\n")
    facts = graph_facts(model, class_names=folder.class_names({}))
    assert facts.class_count == 4
    assert recognise(facts).family.name == family


def test_names_in_the_models_entry_come_before_all_others(folder, tmp_path):
    (folder.path / "config.json").write_text(json.dumps({"id2label": {"0": "from", "1": "config"}}))
    (tmp_path / "mine.txt").write_text("from\nthe entry\n")
    assert ModelFolder(folder.path, None, tmp_path / "mine.txt").class_names({}) == {
        0: "from",
        1: "the entry",
    }


def test_files_that_are_not_taken_are_not_read(folder):
    for name in ("config.json", "preprocessor_config.json"):
        (folder.path / name).write_text("{broken")
    (folder.path / "labels.txt").write_bytes(b"\xff")
    lone = ModelFolder(folder.path, ("model.onnx",))
    assert not lone.has_config
    assert lone.detector() is None
    assert lone.class_names(METADATA) == {0: "from", 1: "metadata"}
    assert lone.preprocessing((64, 96)).derived_from == "the family's own pipeline"


def test_suffix_in_capitals_is_an_onnx_too(folder):
    (folder.path / "model.onnx").rename(folder.path / "MODEL.ONNX")
    capital = ModelFolder(folder.path, ("MODEL.ONNX",))
    assert capital.has_onnx
    assert choose_variant(capital.path, capital.names)[1].choice == "MODEL.ONNX"
