"""The batch sweep as a target, on NVIDIA's programs, which are fakes here."""

import json

import pytest

from nvidia_job import NvidiaJob, fake_tools
from workflow_run import copied, planned

TREE = "models/rtdetr"
SWEEP = f"{TREE}/benchmarks/sweep.json"
MARKDOWN, PAGE = (f"{TREE}/reports/benchmark_report.{kind}" for kind in ("md", "html"))
LOGS = f"{TREE}/benchmarks/ds"


@pytest.fixture(scope="module")
def swept(measured, finished, beside):
    """The job whose runs of 6 and 5 streams missed 12 FPS and whose run of 2 held it, after its sweep.

    Tests go on in their order.
    """
    job = NvidiaJob(copied(measured, beside("swept")), fake_tools(finished) | {"FAKE_CROWD": "3:11.5"})
    job.settings |= {"target_fps": 12, "first_batch": {"nvidia": 8}}
    job.run(SWEEP)
    return job


def test_the_sweep_steps_down_twice_and_makes_no_run_and_no_probe_that_is_there(swept):
    sweep = json.loads((swept.directory / SWEEP).read_text())
    assert sweep["prediction"]["batch"] == 5
    tried = [(5, 2), (4, 3), (3, 3)]
    assert [run["log"] for run in sweep["runs"]] == [f"{LOGS}/ds_s{s}_run{run}.log" for s, run in tried]
    assert [run["holds"] for run in sweep["runs"]] == [False, False, True]
    assert (sweep["bs_opt"], sweep["missed_from"]) == (3, 4)
    assert [probe["log"].removeprefix(f"{TREE}/benchmarks/") for probe in sweep["prediction"]["probes"]] == [
        "b1/trtexec_b1.log",
        "sweep/trtexec_b2.log",
        "sweep/trtexec_b4.log",
        "b8/trtexec_b8.log",
    ]
    told = set((swept.directory / f"{TREE}/benchmarks/sweep/trtexec_b2.log").read_text().split())
    assert f"--loadEngine={TREE}/benchmarks/engines/rtdetr_dynamic_b8.engine" in told
    engines = {file.name for file in (swept.directory / TREE / "benchmarks/engines").glob("*.engine")}
    assert engines == {f"rtdetr_dynamic_b{batch}.engine" for batch in (4, 8)}


def test_a_finished_sweep_has_nothing_to_do(swept):
    assert planned(swept.run("-n", SWEEP)) == {}


def test_the_report_shows_the_sweep_while_it_is_there(swept):
    swept.run(PAGE)
    assert "### Batch sweep" in swept.text
    page = (swept.directory / PAGE).read_text()
    assert (page.count("data:image/png"), page.count("data:image/jpeg")) == (5, 2)
    assert planned(swept.run("-n", PAGE)) == {}
    steps = [row["step"] for row in swept.data["timing"]["steps"]]
    assert steps[steps.index("benchmark_engine_probe_b2") :] == [
        "benchmark_engine_probe_b2",
        "benchmark_engine_probe_b4",
        "predict_batch",
        "benchmark_streams_s4_run3",
        "benchmark_streams_s3_run3",
        "confirm_batch",
        "write_scripts",
    ]
    (swept.directory / SWEEP).unlink()
    swept.run(PAGE)
    assert "sweep" not in swept.text.lower()
    assert (swept.directory / PAGE).read_text().count("data:image/jpeg") == 1


def test_sweep_and_report_in_one_call_agree(swept):
    swept.run(SWEEP, PAGE)
    assert "BS_OPT is 3" in swept.text
    assert planned(swept.run("-n", SWEEP, PAGE)) == {}


def test_a_latency_bound_is_another_sweep_and_measures_no_probe_again(swept):
    swept.settings["sweep"] = {"max_latency_ms": 30}
    plan = planned(swept.run("-n", SWEEP))
    assert {"predict_batch", "confirm_batch"} <= set(plan)
    assert not {"benchmark_engine_probe", "benchmark_streams"} & set(plan)
    swept.run(SWEEP)
    sweep = json.loads((swept.directory / SWEEP).read_text())
    assert (sweep["prediction"]["most"], sweep["bs_opt"]) == (2, 2)
    assert "a batch of 3 takes" in sweep["prediction"]["limited_by"]


def test_two_batches_that_take_the_same_time_have_an_answer_too(measured, finished, beside):
    same_time = {"FAKE_MOST_BATCH": "2", "FAKE_QPS": "40"}
    job = NvidiaJob(copied(measured, beside("same_time")), fake_tools(finished) | same_time)
    job.settings["first_batch"] = {"nvidia": 2}
    said = job.run(SWEEP)
    sweep = json.loads((job.directory / SWEEP).read_text())
    assert [fit["kind"] for fit in sweep["prediction"]["fits"]] == ["constant"]
    assert [probe["batch"] for probe in sweep["prediction"]["probes"]] == [1, 2]
    assert (sweep["prediction"]["batch"], sweep["bs_opt"]) == (2, 2)
    lines = [line for line in said.splitlines() if sweep["verdict"] in line]
    assert len(lines) == 1 and "] confirm_batch rtdetr " in lines[0]
