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
    """The job whose runs 1 and 2 missed 17 FPS with 4 and 3 streams, after its sweep; tests go on in their order."""
    job = NvidiaJob(copied(measured, beside("swept")), fake_tools(finished) | {"FAKE_CROWD": "2:16.5"})
    job.settings["target_fps"] = 17
    job.run(SWEEP)
    return job


def test_the_sweep_steps_down_twice_and_makes_no_run_and_no_probe_that_is_there(swept):
    sweep = json.loads((swept.directory / SWEEP).read_text())
    assert sweep["prediction"]["batch"] == 4
    assert [run["log"] for run in sweep["runs"]] == [f"{LOGS}/ds_s{s}_run{4 - s + 1}.log" for s in (4, 3, 2)]
    assert [run["holds"] for run in sweep["runs"]] == [False, False, True]
    assert (sweep["bs_opt"], sweep["missed_from"]) == (2, 3)
    assert [probe["log"].removeprefix(f"{TREE}/benchmarks/") for probe in sweep["prediction"]["probes"]] == [
        "b1/trtexec_b1.log",
        "sweep/trtexec_b2.log",
        "b4/trtexec_b4.log",
    ]
    engines = {file.name for file in (swept.directory / TREE / "benchmarks/engines").glob("*.engine")}
    assert engines == {"rtdetr_dynamic_b4.engine"}


def test_a_finished_sweep_has_nothing_to_do(swept):
    assert planned(swept.run("-n", SWEEP)) == {}


def test_the_report_shows_the_sweep_while_it_is_there(swept):
    swept.run(PAGE)
    assert "### Batch sweep" in swept.text
    page = (swept.directory / PAGE).read_text()
    assert (page.count("data:image/png"), page.count("data:image/jpeg")) == (5, 2)
    assert planned(swept.run("-n", PAGE)) == {}
    steps = [row["step"] for row in swept.data["timing"]["steps"]]
    assert steps[-5:] == [
        "benchmark_engine_probe_b2",
        "predict_batch",
        "benchmark_streams_s2_run3",
        "confirm_batch",
        "write_scripts",
    ]
    (swept.directory / SWEEP).unlink()
    swept.run(PAGE)
    assert "sweep" not in swept.text.lower()
    assert (swept.directory / PAGE).read_text().count("data:image/jpeg") == 1


def test_sweep_and_report_in_one_call_agree(swept):
    swept.run(SWEEP, PAGE)
    assert "BS_OPT is 2" in swept.text
    assert planned(swept.run("-n", SWEEP, PAGE)) == {}


def test_a_latency_bound_is_another_sweep_and_measures_no_probe_again(swept):
    swept.settings["sweep"] = {"max_latency_ms": 14}
    assert planned(swept.run("-n", SWEEP)) == {"predict_batch": 1, "confirm_batch": 1}
    swept.run(SWEEP)
    sweep = json.loads((swept.directory / SWEEP).read_text())
    assert (sweep["bs_opt"], sweep["prediction"]["most"]) == (1, 1)
    assert "more than max_latency_ms 14" in sweep["verdict"]
