"""Build and measure engines with trtexec; an artefact exists only when everything about it agrees."""

import shutil
from pathlib import Path

from dsbench.build_attempts import asked_workspace_mib, run_build
from dsbench.errors import BuildError
from dsbench.tool_run import report_progress, run_tool
from dsbench.trtexec_command import Profile, benchmark_command, build_command
from dsbench.trtexec_log import check_shape, check_verdict, read_build, read_measurement

BUILD_TIMEOUT_S = 4 * 3600
START_TIMEOUT_S = 600
EMBEDDED_DIALECT = (10, 16, 0)


def trtexec_version(fact: dict) -> tuple[int, ...]:
    """Return the version whose command line the recorded trtexec speaks."""
    if "embedded_sources_sha256" in fact:
        return EMBEDDED_DIALECT
    if not fact["version"]:
        raise BuildError(
            "trtexec: its version is in neither the name of libnvinfer nor its banner; run `trtexec --help` by hand"
        )
    return tuple(int(part) for part in fact["version"].split("."))


def build_engine(
    program: str,
    version: tuple[int, ...],
    onnx: Path,
    engine: Path,
    timing_cache: Path,
    seed_cache: Path | None,
    profile: Profile,
    precision: str,
    workspace_mib: int,
    log: Path,
    facts: dict[str, str],
) -> None:
    """Build `engine`; it appears under its name only when the log and the file prove it complete.

    `seed_cache` is the timing cache of a smaller batch, a start for this one's.
    """
    partial = engine.with_name(f"{engine.name}.partial")
    timing_cache.unlink(missing_ok=True)
    if seed_cache is not None:
        shutil.copy(seed_cache, timing_cache)
    command = build_command(
        program, version, str(onnx), str(partial), str(timing_cache), profile, precision, workspace_mib
    )
    report_progress(f"building {engine.name}; trtexec's output is in {log}")
    try:
        command = run_build(command, log, facts, timeout_s=BUILD_TIMEOUT_S)
        check_build(log, partial, precision, asked_workspace_mib(command))
        partial.rename(engine)
    finally:
        partial.unlink(missing_ok=True)


def check_build(log: Path, engine: Path, precision: str, workspace_mib: int) -> None:
    """Refuse an empty engine, another precision or another workspace than asked for."""
    build = read_build(log)
    if not engine.is_file() or engine.stat().st_size == 0:
        raise BuildError(f"{log}: trtexec PASSED, but left no engine; look for the reason in the log")
    if precision == "fp16" and "FP16" not in build.precision:
        raise BuildError(f"{log}: the engine's precision is {build.precision}, asked for fp16")
    if abs(build.workspace_mib - workspace_mib) > 1:
        raise BuildError(
            f"{log}: workspace is {build.workspace_mib} MiB, asked for {workspace_mib} MiB;"
            " this trtexec reads the suffix of --memPoolSize differently"
        )


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
    """Measure `engine` at `batch`, return images/s; the log is refused when it measured something else."""
    command = benchmark_command(program, version, str(engine), profile, batch, duration_s, warm_up_ms)
    report_progress(f"measuring {engine.name} at batch {batch} for {duration_s:g} s")
    run_tool(command, log, facts, timeout_s=START_TIMEOUT_S + duration_s)
    check_verdict(log.read_text(errors="replace"), log)
    measurement = read_measurement(log)
    check_shape(measurement, profile.input_name, (batch, *profile.chw), log)
    images_per_s = measurement.images_per_s(batch)
    report_progress(f"  {images_per_s:.1f} images/s, {measurement.gpu_ms['mean']:.2f} ms mean")
    return images_per_s
