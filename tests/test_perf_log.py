import re
from pathlib import Path

import pytest

from dsbench.perf_log import PerfLogError, WindowCounter, parse_row, read_run

DATA = Path(__file__).parent / "data"
GOOD = (DATA / "deepstream_9.1_2streams.log").read_text()


def run_of(tmp_path, text, streams=2, windows=3):
    log = tmp_path / "ds.log"
    log.write_text(text)
    return read_run(log, streams, windows)


def test_total_is_the_sum_over_streams_without_ramp_up_and_without_the_row_after_ctrl_c(tmp_path):
    run = run_of(tmp_path, GOOD)
    assert run.window_fps == [120.0, 120.0, 120.0]
    assert run.stream_fps == [60.0, 60.0]
    assert (run.total_fps, run.fps_per_stream, run.variation_pct) == (120.0, 60.0, 0.0)


def test_slow_second_stream_is_not_hidden_by_the_first(tmp_path):
    run = run_of(tmp_path, re.sub(r"(60.50|59.50|60.00) \((\S+)\)\t\n", r"20.00 (\2)\t\n", GOOD))
    assert run.stream_fps == [60.0, 20.0]
    assert run.total_fps == 80.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.replace("App run successful", "App run failed"), "no 'App run successful'"),
        (lambda t: t.replace("App run successful\n", ""), "the run was cut off"),
        (lambda t: t.replace("60.50 (60.10)", "0.00 (60.10)"), "stream 0 stalled"),
        (lambda t: t.replace("60.50 (60.10)", "inf (60.10)"), "stream 0 stalled"),
        (lambda t: t.replace("60.50 (60.10)", "nan (60.10)"), "stream 0 stalled"),
        (lambda t: t.replace("60.00 (60.00)\t60.00 (60.00)", "60.00 (60.00)"), "a PERF row has 1 streams"),
        (
            lambda t: t.replace("Runtime commands", "x: Trying to create engine from model files\nRuntime"),
            "rebuilt instead of loaded",
        ),
        (
            lambda t: t.replace("Quitting", "0:00:03 ERROR nvinfer: Failed to parse bboxes\nQuitting"),
            "frames without post-processing were counted",
        ),
    ],
)
def test_disturbed_or_unfinished_run_is_refused(tmp_path, change, says):
    with pytest.raises(PerfLogError, match=says):
        run_of(tmp_path, change(GOOD))


def test_too_few_windows_are_refused(tmp_path):
    with pytest.raises(PerfLogError, match="3 full windows after the ramp-up, expected 4"):
        run_of(tmp_path, GOOD, windows=4)


def test_header_is_no_row():
    assert parse_row("**PERF:  FPS 0 (Avg)\tFPS 1 (Avg)\t") is None
    assert parse_row("PERF(1): 30.00 (29.97)\t") == [30.0]


def test_counter_agrees_with_the_reader():
    counter = WindowCounter(2)
    counts = [counter.feed(line) for line in GOOD.split("** ERROR")[0].splitlines()]
    assert counts[-1] == 3
    assert counts.count(0) > 10
