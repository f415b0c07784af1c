"""Run a measuring tool: its output goes to a log as it comes, its exit status is never lost."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from dsbench.caller import die_with_parent
from dsbench.errors import BuildError
from dsbench.run_samples import HEAD, Sampler
from dsbench.watchdog import Watchdog, end_group

INTERRUPT_GRACE_S = 30
ENDED = "# ended: "
# The new stream muxer ignores the size that every box refers to.
ENVIRONMENT = {"GST_DEBUG_NO_COLOR": "1", "USE_NEW_NVSTREAMMUX": "no"}
_inherited: list[int] = []


class ToolFailedError(BuildError):
    """A tool that could not be started, did not exit 0, or did not end in time."""


@contextmanager
def inherit(descriptor: int) -> Iterator[None]:
    """Let the tools that are run meanwhile inherit the file descriptor, with the lock it holds."""
    _inherited.append(descriptor)
    try:
        yield
    finally:
        _inherited.remove(descriptor)


def write_head(log, command: list[str], facts: dict[str, str], config: Path | None = None) -> None:
    """Write the command line, the facts it ran under and the configuration it used, as comment lines."""
    log.write(f"# command: {shlex.join(command)}\n")
    for name, value in facts.items():
        log.write(f"# {name}: {value}\n")
    if config is not None:
        log.write(f"# configuration: {config}\n")
        for line in config.read_text().splitlines():
            log.write(f"#   {line}\n")
    log.flush()


def run_tool(
    command: list[str],
    log_path: Path,
    facts: dict[str, str],
    config: Path | None = None,
    timeout_s: float = 3600,
    stop_when: Callable[[str], bool] | None = None,
) -> float:
    """Run `command`, write its output below a head to `log_path`, return the wall time in seconds.

    `stop_when` sees each line; once it returns True the tool gets SIGINT and must still exit 0.
    Standard input stays open: deepstream-app reads a closed one as an endless row of key presses.
    What the machine did meanwhile is in `{log}.samples.json` and, summed up, in the log's last lines.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    sampler = Sampler(log_path.with_suffix(".samples.json"))
    started = time.monotonic()
    with log_path.open("w", buffering=1) as log:
        write_head(log, command, facts, config)
        process = _start(command)
        sampler.start(process.pid)
        watchdog = Watchdog(process)
        watchdog.allow(
            timeout_s,
            f"was stopped after {timeout_s:g} s without finishing; its last lines say how far it came",
        )
        try:
            _follow(process, log, sampler, watchdog, stop_when)
            status = process.wait(INTERRUPT_GRACE_S)
        except subprocess.TimeoutExpired:
            raise ToolFailedError(
                f"{log_path}: {command[0]} did not end within {INTERRUPT_GRACE_S} s after its output closed;"
                " run the same command again"
            ) from None
        finally:
            watchdog.cancel()
            end_group(process)
            _write_samples(log, sampler.stop())
            log.write(f"{ENDED}{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")
    if watchdog.verdict is not None:
        raise ToolFailedError(f"{log_path}: {command[0]} {watchdog.verdict}")
    if status != 0:
        raise ToolFailedError(
            f"{log_path}: {command[0]} ended with {status_name(status)}{_last_words(log_path)}"
        )
    return time.monotonic() - started


def ended_utc(log_path: Path) -> str:
    """Return when the tool whose log this is ended, in UTC."""
    last = log_path.read_text(errors="replace").rstrip().rpartition("\n")[2]
    if not last.startswith(ENDED):
        raise BuildError(
            f"{log_path}: its last line is {last[:80]!r}, expected '{ENDED}' and a time; measure again"
        )
    return last.removeprefix(ENDED)


def _start(command: list[str]) -> subprocess.Popen:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=_inherited,
            # One system call: no lock that another thread holds can stop it.
            preexec_fn=die_with_parent,  # noqa: PLW1509
            env=os.environ | ENVIRONMENT,
        )
    except OSError as error:
        raise ToolFailedError(
            f"{command[0]}: cannot be started ({error.strerror}); is it installed?"
        ) from None


def _follow(
    process: subprocess.Popen,
    log,
    sampler: Sampler,
    watchdog: Watchdog,
    stop_when: Callable[[str], bool] | None,
) -> None:
    stopping = False
    for line in process.stdout:
        log.write(line)
        sampler.see(line)
        if stop_when is not None and not stopping and stop_when(line):
            stopping = True
            process.send_signal(signal.SIGINT)
            watchdog.allow(
                INTERRUPT_GRACE_S,
                f"went on for {INTERRUPT_GRACE_S:g} s after SIGINT and was killed; run the same command again",
            )


def _write_samples(log, summary: dict | None) -> None:
    if summary is not None:
        log.write(f"{HEAD}{json.dumps(summary)}\n")


def status_name(status: int) -> str:
    """Return a process's exit status in words, a negative one as the signal that ended it."""
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").splitlines()
    telling = [
        line
        for line in lines
        # Our own SIGINT is no cause.
        if ("[E]" in line or line.startswith(("ERROR", "** ERROR"))) and "User Interrupted" not in line
    ]
    if telling:
        return f": {telling[0].strip()}"
    said = [line for line in lines if line.strip() and not line.startswith("#")]
    return f": {said[-1].strip()}" if said else " and printed nothing"


def report_progress(text: str) -> None:
    """Print one progress line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)
