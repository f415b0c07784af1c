"""deepstream-app runs: a dump that plays the clip once, a measurement of N looping streams."""

import shutil
from pathlib import Path

from dsbench.perf_log import StreamRun, WindowCounter, check_ended_well, read_run
from dsbench.tool_run import run_tool

# Rows before the pipeline runs, the ramp-up row, and one row of slack for a late first frame.
EXTRA_ROWS = 3


def measure_streams(
    program: str,
    config: Path,
    streams: int,
    interval_s: int,
    windows: int,
    timeout_s: float,
    log: Path,
    facts: dict[str, str],
) -> StreamRun:
    """Run `streams` looping streams until `windows` full windows are printed, stop by SIGINT, return the rates."""
    counter = WindowCounter(streams)
    run_tool(
        [program, "-c", str(config)],
        log,
        facts,
        config,
        timeout_s=timeout_s + (windows + EXTRA_ROWS) * interval_s,
        stop_when=lambda line: counter.feed(line) >= windows,
    )
    return read_run(log, streams, windows)


def dump_kitti(
    program: str, config: Path, directory: Path, timeout_s: float, log: Path, facts: dict[str, str]
) -> None:
    """Play the clip once and leave one KITTI file per frame in `directory`, emptied before."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    run_tool([program, "-c", str(config)], log, facts, config, timeout_s=timeout_s)
    check_ended_well(log.read_text(errors="replace"), log)
