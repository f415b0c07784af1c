"""A job ends with the Snakemake process that started it, so that none measures beside the next call's jobs."""

import ctypes
import os
import signal
import sys
import time
from threading import Thread

import psutil

from dsbench.process_identity import ProcessIdentity, session_of

VARIABLE = "DSBENCH_CALLER"
INTERVAL_S = 0.2
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def announce_caller() -> None:
    """Name this process as the one whose jobs end with it."""
    os.environ[VARIABLE] = ProcessIdentity.own().text()


def end_with_caller() -> None:
    """From now on end this process, and all that it started, as soon as its Snakemake process is gone."""
    caller = ProcessIdentity.parse(os.environ.get(VARIABLE, ""))
    if caller is None or caller.is_alive() is None:
        return
    if not caller.is_alive():
        _end()
    Thread(target=_watch, args=(caller,), daemon=True).start()


def die_with_parent() -> None:
    """Between fork and exec: the kernel ends this process when the one that forked it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def descendants(pid: int) -> set[int]:
    """Return the processes that `pid` started, that those started, and the members of their sessions."""
    relatives = {
        each.pid: {each.info["ppid"], session_of(each.pid)} for each in psutil.process_iter(["ppid"])
    }
    family: set[int] = set()
    while grown := {child for child, of in relatives.items() if of & (family | {pid})} - family - {pid}:
        family |= grown
    return family


def _watch(caller: ProcessIdentity) -> None:
    while caller.is_alive():
        time.sleep(INTERVAL_S)
    _end()


def _end() -> None:
    print("ended, since the snakemake call that started this job is gone", file=sys.stderr, flush=True)
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    os.kill(os.getpid(), signal.SIGKILL)
