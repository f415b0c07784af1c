"""A lone ONNX through the workflow: what lies beside it, what its entry says, and what is said before any job."""

import json

import cv2
import numpy as np
import pytest

import tiny_graphs as graphs
from dsbench.errors import BuildError
from dsbench.families import family_named
from dsbench.model_folder import ModelFolder
from dsbench.model_onnx import clean_onnx
from dsbench.onnx_prepare import prepare
from workflow_run import snakemake

ONNX, LABELS, CONFIG = "models/m/model/m.onnx", "models/m/config/labels.txt", "models/m/config/config.json"


def test_names_in_the_entry_tell_the_head_and_a_foreign_config_beside_is_not_read(tmp_path):
    graphs.write(graphs.queries(), tmp_path / "source/model.onnx")
    (tmp_path / "source/config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    processor = {"size": {"height": 64, "width": 96}, "do_normalize": True, "image_mean": [0.5, 0.5, 0.5]}
    (tmp_path / "source/preprocessor_config.json").write_text(
        json.dumps(processor | {"image_std": [0.5] * 3})
    )
    (tmp_path / "names.txt").write_text("car\ntraffic light\nbus\n")
    config = "models: {m: {source: source/model.onnx, labels: names.txt}}\n"
    done = snakemake(tmp_path, ONNX, LABELS, CONFIG, config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    inspect = json.loads((tmp_path / "models/m/model/inspect.json").read_text())
    # Three names for four columns: the last is the background.
    assert inspect["family"] == "softmax_queries"
    assert inspect["preprocessing"]["offsets"] == [127.5, 127.5, 127.5]
    assert (tmp_path / LABELS).read_text() == "car\ntraffic light\nbus\n"
    assert json.loads((tmp_path / CONFIG).read_text())["model_type"] == "softmax_queries"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("labels: names.txt", "names.txt: no such file below "),
        ("labels: source", "source: no such file below "),
        ("family: yolo8", "config: models.m.family is 'yolo8'; the closest: yolo_v8"),
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
    assert clean(folder, image, tmp_path).origin["family"] == "rt_detr"
    named = clean(folder, image, tmp_path, family="rf_detr").origin
    assert named["family"] == "rf_detr"
    assert "config.json says RTDetrForObjectDetection; family: rf_detr in the config wins." in named["notes"]


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
    family = family_named(made.origin["family"])
    _, facts = prepare(
        made.model, folder.preprocessing((64, 96), family), tmp_path / "reference.npz", made.origin
    )
    assert facts["input"] == {"name": "pixel_values", "shape": ["batch", 3, 64, 96], "dtype": "float32"}
    assert (facts["preprocessing"]["net_scale_factor"], facts["preprocessing"]["offsets"]) == (1.0, None)
    assert facts["max_abs_error"]["batch_3"] < 1e-5
    assert any("dimensions of -1" in note for note in facts["notes"])
    assert facts["takes_levels"]


def test_each_sentence_names_its_file_once(tmp_path, image):
    graphs.write(graphs.queries(size=("height", "width")), tmp_path / "model.onnx")
    with pytest.raises(BuildError) as caught:
        clean(ModelFolder(tmp_path), image, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: neither its ONNX nor a preprocessor_config.json fixes")
