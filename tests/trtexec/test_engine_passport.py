import json
import re
from pathlib import Path

import pytest

from declared_rules import declared_rules
from dsbench.core.errors import BuildError
from dsbench.core.files import sha256_of
from dsbench.trtexec.build_log import read_build
from dsbench.trtexec.passport import (
    PassportError,
    check_passport,
    machine_facts,
    make_passport,
    passport_of,
    write_passport,
)
from workflow_run import PROJECT

FAKES = Path(__file__).parents[1] / "fakes"
LOG = Path(__file__).parents[1] / "data/trtexec_8.6_build_b8.log"
# The device of a job with its engine: measuring_device() checks the passport then.
CHECKED = re.compile(r"\bmeasuring_device\([^)]*, engine\)")
MACHINE = {
    "runtime": "nvidia",
    "trtexec": {"version": "8.6.1"},
    "driver": "595.58.03",
    "cuda": "13.2",
    "gpu": ["NVIDIA L40S, 8.9, 46068 MiB"],
}


@pytest.fixture
def engine(tmp_path):
    for name in ("m.engine", "m.onnx", "timing.cache"):
        (tmp_path / name).write_bytes(name.encode())
    engine = tmp_path / "m.engine"
    parts = (
        tmp_path / "m.onnx",
        tmp_path / "timing.cache",
        ["--fp16"],
        read_build(LOG),
        {"conv1": "fp16"},
        MACHINE,
    )
    write_passport(engine, make_passport(engine, *parts))
    return engine


def test_passport_says_from_what_by_what_and_where(engine):
    passport = json.loads(passport_of(engine).read_text())
    assert passport_of(engine).name == "m.engine.json"
    assert passport["engine"] == {"file": str(engine), "bytes": 8, "sha256": sha256_of(engine)}
    assert passport["onnx"]["sha256"] == sha256_of(engine.parent / "m.onnx")
    assert passport["timing_cache"]["sha256"] == sha256_of(engine.parent / "timing.cache")
    assert (passport["gpu"], passport["compute_capability"]) == ("NVIDIA L40S", "8.9")
    assert passport["machine"] == MACHINE
    assert passport["flags"] == ["--fp16"] and passport["layers"] == {"conv1": "fp16"}
    assert passport["profile"] == {"min": "1x3x640x640", "opt": "8x3x640x640", "max": "8x3x640x640"}
    assert (passport["build_s"], passport["peak_memory_mib"]) == (61.0432, {"cpu": 13, "gpu": 398})


def test_engine_runs_where_it_was_built(engine):
    loader = {"deepstream": {"version": "7.0", "tensorrt": "8.6.1"}}
    assert check_passport(engine, MACHINE | loader).precision == "FP32+FP16"


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (
            {"driver": "600.1"},
            "built with driver 595.58.03, this machine has 600.1; delete .*m.engine and run",
        ),
        ({"gpu": ["NVIDIA H100 PCIe, 9.0, 81559 MiB"]}, "built with gpu .*L40S.*this machine has .*H100"),
        ({"gpu": None}, "this machine has null"),
        ({"trtexec": {"version": "10.3.0"}}, r"built with trtexec .*8\.6\.1.*this machine has .*10\.3\.0"),
        ({"runtime": "embedded"}, "built with runtime nvidia, this machine has embedded"),
        (
            {"deepstream": {"version": "7.1", "tensorrt": "10.3.0"}},
            r"of TensorRT 8\.6\.1, DeepStream loads TensorRT 10",
        ),
    ],
)
def test_engine_that_does_not_fit_the_machine_is_one_sentence(engine, now, says):
    with pytest.raises(BuildError, match=says) as error:
        check_passport(engine, MACHINE | now)
    assert "\n" not in str(error.value)


def test_engine_without_its_passport_or_with_another_ones_is_refused(engine):
    kept = engine.with_name("m.engine.refused")
    engine.write_bytes(b"M.ENGINE")
    with pytest.raises(
        PassportError, match=r"the passport of another file than .*kept as m\.engine\.refused"
    ):
        check_passport(engine, MACHINE)
    # The next call builds it, whatever its date was.
    assert not engine.exists() and kept.read_bytes() == b"M.ENGINE"
    kept.rename(engine)
    for unreadable in ("", "[]", "{", "{}"):
        passport_of(engine).write_text(unreadable)
        with pytest.raises(PassportError, match=r"is no passport of .*m\.engine\.refused"):
            check_passport(engine, MACHINE)
        kept.rename(engine)


def test_gpu_facts_are_those_of_the_machine_that_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{FAKES}:/usr/bin:/bin")
    files = [tmp_path / f"{name}.json" for name in ("driver", "gpu", "trtexec")]
    for file, value in zip(files, ("500.1", ["old, 7.0, 1 MiB"], {"version": "8.6.1"}), strict=True):
        file.write_text(json.dumps(value))
    found = machine_facts([str(file) for file in files])
    assert found["driver"] != "500.1" and "old" not in found["gpu"][0]
    assert found["trtexec"] == {"version": "8.6.1"}
    files[0].write_text("null")
    assert machine_facts([str(files[0])]) == {"driver": None}


def test_every_script_that_runs_an_engine_checks_its_passport():
    # The one makes an engine, the other needs none.
    without = {"build_engine", "measure_decoding"}
    scripts = {
        rule.script for rule in declared_rules("nvidia") if rule.needs_gpu and rule.name not in without
    }
    assert "record_video" in scripts and "benchmark_streams" in scripts
    missing = [
        name
        for name in sorted(scripts)
        if not CHECKED.search((PROJECT / f"workflow/scripts/{name}.py").read_text())
    ]
    assert missing == []
