"""Work without a GPU and the measurements of GPUs each keep to cores of their own, so that they can overlap."""

import os
from functools import cache

SHARE_WITHOUT_GPU = 4
VARIABLE = "CORES_WITHOUT_GPU"


def cores_without_gpu(kind: str, cores: int) -> int:
    """Return how many of a build's `cores` are left to work without a GPU while one is measured.

    None beside a measurement of the processor, and of a single core; else a quarter, at least one.
    """
    return 0 if kind == "embedded" or cores < 2 else max(cores // SHARE_WITHOUT_GPU, 1)


def measuring_threads(kind: str, cores: int, gpus: int) -> int:
    """Return the cores that a job on a device occupies: all, or what each of the GPUs has of the others' rest."""
    if kind == "embedded":
        return cores
    return max((cores - cores_without_gpu(kind, cores)) // max(gpus, 1), 1)


def announce_share(cores: int) -> None:
    """Tell every job of this call how many cores are for work without a GPU, which keeps off those that feed one."""
    os.environ[VARIABLE] = str(cores)


def keep_to_share(measures: bool) -> None:
    """Let this process and what it starts use the cores for measurements, or only the others.

    How many others there are is in the variable CORES_WITHOUT_GPU; without it all cores are everybody's. Libraries
    that start a thread for each core are held by this too, as they would not be by a number of threads.
    """
    others = int(os.environ.get(VARIABLE, "0"))
    everyone = _all_cores() if others else []
    if 0 < others < len(everyone):
        os.sched_setaffinity(0, everyone[:-others] if measures else everyone[-others:])


def use_every_core() -> None:
    """Let this process and what it starts use all cores again, as where a fact of the whole machine is asked for."""
    os.sched_setaffinity(0, _all_cores())


@cache
def _all_cores() -> list[int]:
    """Return the cores that this process was given, before it kept to some of them."""
    return sorted(os.sched_getaffinity(0))
