import importlib.util
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dsbench.core.errors import BuildError
from dsbench.report.conditions import disturbances
from dsbench.tools import run_samples
from dsbench.tools.run_samples import (
    MEASURING,
    OtherProcess,
    SampledGpu,
    SampledRange,
    read_summary,
    summarise,
)
from dsbench.tools.tool_run import run_tool

FAKE = Path(__file__).parents[1] / "fakes/nvml/pynvml.py"
UNSEEN_PID = 2**22 + 1


@pytest.fixture
def nvml(monkeypatch):
    """A machine with one GPU; call it with what NVML says."""
    spec = importlib.util.spec_from_file_location("fake_pynvml", FAKE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(run_samples, "pynvml", module)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return lambda values: monkeypatch.setenv("FAKE_NVML", json.dumps(values))


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def ran(tmp_path, body):
    program = tmp_path / "tool"
    program.write_text(f"#!{sys.executable}\nimport time\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "x.log"
    run_tool([str(program)], log, {})
    return log


def test_summary_is_in_the_log_and_every_sample_beside_it(nvml, tmp_path):
    nvml({"temperature": 61})
    log = ran(tmp_path, "time.sleep(1.3)")
    summary = read_summary(log)
    assert summary.samples == 2
    assert summary.gpu.sm_clock_mhz == SampledRange(1980, 1980, 1980)
    assert summary.gpu.power_w.mean == 412.5
    assert (summary.gpu.nvdec_pct.max, summary.gpu.memory_total_mib) == (20, 80 * 1024)
    assert 0 <= summary.cpu_pct.mean <= 100
    every = json.loads((tmp_path / "x.samples.json").read_text())
    assert [sample["gpu"]["temperature_c"] for sample in every["samples"]] == [61, 61]


@pytest.mark.parametrize("how", ["no package", "no driver", "no device"])
def test_gpu_without_nvml_is_absent_and_not_zero(nvml, monkeypatch, tmp_path, how):
    if how == "no package":
        monkeypatch.setattr(run_samples, "pynvml", None)
    elif how == "no driver":
        nvml("missing")
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    summary = read_summary(ran(tmp_path, "time.sleep(0.8)"))
    assert summary.gpu is None
    assert disturbances(summary) is None


def test_value_this_gpu_does_not_tell_is_absent(nvml, tmp_path):
    nvml({"nvdec": None, "reasons": None, "pids": None, "sm": None})
    gpu = read_summary(ran(tmp_path, "time.sleep(0.8)")).gpu
    assert (gpu.nvdec_pct, gpu.sm_pct, gpu.throttled_pct) == (None, None, None)
    assert gpu.sm_clock_mhz.mean == 1980
    assert gpu.foreign_processes is None


def test_run_too_short_for_a_sample_has_none_and_keeps_no_older_ones(tmp_path):
    (tmp_path / "x.samples.json").write_text("of an earlier run")
    assert read_summary(ran(tmp_path, "")) is None
    assert not (tmp_path / "x.samples.json").exists()


@pytest.mark.parametrize("summary", ['{"samples": "many"}', '{"samp'])
def test_summary_of_another_shape_is_refused_by_the_name_of_its_log(tmp_path, summary):
    log = tmp_path / "x.log"
    log.write_text(f"{run_samples.HEAD}{summary}\n# ended: x\n")
    with pytest.raises(BuildError, match=rf"^{log}: its line '# samples:' .*; delete the log and run"):
        read_summary(log)


def test_samples_before_the_measurement_do_not_count(tmp_path, nvml):
    nvml({"pids": []})
    body = "time.sleep(0.8); print('[a] [I] Starting inference', flush=True); time.sleep(0.9)"
    log = ran(tmp_path, body)
    every = json.loads((tmp_path / "x.samples.json").read_text())["samples"]
    told = [sample["measuring"] for sample in every]
    assert told == sorted(told) and not told[0] and told[-1]
    assert read_summary(log).samples == sum(told)


def test_samples_of_the_teardown_do_not_count(tmp_path):
    measured = "print('[a] [I] Starting inference', flush=True); time.sleep(0.8)"
    body = f"{measured}; print('[a] [I] Timing trace has 9 queries over 1 s', flush=True); time.sleep(1.6)"
    log = ran(tmp_path, body)
    every = json.loads((tmp_path / "x.samples.json").read_text())["samples"]
    counted = [sample["at_s"] for sample in every if sample["measuring"]]
    assert 0 < len(counted) < len(every) - 1
    assert read_summary(log).samples == len(counted)


@pytest.mark.parametrize(
    ("line", "measuring"),
    [
        ("[08/02/2026-10:20:04] [I] Starting inference", True),
        ("**PERF:  98.40 (131.02)\t0.00 (0.00)\t", True),
        ("PERF(1): 30.00 (29.97)\t", True),
        ("**PERF:  0.00 (0.00)\t0.00 (0.00)\t", False),
        ("**PERF:  FPS 0 (Avg)\tFPS 1 (Avg)\t", False),
    ],
)
def test_measuring_starts_where_the_tool_says_so(line, measuring):
    assert bool(MEASURING.search(line)) is measuring


def test_own_process_is_not_foreign_and_one_from_before_is(nvml, sleeper):
    nvml({"pids": [[77], [77, sleeper.pid]], "names": {"77": "python3"}})
    gpu = run_samples.open_gpu()
    assert gpu.sample(session=sleeper.pid)["foreign"] == {77: "python3"}


def test_visible_process_of_another_session_is_foreign(nvml, sleeper):
    nvml({"pids": [[], [sleeper.pid, os.getpid()]]})
    gpu = run_samples.open_gpu()
    assert list(gpu.sample(session=sleeper.pid)["foreign"]) == [os.getpid()]


def test_in_a_container_the_first_unseen_process_is_the_tool_and_a_second_one_is_not(nvml, sleeper):
    nvml({"pids": [[], [UNSEEN_PID, UNSEEN_PID + 1]]})
    gpu = run_samples.open_gpu()
    assert list(gpu.sample(session=sleeper.pid)["foreign"]) == [UNSEEN_PID + 1]


def test_gpu_is_the_one_cuda_would_take(nvml, monkeypatch):
    for name, found in (("1,0", 1), ("GPU-abc", "GPU-abc")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", name)
        assert run_samples.open_gpu()._board == found


def test_number_that_may_be_another_gpu_s_is_not_sampled(nvml, monkeypatch):
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    assert run_samples.open_gpu() is not None
    nvml({"count": 2})
    assert run_samples.open_gpu() is None


def test_reasons_to_throttle_are_named_with_their_share(nvml):
    nvml({"reasons": 0x44})
    sample = run_samples.open_gpu().sample(0)
    assert sample["throttles"] == ["power cap", "thermal slowdown by the hardware"]
    idle = sample | {"throttles": []}
    rows = [{"measuring": True, "cpu_pct": 5.0, "gpu": gpu} for gpu in (sample, idle, idle, idle)]
    assert summarise(rows).gpu.throttled_pct == {
        "power cap": 25,
        "thermal slowdown by the hardware": 25,
    }


def test_gpu_that_was_sampled_is_named(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    summary = summarise([{"measuring": True, "cpu_pct": 5.0, "gpu": run_samples.open_gpu().sample(0)}])
    assert summary.gpu.device == SampledGpu(1, "GPU-1", "NVIDIA A100", None)
    assert (summary.gpu.mps, summary.gpu.mig_neighbours) == (False, [])


@pytest.mark.parametrize("named", [None, "MIG-a"])
def test_instance_of_mig_has_its_own_processes_and_its_gpu_s_clocks(nvml, monkeypatch, sleeper, named):
    if named:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    nvml({"mig": {"MIG-a": [], "MIG-b": [77]}, "names": {"77": "python3"}})
    gpu = run_samples.open_gpu()
    nvml({"mig": {"MIG-a": [sleeper.pid], "MIG-b": [77]}, "names": {"77": "python3"}})
    sample = gpu.sample(session=sleeper.pid)
    assert sample["device"]["mig"] == "NVIDIA A100 MIG 3g.20gb" and sample["device"]["uuid"] == "GPU-0"
    assert sample["sm_clock_mhz"] == 1980
    assert (sample["foreign"], sample["neighbours"]) == ({}, {77: "python3"})
    summary = summarise([{"measuring": True, "cpu_pct": 5.0, "gpu": sample}])
    assert summary.gpu.mig_neighbours == [OtherProcess(77, "python3")]
    assert disturbances(summary) == []


def test_server_of_mps_is_no_other_user_and_its_other_clients_are(nvml, sleeper):
    server, client = 70, 71
    nvml(
        {
            "pids": [server],
            "mps_pids": [[], [sleeper.pid, client]],
            "names": {str(server): "/usr/bin/nvidia-cuda-mps-server", str(client): "python3"},
        }
    )
    sample = run_samples.open_gpu().sample(session=sleeper.pid)
    assert sample["mps"] is True
    assert sample["foreign"] == {client: "python3"}


def test_whether_mps_or_neighbours_are_there_is_unknown_where_processes_are(nvml):
    nvml({"pids": None})
    sample = run_samples.open_gpu().sample(0)
    assert (sample["mps"], sample["neighbours"], sample["foreign"]) == (None, None, None)
