import importlib.util
import json
from pathlib import Path

import psutil
import pytest

from dsbench.core.errors import BuildError
from dsbench.tools import run_samples
from dsbench.trtexec.command import free_gpu_memory_mib, workspace_mib

FAKES = Path(__file__).parents[1] / "fakes"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setenv("PATH", f"{FAKES}:/usr/bin:/bin")

    def free(mib):
        monkeypatch.setenv("FAKE_FREE_MIB", str(mib))

    return free


def test_number_in_the_config_is_taken_as_it_is(gpu):
    gpu(100)
    assert workspace_mib(4096) == 4096


def test_null_is_half_of_what_is_free(gpu):
    gpu(44101)
    assert workspace_mib(None) == 22050


@pytest.mark.parametrize(
    ("free", "says"), [(511, "the GPU has 511 MiB free"), ("[Unknown Error]", "nvidia-smi does not say")]
)
def test_gpu_with_nothing_free_is_a_sentence(gpu, free, says):
    gpu(free)
    with pytest.raises(BuildError, match=says):
        workspace_mib(None)


def test_a_gpu_without_memory_of_its_own_has_the_hosts(gpu):
    gpu("[N/A]")
    available = psutil.virtual_memory().available // 2**20
    assert abs(free_gpu_memory_mib() - available) < available / 2


def test_a_mig_instance_is_asked_by_nvml(monkeypatch):
    spec = importlib.util.spec_from_file_location("fake_pynvml", FAKES / "nvml/pynvml.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(run_samples, "pynvml", module)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-a")
    values = {"mig": {"MIG-a": []}, "total": 20 * 2**30, "used": 5 * 2**30}
    monkeypatch.setenv("FAKE_NVML", json.dumps(values))
    assert free_gpu_memory_mib() == 15 * 1024
    monkeypatch.setattr(run_samples, "pynvml", None)
    assert free_gpu_memory_mib() is None


def test_the_gpu_asked_is_the_first_that_cuda_may_see(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "-i GPU-b" ] && echo 700 || echo 900\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b,GPU-a")
    assert free_gpu_memory_mib() == 700
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert free_gpu_memory_mib() == 900
