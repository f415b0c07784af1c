"""The whole build of a detector whose batch nothing makes dynamic, on programs that take no other batch either."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from nvidia_job import FIRST_BATCH, fake_tools
from workflow_run import PROJECT, planned, snakemake

TREE = "models/still"
REPORT = f"{TREE}/reports/benchmark_report.md"
CONFIG = f"runtime: nvidia\nfirst_batch: {json.dumps(FIRST_BATCH)}\nmodels: {{still: {{source: source}}}}\n"


def of_one_image(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model for a batch of 1, from whose answers it takes the first row."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first_row"))
    for output in graph.output:
        whole = f"{output.name}_of_all"
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [whole if name == output.name else name for name in names]
        graph.node.append(helper.make_node("Gather", [whole, "first_row"], [output.name], axis=0))
    for value in (graph.input[0], *graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return model


def write_source(finished, folder):
    """Write the demonstration's ONNX for a batch of 1, with its checkpoint's configuration."""
    folder.mkdir()
    onnx.save(of_one_image(onnx.load(finished / "models/rtdetr/model/rtdetr.onnx")), folder / "model.onnx")
    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(PROJECT / "demo/checkpoint" / name, folder)


@pytest.fixture(scope="module")
def still(finished, tmp_path_factory):
    """The working directory with the finished build; never changed by a test."""
    directory = tmp_path_factory.mktemp("still")
    write_source(finished, directory / "source")
    done = snakemake(directory, REPORT, config=CONFIG, env=fake_tools(finished, "no_encoder"))
    assert done.returncode == 0, done.stdout[-8000:]
    return directory


def test_each_batch_that_runs_has_an_engine_of_its_own(still):
    engines = {file.name for file in (still / TREE / "benchmarks/engines").glob("*.engine")}
    assert engines == {f"still_dynamic_b{batch}.engine" for batch in (1, 2, 4)}
    data = json.loads((still / TREE / "reports/benchmark_data.json").read_text())
    assert (data["max_bs"], data["deepstream"]["run1"]["streams"]) == (4, 2)
    assert [engine["batch"] for engine in data["engines"]] == [1, 2, 4]
    assert data["deepstream"]["run2"]["total_fps"] == 70.0


@pytest.mark.parametrize(
    ("log", "batch"),
    [("dump_kitti", 1), ("benchmark_streams_s2_run1", 2), ("benchmark_streams_s2_run2", 2)],
)
def test_a_run_loads_the_engine_of_its_batch(still, log, batch):
    said = (still / f"logs/still/{log}.log").read_text()
    assert (
        f"/still_dynamic_b{batch}.engine" in said.split("Use deserialized engine model: ")[1].split("\n")[0]
    )


def test_a_sweep_of_batches_takes_the_engines_that_are_there(still, finished):
    sweep = f"{TREE}/benchmarks/sweep.json"
    plan = snakemake(still, "-n", sweep, config=CONFIG, env=fake_tools(finished, "no_encoder"))
    # Batch 1 and MAX_BS are measured; the runs' batch of 2 has an engine.
    assert planned(plan.stdout) == {"benchmark_engine": 1, "predict_batch": 1, "confirm_batch": 1}


def test_a_finished_build_has_nothing_to_do(still, finished):
    again = snakemake(still, "-n", REPORT, config=CONFIG, env=fake_tools(finished, "no_encoder"))
    assert planned(again.stdout) == {}
