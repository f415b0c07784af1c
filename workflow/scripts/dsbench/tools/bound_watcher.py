"""A program beside a job that ends it at its bounds on time, and says why; it needs Python's own library alone.

Arguments: the job's process, its log, the bound on wall time in seconds, the files of the allowance and of the pipe
from the job, and the sentence for a job that ended without a word.
"""

import os
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from mmap import mmap

INTERVAL_S = 0.1
# The processor time in seconds at which the job ends, and how long the text is that says what it does until then.
HEAD = struct.Struct("dI")
ALLOWANCE_BYTES = 4096
ENDLESS = float("inf")
# The job writes it as its last word.
DONE = b"."


def processor_s(pid: int) -> float:
    """Return the processor time that a process has used in all its threads, 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
    except (OSError, ValueError):
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def why_ended(pid: int, longest_s: float, allowance: mmap, pipe: int, unsaid: str) -> str | None:
    """Wait for the job and return why it must end, or did; None where it said its last word."""
    ends = time.monotonic() + longest_s
    while True:
        if select.select([pipe], [], [], INTERVAL_S)[0]:
            return None if os.read(pipe, 1) == DONE else unsaid
        at_most, length = HEAD.unpack_from(allowance)
        if at_most < ENDLESS and processor_s(pid) > at_most:
            what = allowance[HEAD.size : HEAD.size + length].decode(errors="replace")
            return (
                f"{what} did not end within its bound of processor time and was stopped; export the model without a"
                " loop that has no end"
            )
        if time.monotonic() > ends:
            return f"the job did not end within {longest_s:g} s and was stopped"


def main(pid: str, log: str, longest_s: str, allowance: str, pipe: str, unsaid: str) -> None:
    """Watch the job; print the sentence, and append it to the log, where it ended otherwise than by itself."""
    # What ends the whole call needs no sentence.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    shared = mmap(int(allowance), ALLOWANCE_BYTES)
    found = why_ended(int(pid), float(longest_s), shared, int(pipe), unsaid)
    if found is None:
        return
    print(f"\nERROR {log}: {found}\n", file=sys.stderr, flush=True)
    with suppress(OSError), open(log, "a", encoding="utf-8") as stream:
        stream.write(f"ERROR {log}: {found}\n")
    with suppress(ProcessLookupError):
        os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
