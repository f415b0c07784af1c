import json
from pathlib import Path

import msgspec
import pytest

from dsbench.report.conditions import bound, condition_rows, run_conditions, trtexec_conditions
from dsbench.report.report_records import Conditions
from dsbench.tools.disturbed_run import disturbances
from dsbench.tools.run_samples import HEAD, SampleSummary
from dsbench.trtexec.log import read_measurement
from sampled_run import level, sampled

GOOD = (Path(__file__).parents[1] / "data/trtexec_10.16_b8.log").read_text()


def disturbed(samples):
    return disturbances(msgspec.convert(samples, SampleSummary))


def run_of(tmp_path, samples, text=""):
    log = tmp_path / "run.log"
    tail = "" if samples is None else f"{HEAD}{json.dumps(samples)}\n"
    log.write_text(text + tail + "# ended: 2026-11-23T10:00:00Z\n")
    return log


def trtexec(tmp_path, change, samples=None):
    log = run_of(tmp_path, samples, change(GOOD))
    return trtexec_conditions(read_measurement(log), log)


@pytest.mark.parametrize(
    ("samples", "unit", "because"),
    [
        (
            sampled(sm=97, nvdec=60, cpu=30),
            "compute",
            "busy: the GPU's SMs 97 %, NVDEC 60 %, the GPU's memory 1 %, the processors 30 %",
        ),
        (sampled(sm=70, nvdec=99), "decode", "NVDEC 99 %"),
        (sampled(sm=30, nvdec=40, cpu=98), "cpu", "the processors 98 %"),
        (sampled(sm=70, memory_pct=level(96)), "memory", "the GPU's memory 96 %"),
        (
            sampled(sm=95, nvdec=40, cpu=100),
            "compute",
            "the GPU's SMs 95 %, NVDEC 40 %, the GPU's memory 1 %, the processors 100 %",
        ),
        (sampled(sm=60, nvdec=50, cpu=40), None, "nothing was at its limit; busy: the GPU's SMs 60 %"),
        ({"samples": 5, "cpu_pct": level(99), "gpu": None}, "cpu", "busy: the processors 99 %"),
    ],
)
def test_run_is_bound_by_the_busiest_unit_if_that_is_at_its_limit(tmp_path, samples, unit, because):
    found = run_conditions(run_of(tmp_path, samples))
    assert found.bound_by == unit
    assert because in found.because


def test_run_without_samples_says_nothing_about_its_bound(tmp_path):
    found = run_conditions(run_of(tmp_path, None))
    assert found == Conditions(None, None, None, None, None)
    assert bound(found) == "not measured"


def test_trtexec_that_computes_all_the_time_is_bound_by_compute(tmp_path):
    found = trtexec(tmp_path, lambda text: text)
    assert (found.bound_by, found.because) == ("compute", "computing took 100 % of the measured time")


def test_trtexec_that_waits_is_bound_by_what_it_says_or_was_sampled(tmp_path):
    def waiting(text):
        for busy, idle in (
            ("263.886 qps", "163.886 qps"),
            ("2641 queries", "1640 queries"),
            ("9.9894 s", "6.204 s"),
        ):
            text = text.replace(busy, idle)
        return text

    warning = (
        "* Throughput may be bound by Enqueue Time rather than GPU Compute and the GPU may be under-utilized."
    )
    told = trtexec(tmp_path, lambda text: waiting(text).replace("* GPU compute time is unstable", warning))
    assert told.bound_by == "enqueue"
    assert trtexec(tmp_path, waiting, sampled(cpu=97)).bound_by == "cpu"
    unknown = trtexec(tmp_path, waiting, sampled(sm=95))
    assert (unknown.bound_by, unknown.because) == (
        None,
        "computing took 62 % of the measured time, nothing else was at its limit",
    )


@pytest.mark.parametrize(
    ("gpu", "says"),
    [
        (
            {"throttled_pct": {"power brake": 40.0}},
            "the GPU was throttled in 40 % of the samples (power brake)",
        ),
        (
            {"foreign_processes": [{"pid": 77, "name": "python3"}]},
            "other processes used the GPU: python3 (77)",
        ),
        (
            {"sm_clock_mhz": {"min": 1410, "mean": 1700, "max": 1980}},
            "the SM clock moved between 1410 and 1980 MHz",
        ),
    ],
)
def test_disturbance_is_named(gpu, says):
    assert disturbed(sampled(**gpu)) == [says]


def test_steady_run_is_undisturbed_and_an_unsampled_one_is_unknown():
    steady = sampled(sm_clock_mhz={"min": 1950, "mean": 1970, "max": 1980})
    assert disturbed(steady) == []
    assert disturbed(steady | {"gpu": None}) is None


@pytest.mark.parametrize("missing", ["throttled_pct", "foreign_processes", "sm_clock_mhz"])
def test_run_of_which_a_part_is_unknown_is_not_called_undisturbed(missing):
    assert disturbed(sampled(**{missing: None})) is None
    throttled = {"throttled_pct": {"power brake": 5.0}} | (
        {missing: None} if missing != "throttled_pct" else {}
    )
    assert disturbed(sampled(**throttled)) == ["the GPU was throttled in 5 % of the samples (power brake)"]


def test_power_cap_belongs_to_the_bound_and_is_no_disturbance(tmp_path):
    moved = {"min": 1410, "mean": 1700, "max": 1980}
    capped = sampled(sm=97, throttled_pct={"power cap": 75.0}, sm_clock_mhz=moved)
    found = run_conditions(run_of(tmp_path, capped))
    assert found.disturbances == []
    assert found.bound_by == "compute"
    assert found.because.endswith("; the power limit held the GPU's clock in 75 % of the samples")


def test_rows_say_what_was_not_measured(tmp_path):
    with_gpu, without = (run_conditions(run_of(tmp_path, each)) for each in (sampled(sm=97), None))
    rows = dict(condition_rows([with_gpu, without]))
    assert rows["SM utilisation (%)"] == ["97 (97 to 97)", "not measured"]
    assert rows["Disturbed"] == ["no", "not measured"]
    rows = dict(condition_rows([without]))
    assert rows["GPU samples"] == ["not measured"]
    assert "GPU power (W)" not in rows


def test_rows_say_on_what_and_with_whom(tmp_path):
    device = {"index": 2, "uuid": "GPU-2", "name": "NVIDIA A100", "mig": "NVIDIA A100 MIG 3g.20gb"}
    shared = sampled(device=device, mps=True, mig_neighbours=[{"pid": 77, "name": "python3"}])
    again = run_conditions(run_of(tmp_path, shared, "# repeated: stream 1 stalled; that log is x\n"))
    alone = run_conditions(run_of(tmp_path, sampled()))
    rows = dict(condition_rows([again, alone]))
    assert rows["GPU measured on"] == [
        "NVIDIA A100 MIG 3g.20gb, index 2, GPU-2",
        "NVIDIA A100, index 0, GPU-0",
    ]
    assert rows["MPS"] == ["yes", "no"]
    assert rows["On other MIG instances"] == ["python3 (77)", "nothing"]
    assert rows["Measured again"] == ["stream 1 stalled; that log is x", "no"]
