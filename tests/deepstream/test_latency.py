"""Latency of each frame: what deepstream-app prints of it, what is kept of that, and what is refused."""

import re

import pytest

from app_tree import FAKE, Tree
from dsbench.core.errors import BuildError
from dsbench.deepstream.latency import (
    MOST_FRAMES,
    ComponentLatency,
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


def component(name, begun_ms, ended_ms):
    """Return a component's line as DeepStream 9.1 has it, with the spaces of its C code."""
    times = f"in_system_timestamp = {begun_ms:f} out_system_timestamp = {ended_ms:f}               "
    return f"Comp name = {name} {times}component latency= {ended_ms - begun_ms:f}\n"


def muxer(stream, number, begun_ms, ended_ms):
    name = f"nvstreammux-src_bin_muxer source_id = {stream} pad_index = {stream} frame_num = {number}              "
    return component(name, begun_ms, ended_ms).replace("component latency=", "component_latency =")


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


def passed(stream, number, ended_ms=1_000_058.0):
    """Return all that is printed of a frame that came at 1,000,000 ms."""
    head, line, _ = said(stream, number, 60.0).partition("Source")
    parts = (
        component(f"nvv4l2decoder{stream}", 1_000_000.0, 1_000_008.0),
        muxer(stream, number, 1_000_009.0, 1_000_019.0 + number % 2),
        component("primary_gie", 1_000_020.0, ended_ms),
    )
    return head + "".join(parts) + line + said(stream, number, 60.0).partition("Source")[2]


def test_each_kind_of_component_has_its_mean_and_percentile_in_the_order_of_the_way(read):
    run = read("".join(passed(stream, number) for number in range(100) for stream in (0, 1)), streams=2)
    assert run.components == [
        ComponentLatency("nvv4l2decoder", 8.0, 8.0),
        ComponentLatency("nvstreammux", 10.5, 11.0),
        ComponentLatency("primary_gie", 38.0, 38.0),
    ]
    assert len(run.frames) + run.left_out == 200


def test_ramp_up_of_a_component_does_not_count(read):
    late = "".join(
        passed(0, number, ended_ms=1_009_000.0 if number < 20 else 1_000_058.0) for number in range(200)
    )
    assert read(late).components[-1] == ComponentLatency("primary_gie", 38.0, 38.0)


def test_component_that_notes_no_departure_is_left_out(read):
    run = read("".join(passed(0, number, ended_ms=0.0) for number in range(200)))
    assert [each.name for each in run.components] == ["nvv4l2decoder", "nvstreammux"]
    assert run.untimed == ["primary_gie"]


def test_app_that_tells_of_no_component_tells_the_latency_all_the_same(read):
    run = read("".join(said(0, number, 40) for number in range(200)))
    assert (run.components, run.untimed, run.warnings) == ([], [], [])


def test_blank_behind_a_component_is_no_other_form_of_its_line(read):
    lines = "".join(passed(0, number) for number in range(200))
    whole, blank = read(lines), read(re.sub(r"(component[ _]latency ?= \S+)", r"\1 ", lines))
    assert blank.components == whole.components and blank.warnings == []


def test_components_in_a_form_that_is_not_known_are_told_of(read):
    run = read("".join(passed(0, number) for number in range(200)).replace("latency= ", "latency (ms): "))
    assert [each.name for each in run.components] == ["nvstreammux"] and run.warnings == []
    run = read(
        re.sub(r"component[ _]latency ?=", "took", "".join(passed(0, number) for number in range(200)))
    )
    assert run.components == [] and "no component's share of the latency is told" in run.warnings[0]


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
    assert frames_of(total_fps=20_000, seconds=20) == MOST_FRAMES


@pytest.mark.parametrize("version", ["6.4.0", "9.1.0"])
def test_the_app_is_asked_for_latencies_and_stopped_after_enough_frames(tree, monkeypatch, version):
    monkeypatch.setenv("FAKE_DEEPSTREAM_VERSION", version)
    monkeypatch.setenv("FAKE_LATENCY_MS", "25")
    run = measure(tree)
    assert 0.9 * 600 <= len(run.frames) < 1200
    assert 25 <= run.percentile(0).latency_ms < run.percentile(99).latency_ms <= 59
    asked = "NVDS_ENABLE_LATENCY_MEASUREMENT=1 NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT=1"
    assert f"# environment: {asked}\n" in tree.log.read_text()
    decoder, *_, nvinfer = run.components
    assert (decoder.name, nvinfer.name, nvinfer.mean_ms) == (
        *("nvv4l2decoder", "primary_gie"),
        pytest.approx(2 * decoder.mean_ms, abs=0.001),
    )


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
