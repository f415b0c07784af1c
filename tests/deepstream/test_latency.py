"""Latency of each frame: what deepstream-app prints of it, what is kept of that, and what is refused."""

import re

import pytest

from app_tree import FAKE, Tree
from dsbench.core.errors import BuildError
from dsbench.deepstream.latency import (
    FrameLatency,
    frames_of,
    measure_latency,
    noting_refusal,
    read_latency,
    why_no_latency,
)

HEAD = "Use deserialized engine model: /m.engine\n"
END = "** ERROR: <_intr_handler:136>: User Interrupted.. \n\nQuitting\nApp run successful\n"


def said(stream, number, latency_ms):
    return (
        f"\n************BATCH-NUM = {number}**************\n"
        f"Source id = {stream} Frame_num = {number} Frame latency = {latency_ms:f} (ms) \n"
    )


@pytest.fixture
def read(tmp_path):
    """Reads a log with these lines between its start and its end."""

    def read_lines(body, streams=1, end=END):
        (tmp_path / "ds_latency.log").write_text(HEAD + body + end)
        return read_latency(tmp_path / "ds_latency.log", streams)

    return read_lines


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def measure(tree, streams=2, frames=600):
    tree.write(streams, interval_s=1, loop=True)
    return measure_latency(str(FAKE), tree.config, streams, frames, 103, 20.0, tree.log, {})


def test_percentiles_are_frames_that_were_measured(read):
    run = read("".join(said(0, number, number) for number in range(1, 201)))
    # The first 20 are left out, of the 180 others the 171st is the 95th percentile.
    assert (len(run.frames), run.left_out, run.warnings) == (180, 20, [])
    assert [run.percentile(percent).latency_ms for percent in (0, 50, 95, 99, 100)] == [
        21,
        110,
        191,
        199,
        200,
    ]
    # Each frame takes three lines, after the one on the engine.
    assert run.percentile(50) == FrameLatency(110.0, 0, line=1 + 3 * 110)


def test_ramp_up_is_left_out_of_each_stream(read):
    late = "".join(
        said(stream, number, 900 if number < 20 else 40) for number in range(200) for stream in (0, 1)
    )
    run = read(late, streams=2)
    assert (len(run.frames), run.left_out) == (360, 40)
    assert run.percentile(100).latency_ms == 40


def test_frames_after_the_interrupt_do_not_count(read):
    run = read(
        "".join(said(0, number, 40) for number in range(200)), end=END.replace("Quitting", said(0, 200, 999))
    )
    assert run.percentile(100).latency_ms == 40


def test_a_torn_line_is_dropped_and_told_of(read):
    whole = "".join(said(0, number, 40) for number in range(200))
    cut = whole.replace(
        "latency = 40.000000 (ms) \n", "latency = 4Opening in BLOCKING MODE \n0.000000 (ms) \n", 1
    )
    run = read(cut)
    assert len(run.frames) + run.left_out == 199
    assert run.warnings == [
        "1 line was torn by other lines on the same output; the latencies are those of the whole ones."
    ]


def test_text_of_another_writer_before_a_line_loses_none(read):
    whole = "".join(said(0, number, 40) for number in range(200))
    assert not read(whole.replace("\nSource id", "\n30.00 (30.01)\tSource id")).warnings


@pytest.mark.parametrize(
    ("body", "end", "says"),
    [
        ("", END, "no 'Frame latency =', expected a line for each frame"),
        (
            said(0, 0, 40) * 200,
            END,
            "no frame of stream 1 came to its sink, expected some of each of 2 streams",
        ),
        (said(0, 0, 40) + said(1, 0, 40), END, "0 frames after the ramp-up, expected at least 100"),
        (
            said(0, 0, 40) + said(1, 0, 40) + said(2, 0, 40),
            END,
            "frames of stream 2, the run was asked for 2",
        ),
        ((said(0, 0, 40) + said(1, 0, 1.79e12)) * 150, END, "line 97 says 1.79e+12 ms, expected more than 0"),
        ((said(0, 0, 40) + said(1, 0, -3)) * 150, END, "line 97 says -3 ms, expected more than 0"),
        (said(0, 0, 40) * 200, "Quitting\nApp run successful\n", "the run ended by itself"),
        (said(0, 0, 40) * 200, "", "no 'App run successful'"),
    ],
)
def test_a_log_that_tells_no_latency_is_refused(read, tmp_path, body, end, says):
    with pytest.raises(BuildError, match=re.escape(f"{tmp_path}/ds_latency.log: {says}")):
        read(body, streams=2, end=end)


def test_a_run_is_as_long_as_the_others_and_never_too_short_for_a_percentile():
    assert frames_of(total_fps=60.0, seconds=20) == 1200
    assert frames_of(total_fps=0.5, seconds=20) == 112


@pytest.mark.parametrize("version", ["6.4.0", "9.1.0"])
def test_the_app_is_asked_for_latencies_and_stopped_after_enough_frames(tree, monkeypatch, version):
    monkeypatch.setenv("FAKE_DEEPSTREAM_VERSION", version)
    monkeypatch.setenv("FAKE_LATENCY_MS", "25")
    run = measure(tree)
    assert 0.9 * 600 <= len(run.frames) < 1200
    assert 25 <= run.percentile(0).latency_ms < run.percentile(99).latency_ms <= 59
    assert "# environment: NVDS_ENABLE_LATENCY_MEASUREMENT=1\n" in tree.log.read_text()


def test_other_runs_print_no_latency_whatever_the_user_has_set(tree, monkeypatch):
    monkeypatch.setenv("NVDS_ENABLE_LATENCY_MEASUREMENT", "1")
    tree.measure()
    assert "latency" not in tree.log.read_text()


def test_torn_lines_of_the_app_cost_only_themselves(tree, monkeypatch):
    monkeypatch.setenv("FAKE_DEEPSTREAM", "torn-rows")
    assert "lines were torn" in measure(tree).warnings[0]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("no-decoder-time", "the decoder noted no time at which the frame came"),
        ("crash", "ended with signal SIGSEGV"),
        ("no-loop", "the run ended by itself"),
    ],
)
def test_a_misbehaving_app_is_refused(tree, monkeypatch, how, says):
    monkeypatch.setenv("FAKE_DEEPSTREAM", how)
    with pytest.raises(BuildError, match=says):
        measure(tree)


def test_a_run_that_tells_no_latency_says_why_at_the_end_of_its_log(tree, monkeypatch):
    monkeypatch.setenv("FAKE_DEEPSTREAM", "no-decoder-time")
    with noting_refusal(tree.log):
        measure(tree)
    assert "the decoder noted no time at which the frame came" in why_no_latency(tree.log)


def test_a_run_that_tells_its_latencies_has_no_such_note(tree):
    with noting_refusal(tree.log):
        measure(tree)
    assert why_no_latency(tree.log) is None


def test_what_the_ramp_up_says_is_not_judged(read):
    first = said(0, 0, 1.79e12)
    assert len(read(first + "".join(said(0, number, 40) for number in range(1, 200))).frames) == 180
