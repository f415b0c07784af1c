"""Tiny detectors with random weights, from their folder to a checked ONNX, in the real export environment."""

import json
import shutil
import sys

import onnx
import pytest

import tiny_graphs as graphs
from dsbench.core.errors import BuildError
from dsbench.core.files import sha256_of
from dsbench.onnx.export_environment import make_environment
from dsbench.onnx.model_onnx import ModelFolder, clean_onnx
from exported_families import check_export, check_repairs
from small_files import safetensors
from workflow_run import files, snakemake

# The two ways to export that are least like those of the main job and of the models built below; tests/soak has all.
SAMPLE = ("detr_timm", "grounding-dino")


@pytest.mark.parametrize("family", SAMPLE)
def test_family_goes_from_folder_to_checked_onnx(family, zoo, finished, tmp_path):
    check_export(family, zoo, finished, tmp_path)


def test_repairs_are_proven_like_every_export(zoo, finished, tmp_path):
    check_repairs("detr", zoo, finished, tmp_path)


def test_prompt_without_tokenizer_files_is_refused_with_the_reason(zoo, finished, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(zoo / "owlvit", source, ignore=shutil.ignore_patterns("vocab*", "merges*", "tokenizer*"))
    with pytest.raises(BuildError, match="owlvit is asked with text, but it has no tokenizer"):
        clean_onnx(
            ModelFolder(source),
            finished / "build/.venv_optimum/bin/python",
            "person",
            finished / "build/export/reference_image.png",
            tmp_path / "reference.npz",
            tmp_path / "export.log",
        )
    assert not (tmp_path / "reference.npz").exists()


def test_more_models_reuse_the_environment(tree, zoo):
    config = f"""models:
  closed: {{source: {zoo / "detr_shards"}}}
  asked: {{source: {zoo / "owlvit"}, prompt: "person . road sign"}}
"""
    labels = {"closed": ["car", "person", "bicycle", "road_sign"], "asked": ["person", "road sign"]}
    kinds = ("model/{}.onnx", "config/labels.txt", "parser/libparser.so")
    wanted = [f"models/{name}/{kind.format(name)}" for name in labels for kind in kinds]
    done = snakemake(tree, *wanted, config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "make_environment_export" not in done.stdout
    for name, names in labels.items():
        folder = tree / "models" / name
        assert (folder / "config/labels.txt").read_text().split("\n")[:-1] == names
        attempts = json.loads((folder / "model/export_attempts.json").read_text())["attempts"]
        for attempt in attempts:
            assert attempt["reason"]
            assert "log" not in attempt or (tree / attempt["log"]).stat().st_size > 0
        assert "| Family |" in (folder / "model/inspect.md").read_text()
    assert "Nothing to be done" in snakemake(tree, "-n", *wanted, config=config).stdout


def test_what_cannot_be_exported_is_refused_before_the_environment_is_made(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "preprocessor_config.json").write_text("{}")
    (source / "model.safetensors").write_bytes(safetensors())
    facts = {"architectures": ["GroundingDinoForObjectDetection"], "model_type": "grounding-dino"}
    (source / "config.json").write_text(json.dumps(facts))
    config = f"models: {{asked: {{source: {source}}}}}\n"
    done = snakemake(tmp_path, "models/asked/config/config.json", config=config)
    assert done.returncode != 0
    assert "add prompt:" in done.stdout
    assert not (tmp_path / "models/asked/config/config.json").exists()


def test_a_shared_environment_takes_the_place_of_the_own_one(tmp_path):
    lock, own = tmp_path / "export.lock", tmp_path / "build/.venv_optimum"
    lock.write_text("torch==2.0\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shared = tmp_path / f"shared/venv_optimum-{sha256_of(lock)[:12]}-{version}"
    for folder in (own, shared):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").write_text(folder.name)
        (folder / "pyvenv.cfg").touch()
    (shared / "packages.txt").write_text("torch==2.0\n")
    for _ in range(2):
        make_environment(own, lock, tmp_path / "log", shared.parent)
        assert (own / "bin/python").read_text() == shared.name
    assert (own / "packages.txt").read_text() == "torch==2.0\n"


def test_lone_onnx_needs_no_export_environment(tmp_path):
    onnx_file = graphs.write(graphs.original_rt_detr(), tmp_path / "source/detector.onnx")
    config = f"models: {{lone: {{source: {onnx_file.parent}}}}}\n"
    done = snakemake(tmp_path, "models/lone/model/lone.onnx", config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "make_environment_export" not in done.stdout
    facts = json.loads((tmp_path / "models/lone/model/inspect.json").read_text())
    assert facts["family"] == "rt_detr_original"
    assert facts["input"]["shape"] == ["batch", 3, graphs.HEIGHT, graphs.WIDTH]
    variants = json.loads((tmp_path / "models/lone/model/variants.json").read_text())
    assert variants["choice"] == "detector.onnx"


def test_labels_file_of_the_config_must_have_a_line_for_each_class(tmp_path):
    onnx_file = graphs.write(graphs.queries(classes=4), tmp_path / "source/model.onnx")
    labels = tmp_path / "names.txt"
    labels.write_text("car\nperson\nroad sign\n")
    entry = f"{{source: {onnx_file.parent}, family: sigmoid_queries, labels: {labels}}}"
    wanted = "models/lone/config/labels.txt"
    done = snakemake(tmp_path, wanted, config=f"models: {{lone: {entry}}}\n")
    assert done.returncode != 0
    assert f"{labels}: 3 class names, but the model's tensors have 4 classes" in done.stdout
    assert not (tmp_path / wanted).exists()
    labels.write_text("car\nperson\nroad sign\nbicycle\n")
    done = snakemake(tmp_path, wanted, config=f"models: {{lone: {entry}}}\n")
    assert done.returncode == 0, done.stdout[-4000:]
    assert (tmp_path / wanted).read_text() == labels.read_text()


def test_static_batch_has_a_file_for_each_size_which_the_engine_takes(tmp_path):
    onnx_file = graphs.write(graphs.batch_in_axis_1(), tmp_path / "source/model.onnx")
    (onnx_file.parent / "labels.txt").write_text("car\nperson\nbicycle\nroad_sign\n")
    # So small a model would be measured at every batch up to the largest.
    config = f"models: {{still: {{source: {onnx_file.parent}}}}}\nlargest_batch: {{embedded: 4}}\n"
    engine = "models/still/benchmarks/engines/still_dynamic_b4.engine"
    b1_log = "models/still/benchmarks/b1/trtexec_b1.log"
    done = snakemake(tmp_path, engine, b1_log, config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    static = onnx.load(tmp_path / "models/still/model/still_static_b4.onnx")
    assert static.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 4
    assert "1x3x64x96" in (tmp_path / b1_log).read_text()
    log = (tmp_path / "models/still/benchmarks/engines/build_b4.log").read_text()
    assert "still_static_b4.onnx" in log
    assert "Shapes=" not in log.split("\n")[0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: graphs.with_op("DynamicQuantizeLinear"), "TensorRT has no DynamicQuantizeLinear"),
        (
            lambda: graphs.queries(classes=7),
            "may be sigmoid_queries or softmax_queries: its tensors do not tell",
        ),
    ],
)
def test_refused_onnx_leaves_nothing(tmp_path, make, says):
    onnx_file = graphs.write(make(), tmp_path / "source/model.onnx")
    config = f"models: {{bad: {{source: {onnx_file.parent}}}}}\n"
    done = snakemake(tmp_path, "models/bad/model/bad.onnx", config=config)
    assert done.returncode != 0
    assert says in done.stdout
    made = [path for path in sorted(files(tmp_path)) if path.startswith(("models/bad", "build/export/bad"))]
    assert set(made) <= {"models/bad/model/provenance.json", "models/bad/model/source.json"}
