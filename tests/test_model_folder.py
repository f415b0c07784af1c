import json

import pytest

import tiny_graphs as graphs
from dsbench.graph_facts import graph_facts
from dsbench.graph_families import recognise
from dsbench.model_folder import ModelFolder

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
