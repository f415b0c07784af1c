"""Build and measure engines with trtexec; an artefact exists only when everything about it agrees."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import copy_whole
from dsbench.machine.toolchain import Trtexec
from dsbench.tools.disturbed_run import measure_again_if_disturbed
from dsbench.tools.doctor import OPTIMISATION_LEVEL, WORKSPACE, Fault, diagnose
from dsbench.tools.tool_run import ToolFailedError, ToolTimeoutError, report_progress, run_tool
from dsbench.trtexec.build_log import Build, check_build, check_layers, read_build, read_layers
from dsbench.trtexec.command import (
    Precision,
    Profile,
    benchmark_command,
    build_command,
    dotted,
    layer_info_command,
    precision_for,
    refuse_too_old,
)
from dsbench.trtexec.log import (
    Measurement,
    TrtexecLogError,
    check_conditions,
    check_shape,
    check_version,
    read_measurement,
)
from dsbench.trtexec.passport import REFUSED

MOST_ATTEMPTS = 3
LEVEL = "--builderOptimizationLevel="
POOL = re.compile(r"^--memPoolSize=workspace:(\d+)(M?)$")
HEAD = "# attempt: "
BUILD_TIMEOUT_S = 4 * 3600
START_TIMEOUT_S = 600
EMBEDDED_DIALECT = (10, 16, 0)


def run_build(command: list[str], log: Path, facts: dict[str, str], timeout_s: float) -> list[str]:
    """Run the build `command`, again in another way where it failed by a fault that this may cure.

    Return the command that worked. The log of a failed attempt stays beside `log`, whose head says what was tried.
    """
    attempt, tried = 1, dict[str, str]()
    for number in range(1, MOST_ATTEMPTS):
        _kept(log, number).unlink(missing_ok=True)
    while True:
        try:
            run_tool(command, log, facts | tried, timeout_s=timeout_s)
            return command
        except ToolTimeoutError:
            raise
        except ToolFailedError:
            fault = diagnose(log.read_text(errors="replace")) if log.is_file() else None
            changed = None if fault is None else next_command(command, fault)
            if fault is None or changed is None or attempt == MOST_ATTEMPTS:
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


def trtexec_version(fact: Trtexec) -> tuple[int, ...]:
    """Return the version whose command line the recorded trtexec speaks."""
    if "embedded_sources_sha256" in fact:
        return EMBEDDED_DIALECT
    if not fact["version"]:
        raise BuildError(
            "trtexec: its version is in neither the name of libnvinfer nor its banner; run `trtexec --help` by hand"
        )
    return tuple(int(part) for part in fact["version"].split("."))


def asked_precision(fact: Trtexec | None, name: str, strongly_typed: bool) -> Precision:
    """Return how the config's precision is asked of the recorded trtexec, weakly where there is none.

    Refuses a trtexec that cannot be asked.
    """
    if fact is None:
        return Precision(name)
    version = trtexec_version(fact)
    refuse_too_old(version)
    return precision_for(version, name, strongly_typed)


def build_engine(
    program: str,
    version: tuple[int, ...],
    onnx: Path,
    engine: Path,
    timing_cache: Path,
    seed_cache: Path | None,
    profile: Profile,
    precision: Precision,
    workspace_mib: int,
    log: Path,
    facts: dict[str, str],
    layer_info: Path | None = None,
) -> tuple[Build, list[str]]:
    """Build `engine`, return what the log says and the flags; it has its name only when log and file prove it whole.

    `seed_cache` is the timing cache of a smaller batch, a start for this one's; `layer_info` the file that
    gets what each layer became, where the runtime can say it. A refused engine and its timing cache are kept under
    names that nothing takes for whole, and the next build of this engine starts from that cache.
    """
    partial = engine.with_name(f"{engine.name}.partial")
    _remove_left(partial, timing_cache, layer_info)
    kept_cache = _refused(timing_cache, version)
    if kept_cache.is_file():
        # It leaves its place: a build that fails with it does not get it again.
        kept_cache.replace(timing_cache)
    elif seed_cache is not None:
        copy_whole(seed_cache, timing_cache)
    files = str(onnx), str(partial), str(timing_cache)
    command = build_command(
        program, version, *files, profile, precision, workspace_mib, names_layers=layer_info is not None
    )
    try:
        command = run_build(command, log, facts, timeout_s=BUILD_TIMEOUT_S)
        check_version(log.read_text(errors="replace"), version, log)
        with _kept_where_refused({partial: _refused(engine, version), timing_cache: kept_cache}):
            build = read_build(log)
            check_build(build, _size_bytes(partial), profile, precision, asked_workspace_mib(command), log)
            if layer_info is not None:
                asked = layer_info_command(program, str(partial), profile, str(layer_info))
                _export_layers(asked, layer_info, facts)
                check_layers(read_layers(layer_info), precision, log)
        partial.rename(engine)
    finally:
        partial.unlink(missing_ok=True)
        # trtexec leaves the lock of its timing cache; no other build uses this one.
        timing_cache.with_name(f"{timing_cache.name}.lock").unlink(missing_ok=True)
    if build.errors:
        report_progress(f"  trtexec PASSED with {len(build.errors)} [E] lines, the first: {build.errors[0]}")
    return build, command[1:]


def _remove_left(partial: Path, timing_cache: Path, layer_info: Path | None) -> None:
    """Remove what an earlier build left, whole or begun."""
    for old in (timing_cache, layer_info):
        if old is not None:
            old.unlink(missing_ok=True)
    # A killed embedded trtexec leaves what it was writing under a name with its process number.
    for begun in (partial.name, timing_cache.name):
        for left in partial.parent.glob(f".{begun}.[0-9]*"):
            left.unlink()


def _refused(file: Path, version: tuple[int, ...]) -> Path:
    """Return where a refused engine or its timing cache is kept; another TensorRT takes neither."""
    return file.with_name(f"{file.name}.{dotted(version)}{REFUSED}")


@contextmanager
def _kept_where_refused(places: dict[Path, Path]) -> Iterator[None]:
    """Move each file to its place in `places` where a check refuses the build: the hours are in the timing cache."""
    try:
        yield
    except TrtexecLogError as error:
        kept = [place.name for file, place in places.items() if _size_bytes(file) and file.replace(place)]
        if not kept:
            raise
        raise TrtexecLogError(
            f"{error}. Kept in the engine's folder: {' and '.join(kept)}; the next build starts from that cache"
        ) from error


def _export_layers(command: list[str], layer_info: Path, facts: dict[str, str]) -> None:
    """Write `layer_info`; what does not work leaves the layers unknown, since the measurement judges the engine."""
    try:
        run_tool(command, layer_info.with_suffix(".log"), facts, timeout_s=START_TIMEOUT_S)
    except ToolFailedError as error:
        layer_info.unlink(missing_ok=True)
        report_progress(f"the precision of the layers stays unknown: {error}")


def _size_bytes(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def benchmark_engine(
    program: str,
    version: tuple[int, ...],
    engine: Path,
    profile: Profile,
    batch: int,
    duration_s: float,
    warm_up_ms: float,
    log: Path,
    facts: dict[str, str],
) -> float:
    """Measure `engine` at `batch`, return images/s; the log is refused when it measured something else.

    A disturbed measurement is made once more, and its log kept beside `log`.
    """
    command = benchmark_command(program, version, str(engine), profile, batch, duration_s, warm_up_ms)

    def measure(why: dict[str, str]) -> Measurement:
        run_tool(command, log, facts | why, timeout_s=START_TIMEOUT_S + duration_s)
        measurement = read_measurement(log)
        text = log.read_text(errors="replace")
        check_version(text, version, log)
        check_shape(measurement, text, profile.input_name, (batch, *profile.chw), log)
        check_conditions(measurement, log)
        return measurement

    measurement = measure_again_if_disturbed(measure, log)
    return measurement.images_per_s(batch)
