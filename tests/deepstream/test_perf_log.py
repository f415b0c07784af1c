import re
from pathlib import Path

import pytest

from dsbench.deepstream.log import PerfLogError, WindowCounter, idle_stream, parse_row, read_run

DATA = Path(__file__).parents[1] / "data"
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


def test_run_that_ended_by_itself_is_refused(tmp_path):
    with pytest.raises(PerfLogError, match="ended by itself, expected 'User Interrupted' after 3 windows"):
        run_of(tmp_path, GOOD.replace("** ERROR: <_intr_handler:136>: User Interrupted.. \n", ""))


def test_log_without_rows_is_refused(tmp_path):
    with pytest.raises(PerfLogError, match="no PERF row, expected one for each window"):
        run_of(tmp_path, re.sub(r"\*\*PERF: +\d.*\n", "", GOOD))


def test_windows_longer_than_their_nominal_interval_are_told_by_the_averages(tmp_path):
    assert run_of(tmp_path, GOOD).warnings == []
    late = GOOD.replace("60.00 (60.00)\t60.00 (60.00)", "60.00 (40.00)\t60.00 (40.00)")
    (warning,) = run_of(tmp_path, late).warnings
    assert warning.startswith(
        "The windows give 120.0 frames/s in all, the averages since the first frame 80.0;"
    )


def test_older_windows_of_any_value_are_read_as_they_stand(tmp_path):
    rows = "**PERF:  51.56 (51.50)\t\n**PERF:  59.97 (56.31)\t\n**PERF:  60.03 (57.57)\t\n"
    head, _, tail = GOOD.partition("**PERF:  40.00")
    run = run_of(
        tmp_path,
        re.sub(r"\*\*PERF:  0.*\n", "", head) + rows + "** ERROR" + tail.partition("** ERROR")[2],
        1,
        2,
    )
    assert run.stream_fps == [60.0]


def test_idle_stream_is_the_one_without_frames_in_the_last_window():
    assert idle_stream("**PERF:  60.00 (60.00)\t0.00 (1.00)\t\n") == 1
    assert idle_stream("**PERF:  60.00 (60.00)\t1.00 (1.00)\t\n") is None
    assert idle_stream("") is None


TORN = "**PERF:  60.00 (60.00)\tOpening in BLOCKING MODE \n60.00 (60.00)\t\n"


def test_torn_row_is_no_window_and_refuses_no_run(tmp_path):
    torn = GOOD.replace("** ERROR: <_intr", f"{TORN}** ERROR: <_intr")
    run = run_of(tmp_path, torn)
    assert run.window_fps == [120.0, 120.0, 120.0]
    assert run.warnings == [
        "1 PERF row was torn by other lines on the same output; the rates are those of the whole rows."
    ]
    with pytest.raises(PerfLogError, match="3 full windows after the ramp-up, expected 4"):
        run_of(tmp_path, torn, windows=4)


@pytest.mark.parametrize(
    "torn",
    [
        TORN,
        "**PERF:  Opening\n60.00 (60.00)\t60.00 (60.00)\t\n",
        "**PERF:  1.00 (1.00)\t\nOpening\n1.00 (1.00)\t\n",
    ],
    ids=["in the row", "before its streams", "between lines"],
)
def test_torn_rows_of_the_start_are_not_judged(tmp_path, torn):
    head, mark, tail = GOOD.partition("**PERF:  0.00")
    run = run_of(tmp_path, head + torn + mark + tail)
    assert (run.window_fps, run.warnings) == ([120.0, 120.0, 120.0], [])
    counter = WindowCounter()
    assert [counter.feed(line) for line in (torn + tail).split("** ERROR: <_intr")[0].splitlines()][-1] == 3


def test_row_behind_another_line_is_whole():
    assert parse_row("Opening in BLOCKING MODE **PERF:  60.00 (60.00)\t1.00 (1.00)\t") == [60.0, 1.0]
    assert parse_row("**PERF:  60.00 (60.00)\t1.0Opening in BLOCKING MODE ") is None


def test_header_is_no_row():
    assert parse_row("**PERF:  FPS 0 (Avg)\tFPS 1 (Avg)\t") is None
    assert parse_row("PERF(1): 30.00 (29.97)\t") == [30.0]


def test_counter_agrees_with_the_reader():
    counter = WindowCounter()
    counts = [counter.feed(line) for line in GOOD.split("** ERROR")[0].splitlines()]
    assert counts[-1] == 3
    assert counts.count(0) > 10
