"""Bounds on a job that runs somebody else's graph: memory, size of files, processor time of each run, wall time."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path

from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.core.secret_words import environment_without_tokens
from dsbench.tools import bound_watcher
from dsbench.tools.bound_watcher import ALLOWANCE_BYTES, DONE, ENDLESS, HEAD

LONGEST_JOB_S = 3600.0
# An ONNX has 2 GiB at most, a reference the answers of three images.
LARGEST_FILE_BYTES = 16 << 30
MOST_OF_TEXT = 512
MORE_MEMORY = "where the model needs more, state it with --set-resources RULE:mem_mb=MIB"
ENDED_UNSAID = (
    "the job was ended by a signal: its {memory_mib} MiB of memory are too little, or a library cannot bear the model;"
    f" {MORE_MEMORY}"
)
# Shared with the watcher, where there is one.
_allowance_file = os.memfd_create("allowance")
os.ftruncate(_allowance_file, ALLOWANCE_BYTES)
_allowance = mmap(_allowance_file, ALLOWANCE_BYTES)
HEAD.pack_into(_allowance, 0, ENDLESS, 0)


class BoundError(BuildError):
    """A job that met its bound of memory."""


@contextmanager
def processor_time(seconds: float, what: str) -> Iterator[None]:
    """Allow a bounded job so many seconds of processor time for this block; `what` it does stands in the sentence."""
    before = _allowance[:]
    said = what.encode()[:MOST_OF_TEXT]
    _allowance[HEAD.size : HEAD.size + len(said)] = said
    HEAD.pack_into(_allowance, 0, time.process_time() + seconds, len(said))
    try:
        yield
    finally:
        _allowance[:] = before


@contextmanager
def bounded(log: Path, memory_mib: int, longest_s: float = LONGEST_JOB_S) -> Iterator[None]:
    """Let this process have `memory_mib` of memory, and be ended at its bounds on time, with a sentence in `log`.

    The kernel refuses it more memory, and a program beside it watches the time: a library that does not come back
    lets no thread of its own process run.
    """
    limits = {kind: resource.getrlimit(kind) for kind in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE)}
    reading, writing = os.pipe()
    words = ENDED_UNSAID.format(memory_mib=memory_mib)
    numbers = map(str, (longest_s, _allowance_file, reading))
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", bound_watcher.__file__, str(os.getpid()), str(log), *numbers, words],
        pass_fds=(_allowance_file, reading),
        env=environment_without_tokens(),
    )
    os.close(reading)
    for kind, most in (
        (resource.RLIMIT_DATA, memory_mib * MIB_BYTES),
        (resource.RLIMIT_FSIZE, LARGEST_FILE_BYTES),
    ):
        hard = limits[kind][1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    try:
        yield
    finally:
        for kind, before in limits.items():
            resource.setrlimit(kind, before)
        os.write(writing, DONE)
        os.close(writing)
        watcher.wait()
