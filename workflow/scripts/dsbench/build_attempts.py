"""The next attempts a failed engine build may make by itself: what they change is this build's command only."""

import re
import shutil
from pathlib import Path

from dsbench.doctor import OPTIMISATION_LEVEL, WORKSPACE, Fault, diagnose
from dsbench.tool_run import ToolFailedError, report_progress, run_tool

MOST_ATTEMPTS = 3
LEVEL = "--builderOptimizationLevel="
POOL = re.compile(r"^--memPoolSize=workspace:(\d+)(M?)$")
HEAD = "# attempt: "


def run_build(command: list[str], log: Path, facts: dict[str, str], timeout_s: float) -> list[str]:
    """Run the build `command`, again in another way where the fault is one that this may cure.

    Return the command that worked. The log of a failed attempt stays beside `log`, whose head says what was tried.
    """
    attempt, tried = 1, {}
    for number in range(1, MOST_ATTEMPTS):
        _kept(log, number).unlink(missing_ok=True)
    while True:
        try:
            run_tool(command, log, facts | tried, timeout_s=timeout_s)
            return command
        except ToolFailedError:
            fault = diagnose(log.read_text(errors="replace")) if log.is_file() else None
            changed = None if fault is None else next_command(command, fault)
            if changed is None or attempt == MOST_ATTEMPTS:
                raise
            kept = _kept(log, attempt)
            shutil.copyfile(log, kept)
            attempt, command = attempt + 1, changed
            tried = {
                "attempt": f"{attempt}, with {fault.next_attempt} after {fault.name}; the one before is {kept}"
            }
            report_progress(f"{fault.cause} Trying {fault.next_attempt}; the failed attempt's log is {kept}")


def _kept(log: Path, attempt: int) -> Path:
    return log.with_name(f"{log.stem}_attempt{attempt}.log")


def next_command(command: list[str], fault: Fault) -> list[str] | None:
    """Return `command` changed as `fault` allows, None where there is nothing left to try."""
    if fault.next_attempt == OPTIMISATION_LEVEL:
        return None if any(each.startswith(LEVEL) for each in command) else [*command, f"{LEVEL}2"]
    if fault.next_attempt == WORKSPACE:
        half = asked_workspace_mib(command) // 2
        return [POOL.sub(rf"--memPoolSize=workspace:{half}\2", each) for each in command]
    return None


def asked_workspace_mib(command: list[str]) -> int:
    """Return the builder workspace that `command` asks for, in MiB."""
    return next(int(found[1]) for found in map(POOL.match, command) if found)


def attempt_of(log: Path) -> str | None:
    """Return what made the engine of the build `log` another than the first attempt, None for a first one."""
    heads = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(HEAD)]
    return heads[0].removeprefix(HEAD) if heads else None
