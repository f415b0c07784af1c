"""The rules' scripts on several pretended GPUs, with the fake trtexec: which job ran where, and when."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsbench.core.locks import DeviceLock
from dsbench.core.records import write_record
from dsbench.pixels.preprocessing import Preprocessing
from dsbench.tools.tool_run import run_tool
from dsbench.trtexec import measuring_device
from dsbench.trtexec.passport import PassportError
from inspected import inspection_of
from tiny_graphs import queries

PROJECT = Path(__file__).parents[2]
FAKES = PROJECT / "tests/fakes"
L40S, T4 = "NVIDIA L40S, 8.9, 46068 MiB", "Tesla T4, 7.5, 15360 MiB"
PIXELS = Preprocessing(1 / 255, None, "RGB", False, False, 8, 8, ())
FACTS = {
    "runtime": "nvidia",
    "trtexec": {"version": "10.16.0"},
    "driver": "595.58.03",
    "cuda": "13.2",
    "gpu": [L40S],
}
# trtexec with the time it ran and what it saw of the GPUs, below its own lines.
TIMED = f"""#!/bin/sh
began=$(date +%s.%N)
sleep "${{FAKE_SECONDS:-1.5}}"
"{FAKES}/trtexec" "$@" || exit
echo "# ran: $began $(date +%s.%N) $CUDA_VISIBLE_DEVICES"
"""
WORKFLOW = f"""
rule all:
    input: expand("m{{n}}.log", n=range(4))

rule build_engine:
    input: onnx="onnx", inspect="inspect.json", seed_cache=[], facts=[{", ".join(f'"{name}.json"' for name in FACTS)}],
        trtexec="trtexec.json"
    output: made=temp(directory("made/m{{n}}_b{{batch}}")), log="m{{n}}_b{{batch}}.build.log"
    log: "logs/m{{n}}_b{{batch}}.log"
    resources: gpu=1
    params: program="./timed", precision="fp16", strongly_typed=False, tf32=True,
        has_layer_info=False, workspace_mib=1024, engine="m{{n}}_b{{batch}}.engine",
        timing_cache="m{{n}}_b{{batch}}.cache"
    script: "{PROJECT}/workflow/scripts/build_engine.py"

rule keep_engine:
    input: "made/m{{n}}_b{{batch}}"
    output: engine="m{{n}}_b{{batch}}.engine", passport="m{{n}}_b{{batch}}.engine.json",
        timing_cache="m{{n}}_b{{batch}}.cache"
    log: "logs/keep_m{{n}}_b{{batch}}.log"
    script: "{PROJECT}/workflow/scripts/keep_engine.py"

rule benchmark_engine:
    input: engine=["m{{n}}_b4.engine", "m{{n}}_b4.engine.json"], inspect="inspect.json",
        facts=rules.build_engine.input.facts, trtexec="trtexec.json"
    output: log="m{{n}}.log"
    log: "logs/m{{n}}.log"
    resources: gpu=1
    params: program="./timed", duration_s=1, warm_up_ms=100, batch=4
    script: "{PROJECT}/workflow/scripts/benchmark_engine.py"
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder with the two rules of engine.smk for four models, and a host with four GPUs of one model."""
    for name, value in FACTS.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    write_record(tmp_path / "inspect.json", inspection_of(queries(size=(8, 8)), "rt_detr", PIXELS))
    (tmp_path / "onnx").write_text("graph")
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    (tmp_path / "timed").write_text(TIMED)
    (tmp_path / "timed").chmod(0o755)
    locks = tmp_path / "locks"
    locks.mkdir()
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    monkeypatch.setenv("GPU_LOCK_DIRECTORY", str(locks))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "workflow/scripts"))
    monkeypatch.setenv("FAKE_GPUS", "\n".join(f"{n}, GPU-{n}, {L40S}" for n in range(4)))
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def start(folder, *arguments, gpus=4):
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "4", "--resources", f"gpu={gpus}"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )


def runs_in(logs):
    """Return begin, end and GPU of each run of trtexec, as the logs state them."""
    found = [re.search(r"^# ran: (\S+) (\S+) (\S+)$", log.read_text(), re.M).groups() for log in logs]
    return sorted((float(began), float(ended), gpu) for began, ended, gpu in found)


def overlapping(runs):
    return [(one, other) for one in runs for other in runs if one < other and other[0] < one[1]]


def test_four_gpus_work_at_once_and_none_for_two(host):
    process = start(host)
    text = process.communicate()[0]
    assert process.returncode == 0, text[-3000:]
    measured = runs_in(host.glob("m?.log"))
    assert len(measured) == 4 and len(overlapping(measured)) >= 3
    every = measured + runs_in(host.glob("m?_b4.build.log"))
    assert {gpu for _, _, gpu in every} == {f"GPU-{n}" for n in range(4)}
    assert [pair for pair in overlapping(every) if pair[0][2] == pair[1][2]] == []
    for log in host.glob("m?.log"):
        number = re.search(r"^# ran: .* GPU-(\d)$", log.read_text(), re.M)[1]
        assert f"# device: NVIDIA L40S, index {number}, GPU-{number}\n" in log.read_text()


def test_two_calls_that_know_nothing_of_each_other_share_one_gpu(host, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    monkeypatch.setenv("FAKE_SECONDS", "3")
    other = host.parent / f"{host.name}_other"
    other.mkdir()
    for file in host.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    (other / "timed").chmod(0o755)
    processes = [start(folder, "m0_b4.engine", gpus=1) for folder in (host, other)]
    texts = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], texts
    runs = runs_in([folder / "m0_b4.build.log" for folder in (host, other)])
    assert overlapping(runs) == [] and {gpu for _, _, gpu in runs} == {"2"}
    heads = "".join((folder / "m0_b4.build.log").read_text() for folder in (host, other))
    assert len(re.findall(r"^# waited: [1-9]\d* s for NVIDIA L40S, index 2, GPU-2$", heads, re.M)) == 1
    waited = [text for text in texts if "waiting for NVIDIA L40S, index 2, GPU-2, held by " in text]
    assert len(waited) == 1
    assert re.search(
        r"held by \S+, process \d+ on \S+, since \S+Z \(0 min\), for /\S+/logs/m0_b4\.log", waited[0]
    )


def test_job_whose_gpu_was_left_by_a_killed_one_goes_on_and_says_so(host):
    lock = DeviceLock("GPU-0")
    assert lock.take("/home/anna/logs/build.log")
    facts = json.loads(lock.path.read_text())
    lock.release()
    lock.path.write_text(
        json.dumps(facts | {"process": facts["process"] | {"boot": "another"}, "user": "anna"})
    )
    process = start(host, "m0_b4.engine", gpus=1)
    text = process.communicate()[0]
    assert process.returncode == 0
    assert "taking over NVIDIA L40S, index 0, GPU-0; its owner has ended: anna, process " in text


def test_engine_of_another_model_waits_for_no_gpu_and_is_one_sentence(host, monkeypatch):
    assert start(host, "m0_b4.engine").wait() == 0
    monkeypatch.setenv("FAKE_GPUS", f"0, GPU-9, {T4}\n1, GPU-8, {T4}")
    text = start(host, "m0.log", "--rerun-triggers", "mtime").communicate()[0]
    assert (
        "ERROR m0_b4.engine: was built with NVIDIA L40S" in text and "used here are Tesla T4, index 0" in text
    )


def test_engine_runs_on_the_gpu_of_its_model(host, monkeypatch):
    assert start(host, "m0_b4.engine").wait() == 0
    monkeypatch.setenv("FAKE_GPUS", f"0, GPU-9, {T4}\n1, GPU-8, {L40S}")
    process = start(host, "m0.log", "--rerun-triggers", "mtime")
    text = process.communicate()[0]
    assert process.returncode == 0, text[-3000:]
    assert runs_in([host / "m0.log"])[0][2] == "GPU-8"


@pytest.mark.parametrize(("runtime", "lock"), [("embedded", "processor"), ("nvidia", "gpu")])
def test_without_a_known_gpu_the_lock_is_the_runtime_s_one(host, monkeypatch, runtime, lock):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    fact = host / "runtime.json"
    fact.write_text(json.dumps(runtime))
    with measuring_device.measuring_device([str(fact)], "x.log") as device:
        assert device == {}
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
        assert not DeviceLock(lock).take("second.log")
    assert DeviceLock(lock).take("third.log")


def test_an_engine_without_a_passport_gets_no_device_and_leaves_it_free(host):
    fact, engine = host / "runtime.json", host / "m.engine"
    fact.write_text('"embedded"')
    engine.write_bytes(b"engine")
    with (
        pytest.raises(PassportError, match="no passport of"),
        measuring_device.measuring_device([str(fact)], "x.log", engine),
    ):
        pytest.fail("the job may not run")
    assert not engine.exists() and DeviceLock("processor").take("second.log")


@pytest.mark.parametrize(("count", "said"), [(1, ""), (2, "on NVIDIA L40S, index 0, GPU-0\n")])
def test_which_gpu_a_job_has_is_told_where_there_is_a_choice(host, monkeypatch, capsys, count, said):
    monkeypatch.setenv("FAKE_GPUS", "\n".join(f"{n}, GPU-{n}, {L40S}" for n in range(count)))
    fact = host / "runtime.json"
    fact.write_text('"nvidia"')
    # The context sets the variable; the test takes it back.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with measuring_device.measuring_device([str(fact)], "x.log") as device:
        assert device == {"device": "NVIDIA L40S, index 0, GPU-0"}
    assert capsys.readouterr().err == said


def test_gpu_of_a_killed_job_is_free_since_its_tool_ends_with_it(host):
    (host / "timed").write_text("#!/bin/sh\nexec sleep 300\n")
    process = start(host, "m0_b4.engine", gpus=1)
    log, lock = host / "logs/m0_b4.log", DeviceLock("GPU-0")
    assert eventually(lambda: log.is_file() and "# device: " in log.read_text())
    assert not lock.take("test.log")
    os.kill(lock.holder.process.pid, signal.SIGKILL)
    assert eventually(lambda: lock.take("test.log"))
    assert lock.dead.job == str(log)
    process.communicate()


def eventually(condition):
    """Return whether `condition` came true within half a minute."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_tool_inherits_the_lock(host):
    fact = host / "runtime.json"
    fact.write_text('"embedded"')
    script = host / "tool"
    script.write_text("#!/bin/sh\nls -l /proc/self/fd\n")
    script.chmod(0o755)
    with measuring_device.measuring_device([str(fact)], "x.log"):
        run_tool([str(script)], host / "tool.log", {})
    assert "processor.lock" in (host / "tool.log").read_text()
