"""The device a job measures on: its own for as long as it measures, among all users of this host."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dsbench.core.locks import DeviceLock
from dsbench.machine.gpu_devices import usable_gpus
from dsbench.machine.toolchain import read_fact
from dsbench.tools.core_share import keep_to_share
from dsbench.tools.tool_run import inherit, report_progress
from dsbench.trtexec.passport import built_with, check_passport, machine_facts

POLL_S = 0.2
REMIND_S = 60
PROCESSOR, ANY_GPU = "processor", "gpu"


@contextmanager
def measuring_device(
    fact_files: Sequence[str], log: str, engine: Path | None = None
) -> Iterator[dict[str, str]]:
    """Hold one device for the job whose log is `log`; yield the facts about it that the log's head states.

    With NVIDIA's tools that is the first free GPU of those CUDA may see, of the model `engine` was built with, and
    from here on the only one that CUDA sees; with the embedded ones it is the processor. Raises PassportError where
    `engine` is not one of this device and its tools.
    """
    runtime = next(read_fact(file) for file in fact_files if Path(file).stem == "runtime")
    gpus = usable_gpus(built_with(engine), str(engine)) if runtime == "nvidia" else []
    lone = PROCESSOR if runtime == "embedded" else ANY_GPU
    names = {gpu.uuid: gpu.told() for gpu in gpus} or {lone: f"the {lone}"}
    locks = {name: DeviceLock(name) for name in names}
    began = time.monotonic()
    taken = _first_free(locks, names, str(Path(log).resolve()))
    waited_s = time.monotonic() - began
    # Part of the step's wall time, and none of its work.
    facts = {"waited": f"{waited_s:.0f} s for {names[taken]}"} if waited_s >= 1 else {}
    keep_to_share(measures=True)
    try:
        with inherit(locks[taken].descriptor):
            if gpu := next((each for each in gpus if each.uuid == taken), None):
                os.environ["CUDA_VISIBLE_DEVICES"] = gpu.visible
                if len(gpus) > 1:
                    report_progress(f"on {gpu.told()}")
                facts["device"] = gpu.told()
            if engine is not None:
                check_passport(engine, machine_facts(fact_files))
            yield facts
    finally:
        keep_to_share(measures=False)
        locks[taken].release()


def _first_free(locks: dict[str, DeviceLock], names: dict[str, str], job: str) -> str:
    """Wait for one of the locks, saying who holds them; return the name of the one that is ours now."""
    said, said_at = None, 0.0
    while True:
        for name, lock in locks.items():
            if lock.take(job):
                if lock.dead is not None:
                    report_progress(f"taking over {names[name]}; its owner has ended: {lock.dead.told()}")
                return name
        holders = {name: lock.holder for name, lock in locks.items()}
        if holders != said or time.monotonic() - said_at > REMIND_S:
            said, said_at = holders, time.monotonic()
            for name, lock in locks.items():
                report_progress(f"waiting for {names[name]}, held by {_held_by(lock)}")
        time.sleep(POLL_S)


def _held_by(lock: DeviceLock) -> str:
    if lock.holder is None:
        return f"a process that does not say who it is ({lock.path})"
    ended = (
        "; that process has ended, something it started has not"
        if lock.holder.process.is_alive() is False
        else ""
    )
    return f"{lock.holder.told()}{ended}"
