"""Which GPUs a job may use, by nvidia-smi's list, CUDA's variables and the engine."""

from pathlib import Path

import pytest

from dsbench.machine.gpu_devices import GpuChoiceError, gpu_in_use, usable_gpus, visible_gpus

FAKES = Path(__file__).parents[1] / "fakes"
L40S, T4 = "NVIDIA L40S, 8.9, 46068 MiB", "Tesla T4, 7.5, 15360 MiB"
HOST = f"0, GPU-aa, {T4}\n1, GPU-bb, {L40S}\n2, GPU-cc, {L40S}"
MIG = """GPU 0: Tesla T4 (UUID: GPU-aa)
GPU 1: NVIDIA L40S (UUID: GPU-bb)
  MIG 3g.20gb     Device  0: (UUID: MIG-b0)
  MIG 1g.5gb      Device  1: (UUID: MIG-b1)
GPU 2: NVIDIA L40S (UUID: GPU-cc)
"""


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """Three GPUs of two models, counted as nvidia-smi counts them."""
    monkeypatch.setenv("PATH", f"{FAKES}:/usr/bin:/bin")
    monkeypatch.setenv("FAKE_GPUS", HOST)
    monkeypatch.setenv("FAKE_MIG", MIG)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("named", "indices", "words"),
    [
        (None, [0, 1, 2], ["GPU-aa", "GPU-bb", "GPU-cc"]),
        ("2,0", [2, 0], ["2", "0"]),
        ("GPU-b", [1], ["GPU-bb"]),
        ("1,7,0", [1], ["1"]),
        ("MIG-b1, GPU-cc", [1, 2], ["MIG-b1", "GPU-cc"]),
    ],
)
def test_visible_gpus_are_those_cuda_would_show(monkeypatch, named, indices, words):
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    found = visible_gpus()
    assert ([gpu.index for gpu in found], [gpu.visible for gpu in found]) == (indices, words)


@pytest.mark.parametrize("named", ["", "-1", "7", "GPU-zz", "MIG-zz"])
def test_variable_that_leaves_no_gpu_is_one_sentence(monkeypatch, named):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    with pytest.raises(
        GpuChoiceError, match=f"'{named}', which names none of this host's GPUs .*index 2, GPU-cc"
    ):
        visible_gpus()


def test_number_that_may_be_another_gpu_s_is_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    with pytest.raises(GpuChoiceError, match="set CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        visible_gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bb")
    assert gpu_in_use() == [L40S]


def test_instance_of_mig_is_its_gpu_s(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-b0")
    (gpu,) = visible_gpus()
    assert (gpu.uuid, gpu.mig) == ("GPU-bb", "3g.20gb")
    assert gpu_in_use() == [f"{L40S}, MIG 3g.20gb"]
    assert gpu.told() == "NVIDIA L40S, index 1, GPU-bb, MIG 3g.20gb (MIG-b0)"


def test_build_takes_the_first_one_s_model_and_a_run_the_engine_s(monkeypatch):
    assert [gpu.index for gpu in usable_gpus(None, None)] == [0]
    assert [gpu.index for gpu in usable_gpus(L40S, "m.engine")] == [1, 2]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,1")
    assert [gpu.index for gpu in usable_gpus(None, None)] == [2, 1]


def test_engine_of_no_gpu_here_is_one_sentence(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(
        GpuChoiceError, match=r"m\.engine: was built with NVIDIA L40S.* used here are Tesla T4"
    ) as found:
        usable_gpus(L40S, "m.engine")
    assert "\n" not in str(found.value)


def test_host_without_nvidia_smi_has_none(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert visible_gpus() == [] and gpu_in_use() is None
