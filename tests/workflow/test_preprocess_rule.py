"""The proof of the preprocessing as a target: made, deleted, asked for by the runs, and stopping the build."""

import json

import pytest

import tiny_graphs as graphs
from workflow_run import planned, snakemake

PROOF = "models/lone/validation/preprocess.json"


@pytest.fixture(scope="module")
def proven(tmp_path_factory):
    """A model from a ready-made ONNX without preprocessor_config.json, proven, and its configuration."""
    folder = tmp_path_factory.mktemp("lone")
    onnx_file = graphs.write(graphs.queries(), folder / "source/detector.onnx")
    (onnx_file.parent / "labels.txt").write_text("car\nperson\nbicycle\nroad_sign\n")
    config = f"models: {{lone: {{source: {onnx_file.parent}}}}}\n"
    done = snakemake(folder, PROOF, config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    return folder, config


def test_proof_is_a_target_and_comes_back_when_it_is_deleted(proven):
    folder, config = proven
    proof = json.loads((folder / PROOF).read_text())
    assert proof["passed"]
    assert proof["reference"] == "family"
    assert proof["frames"] == list(range(15, 300, 30))
    assert planned(snakemake(folder, "-n", PROOF, config=config).stdout) == {}
    kept = (folder / PROOF).read_bytes()
    (folder / PROOF).unlink()
    jobs = planned(snakemake(folder, "-n", PROOF, config=config).stdout)
    (folder / PROOF).write_bytes(kept)
    assert jobs == {"prove_preprocessing": 1}


def test_multi_stream_runs_wait_for_it(proven):
    folder, config = proven
    forced = ("--forcerun", "prove_preprocessing")
    done = snakemake(folder, "-n", "models/lone/benchmarks/ds/ds_s2_run1.log", *forced, config=config)
    assert planned(done.stdout)["prove_preprocessing"] == 1


def test_wrong_colour_order_stops_the_build_and_is_named(proven):
    folder, config = proven
    inspect = folder / "models/lone/model/inspect.json"
    facts = json.loads(inspect.read_text())
    wrong = facts | {"preprocessing": facts["preprocessing"] | {"model_color_format": "BGR"}}
    inspect.write_text(json.dumps(wrong))
    done = snakemake(folder, PROOF, config=config)
    inspect.write_text(json.dumps(facts))
    assert done.returncode != 0
    assert "The derived preprocessing is wrong: as derived the pixels differ" in done.stdout
    assert "on average, with model-color-format=0 by " in done.stdout
    assert not (folder / PROOF).exists()
    assert '"passed": false' in (folder / "logs/lone/prove_preprocessing.log").read_text()


def test_resize_in_the_graph_reaches_the_onnx_the_parser_and_the_filter(tmp_path):
    onnx_file = graphs.write(graphs.queries(), tmp_path / "source/detector.onnx")
    (onnx_file.parent / "labels.txt").write_text("car\nperson\nbicycle\nroad_sign\n")
    settings = "models/lone/parser/parser_settings.hpp"
    done = snakemake(
        tmp_path, settings, config=f"models: {{lone: {{source: {onnx_file.parent}, resize: in_graph}}}}\n"
    )
    assert done.returncode == 0, done.stdout[-4000:]
    inspect = json.loads((tmp_path / "models/lone/model/inspect.json").read_text())
    assert inspect["input"]["shape"] == ["batch", 3, 720, 1280]
    assert inspect["ops"]["MatMul"] >= 2
    written = (tmp_path / settings).read_text()
    assert f"kModelWidth = {graphs.WIDTH};" in written and f"kModelHeight = {graphs.HEIGHT};" in written
    assert json.loads((tmp_path / PROOF).read_text())["scaling_filter"] == 0
