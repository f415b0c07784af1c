"""The GPUs that a CUDA program started here may see, in its order, as nvidia-smi names them."""

import os
import re
from dataclasses import dataclass, replace

from dsbench.core.errors import BuildError
from dsbench.machine.host import output_of

QUERY = "index,uuid,name,compute_cap,memory.total"


class GpuChoiceError(BuildError):
    """No GPU here that a job may use."""


@dataclass(frozen=True)
class Gpu:
    """One GPU: `kind` is its model as the fact `gpu` names it, `visible` the word that shows CUDA this one alone.

    `mig` is the profile of the instance where `visible` is one of MIG's, None for a whole GPU.
    """

    index: int
    uuid: str
    kind: str
    visible: str
    mig: str | None = None

    def told(self) -> str:
        """Return which GPU this is, for logs and people."""
        part = f", MIG {self.mig} ({self.visible})" if self.mig else ""
        return f"{self.kind.partition(',')[0]}, index {self.index}, {self.uuid}{part}"


def visible_gpus() -> list[Gpu]:
    """Return the GPUs that CUDA would show, in order; none where nvidia-smi knows none.

    Raise GpuChoiceError where CUDA_VISIBLE_DEVICES leaves none, or does not say which.
    """
    listed = output_of(["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]) or ""
    known = [_gpu(row.strip()) for row in listed.splitlines() if row.strip()]
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None or not known:
        return known
    if len(known) > 1 and re.search(r"(^|,)\s*\d", named):
        _check_order(named)
    found: list[Gpu] = []
    for word in map(str.strip, named.split(",")):
        gpu = _named(word, known)
        # CUDA takes what is before the first word that names nothing.
        if gpu is None:
            break
        found.append(gpu)
    if not found:
        raise GpuChoiceError(
            f"CUDA_VISIBLE_DEVICES is '{named}', which names none of this host's GPUs ({_list(known)}); unset it,"
            " or name one by number or UUID"
        )
    return found


def gpu_in_use() -> list[str] | None:
    """Return the model of the GPU that CUDA takes first, as the fact `gpu` names it; None where there is none."""
    found = visible_gpus()
    return [found[0].kind] if found else None


def usable_gpus(built_with: str | None, engine: str | None) -> list[Gpu]:
    """Return the visible GPUs of the model the engine was built with, without an engine of the first one's model.

    A build measured on several models would have numbers that cannot be compared.
    """
    found = visible_gpus()
    if not found:
        return []
    kind = built_with or found[0].kind
    if matching := [gpu for gpu in found if gpu.kind == kind]:
        return matching
    raise GpuChoiceError(
        f"{engine}: was built with {kind}, but the GPUs that may be used here are {_list(found)}; let"
        " CUDA_VISIBLE_DEVICES name one of its model, or delete the engine and run the same command again"
    )


def _gpu(row: str) -> Gpu:
    index, uuid, kind = row.split(", ", 2)
    return Gpu(int(index), uuid, kind, uuid)


def _named(word: str, known: list[Gpu]) -> Gpu | None:
    if word.isdecimal():
        gpu = next((each for each in known if each.index == int(word)), None)
    elif word.startswith("MIG-"):
        return _mig_instance(word, known)
    else:
        gpu = next((each for each in known if word and each.uuid.startswith(word)), None)
    # CUDA knows a GPU by the first letters of its UUID, NVML only by all of them.
    return gpu and replace(gpu, visible=word if word.isdecimal() else gpu.uuid)


def _mig_instance(word: str, known: list[Gpu]) -> Gpu | None:
    """Return the GPU with the MIG instance `word`, as `nvidia-smi -L` lists instances below their GPUs."""
    parent = None
    for line in (output_of(["nvidia-smi", "-L"]) or "").splitlines():
        if gpu := re.match(r"GPU \d+: .*\(UUID: (GPU-\S+)\)", line):
            parent = next((each for each in known if each.uuid == gpu[1]), None)
        instance = re.match(r"\s+MIG (\S+)\s.*\(UUID: (MIG-\S+)\)", line)
        if instance and parent and instance[2].startswith(word):
            # Engines and numbers of a slice are not those of the whole.
            kind = f"{parent.kind}, MIG {instance[1]}"
            return replace(parent, kind=kind, visible=instance[2], mig=instance[1])
    return None


def _check_order(named: str) -> None:
    if (order := os.environ.get("CUDA_DEVICE_ORDER")) != "PCI_BUS_ID":
        raise GpuChoiceError(
            f"CUDA_VISIBLE_DEVICES is '{named}' and CUDA_DEVICE_ORDER {order or 'not set'}, so the numbers are not"
            " nvidia-smi's; set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by their UUIDs"
        )


def _list(gpus: list[Gpu]) -> str:
    return "; ".join(gpu.told() for gpu in gpus)
