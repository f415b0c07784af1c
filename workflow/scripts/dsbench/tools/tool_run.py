"""Run a tool: it ends with its caller and at its time limit, its output goes to a log as it comes."""

import ctypes
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock, Thread, Timer
from typing import TextIO

import psutil

from dsbench.core.errors import BuildError, without_controls
from dsbench.core.process_identity import ProcessIdentity, session_of
from dsbench.core.records import as_json
from dsbench.core.secret_words import environment_without_tokens, without_tokens
from dsbench.tools.run_samples import HEAD, Sampler, SampleSummary

VARIABLE = "DSBENCH_CALLER"
INTERVAL_S = 0.2
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
INTERRUPT_GRACE_S = 30
LONGEST_LINE = 1 << 16
# Some programs close every number up to the limit when they start a child, which takes long where there is no limit.
MOST_FILES = 65536
ENDED = "# ended: "
# The new stream muxer ignores the size that every box refers to.
ENVIRONMENT = {"GST_DEBUG_NO_COLOR": "1", "USE_NEW_NVSTREAMMUX": "no"}
# Where these are set, deepstream-app prints a line for each frame that comes to a sink, and one for each component
# before.
LATENCY_VARIABLES = ("NVDS_ENABLE_LATENCY_MEASUREMENT", "NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT")
# The first would take nvinfer's lines out of the log; the others would print lines for every frame that is counted.
LEFT_OUT = ("GST_DEBUG_FILE", *LATENCY_VARIABLES)
_inherited: list[int] = []


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
    """Between fork and exec: the kernel ends this process when the one that forked it ends.

    What a script runs in its background ignores SIGINT, with which a tool is asked to stop: here it counts again.
    """
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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


class Watchdog:
    """Kills a tool and its process group once the time it is allowed is over; `verdict` then says so."""

    def __init__(self, process: subprocess.Popen):
        self.verdict: str | None = None
        self._process = process
        self._timer: Timer | None = None

    def allow(self, seconds: float, verdict: str) -> None:
        """From now on allow `seconds`, in place of what was allowed before."""
        self.cancel()
        self._timer = Timer(seconds, self._expire, (verdict,))
        self._timer.start()

    def cancel(self) -> None:
        """Allow the tool all the time it needs."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self, verdict: str) -> None:
        self.verdict = verdict
        end_group(self._process)


def end_group(process: subprocess.Popen) -> None:
    """Kill the process group of a tool: it may have left children behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class ToolFailedError(BuildError):
    """A tool that could not be started, did not exit 0, or did not end in time."""


class ToolTimeoutError(ToolFailedError):
    """A tool that did not end in time, which says nothing against what it was asked for."""


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
    grace_s: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> float:
    """Run `command`, write its output below a head to `log_path`, return the wall time in seconds.

    The tool gets `environment` beside what all tools get. `stop_when` sees each line of standard output; once it
    returns True the tool gets SIGINT, and must exit 0 within `grace_s`, half a minute where that is not given.
    Standard input stays open: deepstream-app reads a closed one as an endless row of key presses.
    What the machine did meanwhile is in `{log}.samples.json` and, summed up, in the log's last lines.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    grace_s = INTERRUPT_GRACE_S if grace_s is None else grace_s
    sampler = Sampler(log_path.with_suffix(".samples.json"))
    started = time.monotonic()
    with log_path.open("w", buffering=1) as log:
        write_head(log, command, facts, config)
        process = _start(command, environment or {})
        sampler.start(process.pid)
        watchdog = Watchdog(process)
        watchdog.allow(
            timeout_s,
            f"was stopped after {timeout_s:g} s without finishing; its last lines say how far it came",
        )
        try:
            _follow(process, log, sampler, _stopper(process, sampler, watchdog, stop_when, grace_s))
            status = process.wait(grace_s)
        except subprocess.TimeoutExpired:
            raise ToolFailedError(
                f"{log_path}: {command[0]} did not end within {grace_s:g} s after its output closed;"
                " run the same command again"
            ) from None
        finally:
            watchdog.cancel()
            end_group(process)
            _write_samples(log, sampler.stop())
            log.write(f"{ENDED}{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n")
    _check_end(command[0], log_path, watchdog.verdict, status)
    return time.monotonic() - started


def _check_end(program: str, log_path: Path, verdict: str | None, status: int) -> None:
    """Refuse a tool that was stopped, for the reason in `verdict`, or that did not exit 0."""
    if verdict is not None:
        raise ToolTimeoutError(f"{log_path}: {program} {verdict}")
    if status == -signal.SIGXCPU:
        raise ToolTimeoutError(
            f"{log_path}: {program} was stopped at its bound of processor time, before the model's graph had answered"
            " once; export the model without a loop that has no end"
        )
    if status != 0:
        raise ToolFailedError(
            f"{log_path}: {program} ended with {status_name(status)}{_last_words(log_path)}"
        )


def ended_utc(log_path: Path) -> str:
    """Return when the tool whose log this is ended, in UTC."""
    last = log_path.read_text(errors="replace").rstrip().rpartition("\n")[2]
    if not last.startswith(ENDED):
        raise BuildError(
            f"{log_path}: its last line is {last[:80]!r}, expected '{ENDED}' and a time; measure again"
        )
    return last.removeprefix(ENDED)


def _allow_many_files() -> None:
    """Let this process and its children open as many files as they may: each stream of a run needs several."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _start(command: list[str], environment: Mapping[str, str]) -> subprocess.Popen:
    _allow_many_files()
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # On one pipe a line of a library cuts the row that the app is printing.
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=_inherited,
            # One system call: no lock that another thread holds can stop it.
            preexec_fn=die_with_parent,  # noqa: PLW1509
            env={name: value for name, value in environment_without_tokens().items() if name not in LEFT_OUT}
            | ENVIRONMENT
            | dict(environment),
        )
    except OSError as error:
        raise ToolFailedError(
            f"{command[0]}: cannot be started ({error.strerror}); is it installed?"
        ) from None


def _stopper(
    process: subprocess.Popen,
    sampler: Sampler,
    watchdog: Watchdog,
    stop_when: Callable[[str], bool] | None,
    grace_s: float,
) -> Callable[[str], None]:
    """Return what sees each line, and interrupts the tool once at the line of which `stop_when` says so."""
    is_stopping = False

    def see(line: str) -> None:
        nonlocal is_stopping
        if stop_when is None or is_stopping or not stop_when(line):
            return
        is_stopping = True
        sampler.end_measuring()
        process.send_signal(signal.SIGINT)
        watchdog.allow(
            grace_s,
            f"went on for {grace_s:g} s after SIGINT and was killed; its last lines say how far it came, run the same"
            " command again",
        )

    return see


def _follow(process: subprocess.Popen, log, sampler: Sampler, stop: Callable[[str], None]) -> None:
    """Copy both outputs to `log`, line by line, until they are closed."""
    turn = Lock()

    def write(line: str) -> None:
        with turn:
            log.write(line)

    def copy_errors() -> None:
        for line in process.stderr or ():
            write(line)

    errors = Thread(target=copy_errors, daemon=True)
    errors.start()
    for line in process.stdout or ():
        write(line)
        sampler.see(line)
        stop(line)
    errors.join()


def _write_samples(log, summary: SampleSummary | None) -> None:
    if summary is not None:
        log.write(f"{HEAD}{json.dumps(as_json(summary))}\n")


def run_in_time(
    command: list[str], output: TextIO, timeout_s: float, environ: dict[str, str], folder: Path | None = None
) -> str | int:
    """Return the exit status of a program, or in words that it did not end in time.

    What it prints goes to `output` as it comes, without tokens and logins: programs that fetch quote their addresses.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
        env=environ,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509
    )

    def copy() -> None:
        while process.stdout and (line := process.stdout.readline(LONGEST_LINE)):
            output.write(without_tokens(line))
            output.flush()

    copier = Thread(target=copy, daemon=True)
    copier.start()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return f"no answer after {timeout_s:g} s"
    finally:
        # What it left behind holds the pipe.
        end_group(process)
        copier.join(INTERRUPT_GRACE_S)


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
    shown = "\n".join(map(without_controls, without_tokens(text).split("\n")))
    print(shown, file=sys.stderr, flush=True)
