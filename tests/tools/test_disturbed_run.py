"""What disturbed a measurement makes it a second one, and stays in its log."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

from dsbench.deepstream.log import StalledStreamError
from dsbench.report.conditions import run_conditions, trtexec_conditions
from dsbench.tools import run_samples
from dsbench.tools.disturbed_run import measure_again_if_disturbed
from dsbench.tools.run_samples import HEAD
from dsbench.trtexec.command import Precision, Profile
from dsbench.trtexec.log import read_measurement
from dsbench.trtexec.run import benchmark_engine, build_engine
from sampled_run import sampled

FAKES = Path(__file__).parents[1] / "fakes"
QUIET, FOREIGN = sampled(), sampled(foreign_processes=[{"pid": 77, "name": "python3"}])
HOT = sampled(throttled_pct={"thermal slowdown by the driver": 40.0})
SAYS = "other processes used the GPU: python3 (77)"


@pytest.fixture
def measured(tmp_path):
    """Return a function that measures with one entry of `runs` after the other: samples, or what is raised."""
    log = tmp_path / "x.log"

    def measure(*runs):
        told = []

        def once(why):
            run = runs[len(told)]
            told.append(why)
            heads = "".join(f"# {name}: {value}\n" for name, value in why.items())
            tail = f"{HEAD}{json.dumps(run)}\n" if isinstance(run, dict) else ""
            log.write_text(f"{heads}run {len(told)}\n{tail}# ended: 2026-11-23T10:00:00Z\n")
            log.with_suffix(".samples.json").write_text(f"samples {len(told)}")
            if isinstance(run, Exception):
                raise run
            return len(told)

        return measure_again_if_disturbed(once, log), run_conditions(log)

    measure.kept = tmp_path / "x_disturbed.log"
    return measure


@pytest.mark.parametrize("run", [QUIET, None, sampled(throttled_pct={"power cap": 90.0})])
def test_clean_or_unsampled_measurement_is_made_once(measured, run):
    measured.kept.write_text("of an earlier call")
    result, conditions = measured(run)
    assert (result, conditions.repeated) == (1, None)
    assert not measured.kept.exists()


@pytest.mark.parametrize(
    ("run", "says"),
    [
        (FOREIGN, SAYS),
        (HOT, "the GPU was throttled in 40 % of the samples (thermal slowdown by the driver)"),
        (StalledStreamError("stream 1 stalled\nin a window"), "stream 1 stalled in a window"),
    ],
)
def test_disturbed_measurement_is_repeated_and_the_second_is_clean(measured, capsys, run, says):
    result, conditions = measured(run, QUIET)
    assert result == 2
    assert conditions.repeated == f"{says}; that log is {measured.kept}"
    assert conditions.disturbances == []
    assert "run 1\n" in measured.kept.read_text()
    assert measured.kept.with_suffix(".samples.json").read_text() == "samples 1"
    assert "measuring once more" in capsys.readouterr().err


def test_measurement_that_is_disturbed_twice_is_marked_and_not_made_a_third_time(measured):
    result, conditions = measured(FOREIGN, HOT, QUIET)
    assert result == 2
    assert SAYS in conditions.repeated
    assert conditions.disturbances == [
        "the GPU was throttled in 40 % of the samples (thermal slowdown by the driver)"
    ]


def test_run_that_stalls_after_a_disturbed_one_is_refused(measured):
    with pytest.raises(StalledStreamError):
        measured(FOREIGN, StalledStreamError("stream 0 stalled"))


def test_trtexec_beside_another_process_measures_twice_and_the_number_is_marked(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("fake_pynvml", FAKES / "nvml/pynvml.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(run_samples, "pynvml", module)
    monkeypatch.setenv(
        "FAKE_NVML", json.dumps({"pids": [os.getpid()], "names": {str(os.getpid()): "jupyter"}})
    )
    slow = tmp_path / "trtexec"
    slow.write_text(f'#!/bin/sh\necho run >> {tmp_path}/runs\n"{FAKES}/trtexec" "$@" && sleep 0.8\n')
    slow.chmod(0o755)
    (tmp_path / "onnx").write_text("graph")
    engine, log, profile = tmp_path / "m_b4.engine", tmp_path / "b.log", Profile("images", (3, 8, 8), 4)
    version = (10, 16, 0)
    build_engine(
        *(str(FAKES / "trtexec"), version, tmp_path / "onnx", engine, tmp_path / "cache", None, profile),
        *(Precision("fp16"), 1024, tmp_path / "build.log", {}),
    )
    assert benchmark_engine(str(slow), version, engine, profile, 4, 1, 100, log, {}) == pytest.approx(75)
    assert (tmp_path / "runs").read_text().count("run") == 2
    conditions = trtexec_conditions(read_measurement(log), log)
    assert "other processes used the GPU: jupyter" in conditions.repeated
    assert conditions.disturbances == [f"other processes used the GPU: jupyter ({os.getpid()})"]
