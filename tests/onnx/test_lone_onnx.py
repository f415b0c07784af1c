"""A lone ONNX through the workflow: what lies beside it, what its entry says, and what is said before any job."""

import json

import cv2
import numpy as np
import pytest

import head_graphs
import tiny_graphs as graphs
from dsbench.checks.agreement import read_keys
from dsbench.core.errors import BuildError
from dsbench.families.declared import family_named
from dsbench.onnx.inspection import TensorFacts
from dsbench.onnx.model_onnx import ModelFolder, clean_onnx
from dsbench.onnx.prepare import prepare
from workflow_run import snakemake

ONNX, LABELS, CONFIG = "models/m/model/m.onnx", "models/m/config/labels.txt", "models/m/config/config.json"
NVINFER = "models/m/config/config_infer_primary_m_b16.txt"


def test_names_in_the_entry_tell_the_head_and_a_foreign_config_beside_is_not_read(tmp_path):
    graphs.write(graphs.queries(background=True), tmp_path / "source/model.onnx")
    (tmp_path / "source/config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    processor = {"size": {"height": 64, "width": 96}, "do_normalize": True, "image_mean": [0.5, 0.5, 0.5]}
    (tmp_path / "source/preprocessor_config.json").write_text(
        json.dumps(processor | {"image_std": [0.5] * 3})
    )
    (tmp_path / "names.txt").write_text("car\ntraffic light\nbus\n")
    config = "models: {m: {source: source/model.onnx, labels: names.txt}}\n"
    done = snakemake(tmp_path, ONNX, LABELS, CONFIG, NVINFER, config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    inspect = json.loads((tmp_path / "models/m/model/inspect.json").read_text())
    # Three names for four columns: the answer proves that the last is the background.
    assert inspect["family"] == "softmax_queries"
    assert inspect["preprocessing"]["offsets"] == [127.5, 127.5, 127.5]
    assert (tmp_path / LABELS).read_text() == "car\ntraffic light\nbus\n"
    origin = json.loads((tmp_path / LABELS).with_name("labels_origin.json").read_text())
    assert origin == {"origin": "labels: in the config", "notes": []}
    assert json.loads((tmp_path / CONFIG).read_text())["model_type"] == "softmax_queries"
    # A batch that is named needs no measurement and no engine.
    keys = read_keys(tmp_path / NVINFER)
    assert keys["model-engine-file"] == "../benchmarks/engines/m_dynamic_b16.engine"
    assert keys["batch-size"] == "16"
    assert not (tmp_path / "models/m/benchmarks").exists()


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("labels: names.txt", "names.txt: no such file below "),
        ("labels: source", "source: no such file below "),
        ("family: yolo8", "config: models.m.family is 'yolo8'; the closest: yolo_v8"),
        ("preprocessing: {resize: letterbox}", "config: models.m.preprocessing: resize is letterbox, but"),
        ("frame: 640x360", "config: models.m.frame is stated, but not resize: in_graph"),
        ("resize: graph", "config: models.m.resize is 'graph', expected 'nvinfer' or 'in_graph'"),
    ],
)
def test_wrong_entry_is_told_before_any_job(tmp_path, entry, says):
    graphs.write(graphs.queries(), tmp_path / "source/model.onnx")
    done = snakemake(tmp_path, ONNX, config=f"models: {{m: {{source: source/model.onnx, {entry}}}}}\n")
    assert done.returncode != 0
    assert says in done.stdout
    assert "InputFunctionException" not in done.stdout and "Traceback" not in done.stdout
    assert not (tmp_path / "models").exists()


@pytest.fixture
def image(tmp_path):
    """A picture of noise, from which the pixels of the proofs are made."""
    picture = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "picture.png"), picture)
    return tmp_path / "picture.png"


def clean(folder, image, tmp_path, **entry):
    return clean_onnx(folder, None, None, image, tmp_path / "reference.npz", tmp_path / "log", **entry)


def test_family_in_the_entry_wins_over_config_of_the_same_head(tmp_path, image):
    graphs.write(graphs.queries(), tmp_path / "model.onnx")
    facts = {"architectures": ["RTDetrForObjectDetection"], "model_type": "rt_detr"}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    folder = ModelFolder(tmp_path)
    assert clean(folder, image, tmp_path).origin.family == "rt_detr"
    named = clean(folder, image, tmp_path, family="rf_detr").origin
    assert named.family == "rf_detr"
    assert "config.json says RTDetrForObjectDetection; family: rf_detr in the config wins." in named.notes


def test_family_of_safetensors_is_told_by_their_config(tmp_path, image):
    with pytest.raises(
        BuildError, match="family 'rt_detr' is for a ready-made ONNX, but safetensors are exported"
    ):
        clean(ModelFolder(tmp_path), image, tmp_path, family="rt_detr")


def test_free_image_of_bytes_with_channels_last_gets_its_size_from_the_file_beside(tmp_path, image):
    source = graphs.other_image(kind=np.uint8, size=("height", "width"))
    for dim in source.graph.input[0].type.tensor_type.shape.dim[:3]:
        dim.dim_value = -1
    graphs.write(source, tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"height": 64, "width": 96}}')
    (tmp_path / "labels.txt").write_text("car\nbus\nvan\ntram\n")
    folder = ModelFolder(tmp_path)
    made = clean(folder, image, tmp_path)
    family = family_named(made.origin.family)
    _, facts = prepare(
        made.model, folder.preprocessing((64, 96), family), tmp_path / "reference.npz", made.origin
    )
    assert facts.input == TensorFacts("pixel_values", ["batch", 3, 64, 96], "float32")
    assert (facts.preprocessing.net_scale_factor, facts.preprocessing.offsets) == (1.0, None)
    assert facts.max_abs_error["batch_3"] < 1e-5
    assert any("dimensions of -1" in note for note in facts.notes)
    assert facts.takes_levels


def test_stated_size_and_pixels_reach_an_onnx_with_free_sides(tmp_path, image):
    graph = graphs.queries(size=("height", "width"))
    graph.metadata_props.add(key="imgsz", value="[32, 32]")
    graphs.write(graph, tmp_path / "model.onnx")
    block = {"size": {"height": 64, "width": 96}, "color": "BGR", "scale": 1}
    folder = ModelFolder(tmp_path, block=block)
    model = clean(folder, image, tmp_path, family="sigmoid_queries").model
    assert [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]] == [64, 96]
    with np.load(tmp_path / "reference.npz") as arrays:
        assert arrays["pixels"][0].max() > 200
        np.testing.assert_array_equal(arrays["pixels"][0], cv2.imread(str(image)).transpose(2, 0, 1))


def test_each_sentence_names_its_file_once(tmp_path, image):
    graphs.write(graphs.queries(size=("height", "width")), tmp_path / "model.onnx")
    with pytest.raises(BuildError) as caught:
        clean(ModelFolder(tmp_path), image, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: neither its ONNX nor a preprocessor_config.json fixes")


NAMED = {
    "a spare column": (
        graphs.queries(),
        "car\nbus\nvan\n",
        {},
        r"3 class names .* column 0 where ids begin at 1",
    ),
    "a name too many": (
        graphs.queries(),
        "car\nbus\nvan\ntram\nbike\n",
        {"family": "sigmoid_queries"},
        "labels.txt: 5 class names, but the model's tensors have 4 classes. One name has no column",
    ),
    "a family of other classes": (
        graphs.queries(background=True),
        "car\nbus\n",
        {"family": "softmax_queries"},
        "labels.txt: 2 class names, but the model's tensors have 3 classes. One column has no name",
    ),
    "a family of other tensors": (
        graphs.queries(),
        "car\nbus\nvan\ntram\n",
        {"family": "yolo_v8"},
        "has not the tensors of yolo_v8",
    ),
}


@pytest.mark.parametrize("case", NAMED)
def test_names_and_a_family_that_the_onnx_contradicts_stop_its_import(tmp_path, image, case):
    model, names, entry, says = NAMED[case]
    graphs.write(model, tmp_path / "model.onnx")
    (tmp_path / "labels.txt").write_text(names)
    with pytest.raises(BuildError, match=says) as caught:
        clean(ModelFolder(tmp_path), image, tmp_path, **entry)
    assert str(caught.value).startswith(f"{tmp_path / 'model.onnx'}: ")


def test_names_of_the_metadata_are_checked_beside_those_of_a_file(tmp_path, image):
    model = graphs.queries()
    entry = model.metadata_props.add()
    entry.key, entry.value = "character", "Car\nbus\nVAN\ntram\n"
    graphs.write(model, tmp_path / "model.onnx")
    facts = clean(ModelFolder(tmp_path), image, tmp_path).origin
    assert facts.names == {"character": {0: "Car", 1: "bus", 2: "VAN", 3: "tram"}}
    (tmp_path / "labels.txt").write_text("car\nbus\nvan\ntram\n")
    assert clean(ModelFolder(tmp_path), image, tmp_path).origin.class_count == 4
    (tmp_path / "labels.txt").write_text("bus\nvan\ntram\ncar\n")
    with pytest.raises(
        BuildError, match=r"calls class 0 'bus', the ONNX's metadata \(character\) calls it 'Car'"
    ):
        clean(ModelFolder(tmp_path), image, tmp_path)


def test_what_was_appended_and_where_the_family_is_from_are_in_the_record(tmp_path, image):
    heads = head_graphs.Heads(
        {8: 2, 16: 2, 32: 2}, {"scores": 1, "boxes": 4, "landmarks": 10}, activations={"scores": "Sigmoid"}
    )
    graphs.write(head_graphs.model_of(heads), tmp_path / "model.onnx")
    origin = clean(ModelFolder(tmp_path), image, tmp_path).origin
    assert (origin.family, origin.class_count, origin.nms_iou_threshold) == ("scrfd", 1, None)
    assert origin.tensors == {"boxes": "joined_boxes", "scores": "joined_scores"}
    assert "out_boxes_8 ['batch', 192, 4]" in origin.why
    assert origin.notes[0].startswith("the head is in 9 outputs")
    assert origin.notes[0].endswith("left out: out_landmarks_8, out_landmarks_16, out_landmarks_32")
