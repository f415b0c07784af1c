"""deepstream-app runs: a dump that plays the clip once, a measurement of N looping streams."""

import shutil
from pathlib import Path

from dsbench.deepstream.log import (
    END_OF_STREAM,
    REBUILD,
    PerfLogError,
    StalledStreamError,
    StreamRun,
    WindowCounter,
    check_ended_well,
    failure_cause,
    idle_stream,
    read_run,
)
from dsbench.tools.disturbed_run import measure_again_if_disturbed
from dsbench.tools.tool_run import ToolFailedError, run_tool

# Rows before the pipeline runs, the ramp-up row, and one row of slack for a late first frame.
EXTRA_ROWS = 3
# How long the app may take to end, with what each of its decoders needs for that.
TEARDOWN_S, TEARDOWN_OF_STREAM_S = 30, 1


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
    """Run `streams` looping streams until `windows` full windows are printed, stop by SIGINT, return the rates.

    A disturbed run is done once more, and its log kept beside `log`.
    """

    def measure(why: dict[str, str]) -> StreamRun:
        counter = WindowCounter()
        _run_app(
            program,
            config,
            log,
            facts | why,
            timeout_s=timeout_s + (windows + EXTRA_ROWS) * interval_s,
            stop_when=lambda line: counter.feed(line) >= windows,
            grace_s=TEARDOWN_S + TEARDOWN_OF_STREAM_S * streams,
        )
        return read_run(log, streams, windows)

    return measure_again_if_disturbed(measure, log)


def _run_app(program: str, config: Path, log: Path, facts: dict[str, str], **limits) -> None:
    """Run the app; of a failure, name what its log says it comes from."""
    try:
        run_tool([program, "-c", str(config)], log, facts, config, **limits)
    except ToolFailedError as error:
        text = log.read_text(errors="replace") if log.is_file() else ""
        if REBUILD.search(text):
            check_ended_well(text, log)
        cause = failure_cause(text)
        if cause is not None and cause not in str(error):
            raise PerfLogError(f"{error}; the first cause it names is: {cause}") from error
        if (stream := idle_stream(text)) is not None:
            raise StalledStreamError(f"{error}; stream {stream} stalled, or never got a frame") from error
        raise


def dump_kitti(
    program: str, config: Path, directory: Path, timeout_s: float, log: Path, facts: dict[str, str]
) -> None:
    """Play the clip once and leave one KITTI file per frame in `directory`, emptied before."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _run_app(program, config, log, facts, timeout_s=timeout_s)
    text = log.read_text(errors="replace")
    check_ended_well(text, log)
    if END_OF_STREAM not in text:
        raise PerfLogError(
            f"{log}: no '{END_OF_STREAM}', so the clip was not played to its end; play it again"
        )
