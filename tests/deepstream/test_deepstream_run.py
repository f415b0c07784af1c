"""Measured runs of deepstream-app, each version of it: what is a measurement, and what is refused in which words."""

import re
import shutil
from pathlib import Path

import pytest

from app_tree import FAKE, Tree
from dsbench.core.errors import BuildError
from dsbench.deepstream.log import StalledStreamError
from dsbench.deepstream.run import dump_kitti
from dsbench.report.conditions import run_conditions
from workflow_run import PROJECT

VERSIONS = ("6.4.0", "7.1.0", "9.1.0")


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_takes_the_configuration_without_a_warning(tree, monkeypatch, version):
    monkeypatch.setenv("FAKE_DEEPSTREAM_VERSION", version)
    monkeypatch.setenv("FAKE_TOTAL_FPS", "103")
    run = tree.measure(3)
    assert run.warnings == []
    assert len(run.window_fps) >= 4
    # DeepStream 9 counts whole frames of a nominal interval.
    assert run.total_fps == pytest.approx(103, abs=1.5)
    assert all(fps.is_integer() for fps in run.window_fps) == version.startswith("9")


def test_keys_are_not_pressed_for_want_of_an_open_input(tree):
    tree.measure()
    assert "\n\n\n" not in tree.log.read_text().partition("Pipeline running")[2].partition("**PERF")[2]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("stall", "stream 1 stalled (0.0 frames/s in a window)"),
        ("stream-0-stalls", "stream 0 stalled"),
        ("one-column", "a PERF row has 1 streams, the run was asked for 2"),
        ("no-rows", "no PERF row, expected one for each window"),
        ("no-loop", "1 full windows after the ramp-up, expected 4; the run ended early"),
        ("other-tensorrt", "rebuilt instead of loaded: it is of TensorRT 8.5.3.1, DeepStream has"),
        ("other-gpu", "rebuilt instead of loaded: it was built on another GPU"),
        ("other-dims", "rebuilt instead of loaded: its profile does not hold infer-dims 3x640x640"),
        ("no-engine-named", "rebuilt instead of loaded: model-engine-file names no engine"),
        ("no-inference", "ran without inference; check that [primary-gie] is spelt so and has enable=1"),
        ("source-fails", "exit status 255: ERROR from src_elem0: Could not open resource for reading."),
        ("parser-fails", "frames without post-processing were counted"),
        ("crash", "ended with signal SIGSEGV"),
        ("no-verdict", "no 'App run successful': the run was cut off"),
    ],
)
def test_misbehaving_app_is_refused(tree, monkeypatch, how, says, version):
    monkeypatch.setenv("FAKE_DEEPSTREAM", how)
    monkeypatch.setenv("FAKE_DEEPSTREAM_VERSION", version)
    with pytest.raises(BuildError, match=f"^{re.escape(str(tree.log))}: ") as refused:
        tree.measure()
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        (
            "never-runs",
            "without finishing; its last lines say how far it came; stream 0 stalled, or never got a frame",
        ),
        ("deaf", "went on for 1 s after SIGINT and was killed"),
    ],
)
def test_app_that_does_not_end_is_ended(tree, monkeypatch, how, says):
    monkeypatch.setenv("FAKE_DEEPSTREAM", how)
    monkeypatch.setattr("dsbench.deepstream.run.EXTRA_ROWS", -4)
    monkeypatch.setattr("dsbench.deepstream.run.TEARDOWN_S", 1)
    monkeypatch.setattr("dsbench.deepstream.run.TEARDOWN_OF_STREAM_S", 0)
    with pytest.raises(BuildError, match=re.escape(says)):
        tree.measure(timeout_s=1.0)


@pytest.mark.parametrize("version", VERSIONS)
def test_torn_row_loses_its_window_and_not_the_run(tree, monkeypatch, version):
    monkeypatch.setenv("FAKE_DEEPSTREAM", "torn-rows")
    monkeypatch.setenv("FAKE_DEEPSTREAM_VERSION", version)
    run = tree.measure(3)
    assert len(run.window_fps) >= 4 and run.total_fps == pytest.approx(70, abs=1.5)
    (warning,) = run.warnings
    assert re.match(
        r"\d+ PERF rows? w\w+ torn by other lines on the same output; the rates are those", warning
    )


def test_what_the_app_says_on_its_other_output_tears_no_row(tree, monkeypatch):
    monkeypatch.setenv("FAKE_DEEPSTREAM", "errors-between-streams")
    run = tree.measure(4)
    assert run.warnings == [] and run.total_fps == pytest.approx(70, abs=4)
    assert tree.log.read_text().count("Opening in BLOCKING MODE \n") >= 4 * 4


def test_windows_of_a_late_timer_carry_a_warning(tree, monkeypatch):
    monkeypatch.setenv("FAKE_DEEPSTREAM", "late-timer")
    assert tree.measure().warnings[0].startswith("The windows give 70.0 frames/s in all, the averages")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("[primary-gie]", "[primary_gie]"), "ran without inference"),
        (
            lambda text: text.replace("batch-size=2\nconfig", "batch-size=2 x\nbatch-size=2x\nconfig"),
            "to parse config",
        ),
        (
            lambda text: text.replace("infer.txt", "other.txt"),
            "Failed to create NvDsInferContext|parsing failed",
        ),
        (lambda text: text.replace("clip%20", "nothing"), "Could not open resource for reading"),
        (lambda text: text.replace("type=2", "type=3"), "Could not open resource for reading"),
        (lambda text: text.replace("[sink0]", "[sink]"), "Failed to parse config file"),
        (lambda text: "no key file\n" + text, "Failed to parse config file"),
    ],
)
def test_broken_configuration_ends_as_the_real_app_ends(tree, change, says):
    with pytest.raises(BuildError, match=says):
        tree.measure(change=change)


def test_unknown_key_is_kept_as_a_warning(tree):
    run = tree.measure(change=lambda text: text.replace("[source0]\n", "[source0]\nwidth=1280\n"))
    assert run.warnings == ["Unknown key 'width' for group [source0]"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            lambda folder: (folder / "m_dynamic_b4.engine").unlink(),
            "model-engine-file leads to .*where there is no file",
        ),
        (lambda folder: (folder / "libparser.so").unlink(), "Could not open custom lib"),
        (lambda folder: (folder / "labels.txt").unlink(), "Could not open labels"),
    ],
)
def test_missing_file_is_named(tree, damage, says):
    damage(tree.folder)
    with pytest.raises(BuildError, match=says):
        tree.measure()


def test_more_streams_than_the_engine_serves_are_refused_not_measured_on_another_engine(tree):
    with pytest.raises(
        BuildError, match="its largest batch is 4, batch-size is 5; expected 'Use deserialized"
    ):
        tree.measure(5)


def test_dump_is_there_when_the_clip_was_played_to_its_end(tree, monkeypatch):
    shutil.copy(PROJECT / "demo/sample_720p.mp4", tree.folder / "clip 50%.mp4")
    tree.write(2, kitti_directory=Path("kitti"))
    folder = tree.config.parent / "kitti"
    dump_kitti(str(FAKE), tree.config, folder, 20, tree.log, {})
    for stream in range(2):
        assert len(list(folder.glob(f"00_{stream:03d}_*.txt"))) == 300
    monkeypatch.setenv("FAKE_DEEPSTREAM", "no-inference")
    with pytest.raises(BuildError, match="ran without inference"):
        dump_kitti(str(FAKE), tree.config, folder, 20, tree.log, {})


@pytest.fixture
def stalling(tree, tmp_path):
    """Return a function that measures two streams with an app that stalls in its first `times` runs."""

    def run(times):
        program = tmp_path / "deepstream-app"
        program.write_text(
            f'#!/bin/sh\necho run >> "{tmp_path}/runs"\n'
            f'[ $(wc -l < "{tmp_path}/runs") -le {times} ] && export FAKE_DEEPSTREAM=stall\n'
            f'exec "{FAKE}" "$@"\n'
        )
        program.chmod(0o755)
        return tree.measure(program=program)

    return run


def test_a_stalled_run_is_done_once_more_and_its_log_kept(stalling, tree, tmp_path, capsys):
    run = stalling(1)
    assert run.total_fps == pytest.approx(70)
    kept = tree.folder / "ds_disturbed.log"
    assert run.warnings == []
    repeated = run_conditions(tree.log).repeated
    assert repeated.startswith("stream 1 stalled") and repeated.endswith(f"; that log is {kept}")
    assert "0.00 (35.00)" in kept.read_text().split("** ERROR")[0].splitlines()[-1]
    assert "stream 1 stalled" in capsys.readouterr().err
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_run_that_stalls_twice_is_refused(stalling, tmp_path):
    with pytest.raises(StalledStreamError, match=r"ds\.log: stream 1 stalled"):
        stalling(2)
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_clean_run_is_not_repeated(stalling, tree, tmp_path):
    stalling(0)
    assert (tmp_path / "runs").read_text().count("run") == 1
    assert not (tree.folder / "ds_disturbed.log").exists()
