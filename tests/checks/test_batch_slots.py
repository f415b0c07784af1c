"""Batches whose slots are alike pass; one that mixes its images, or a slot with other boxes, is named."""

import os
import sys
from pathlib import Path

import cv2
import onnx
import pytest
from test_agreement import APP, FRAMES, SIDE, make_tree, write_engine

from dsbench.boxes.kitti import Detection
from dsbench.checks import batch_slots
from dsbench.checks.batch_slots import (
    SlotDumps,
    SlotRuns,
    Tolerance,
    check_batch_slots,
    write_slot_clips,
)
from dsbench.checks.verdict import CheckError
from dsbench.core.errors import BuildError
from dsbench.families.declared import family_named
from dsbench.machine.video import save_frame
from dsembed.engine import tactics
from dsembed.engine.engine import whole_batch
from tiny_graphs import queries

LOGS = ("alone", "mirrored_alone", "same", "mixed")
TOLERANCE = Tolerance(iou=0.9, score=0.05, threshold=0.5)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    made = make_tree(tmp_path_factory.mktemp("slots"), family_named("rt_detr"))
    made.write_config()
    made.change("batch-size=1", "batch-size=2")
    write_slot_clips(made.root / "clip.mp4", FRAMES, 4, made.root / "part.mp4", made.root / "mirrored.mp4")
    return made.root


def play(root: Path, folder: Path):
    """Return what the embedded deepstream-app finds in two slots."""
    runs = SlotRuns(
        program=str(APP),
        clip=root / "part.mp4",
        mirrored=root / "mirrored.mp4",
        size=(SIDE, SIDE),
        nvinfer_single=root / "infer.txt",
        nvinfer_batched=root / "infer.txt",
        folder=folder,
        timeout_s=60,
        facts={},
    )
    return runs.play(2, {name: folder / f"{name}.log" for name in LOGS})


def test_slots_of_a_sound_model_are_alike_and_a_leaking_one_is_named(tree, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "DSEMBED_PYTHON", sys.executable)
    result = check_batch_slots(play(tree, tmp_path / "sound"), SIDE, TOLERANCE).required()
    assert (result.slots, result.frames, result.frames_that_differ) == (2, 3, 3)
    assert result.same_video.boxes > 20 and result.different_videos.boxes > 40
    onnx.save(queries(leak=True), tree / "leak.onnx")
    # A plan that cuts the batch into single images, which may be the fastest, would mix nothing.
    monkeypatch.setattr(tactics, "candidates", lambda *asked: [whole_batch(*asked)])
    write_engine(tree / "leak.onnx", tree / "tiny.engine")
    with pytest.raises(
        CheckError, match=r"^Different videos in the batch slots: slot 0, with the clip, frame 0: "
    ):
        check_batch_slots(play(tree, tmp_path / "leak"), SIDE, TOLERANCE).required()


def test_the_mirrored_clip_shows_the_clips_frames_from_the_other_side(tree, tmp_path):
    pictures = []
    for name in ("part", "mirrored"):
        save_frame(tree / f"{name}.mp4", 1, tmp_path / f"{name}.png")
        pictures.append(cv2.imread(str(tmp_path / f"{name}.png")).astype(int))
    difference = abs(pictures[0][:, ::-1] - pictures[1])
    assert difference.mean() < 8 < abs(pictures[0] - pictures[1]).mean()


def box(left=0.0, score=0.9, bottom=40.0):
    return Detection("car", left, 10.0, left + 30.0, bottom, score)


def dumps(**changes):
    clip, mirrored = {0: [box()], 1: [box(5.0)]}, {0: [box(50.0)], 1: [box(60.0)]}
    given = {"alone": clip, "mirrored_alone": mirrored, "same": [clip] * 3, "mixed": [clip, mirrored, clip]}
    return SlotDumps(**(given | changes))


def test_equal_slots_pass():
    result = check_batch_slots(dumps(), 100, TOLERANCE).required()
    assert result.passed
    assert (result.same_video.boxes, result.different_videos.boxes) == (4, 6)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ([], r"slot 2 frame 1: a car of score 0\.900 at 5\.0, 10\.0 to 35\.0, 40\.0 px is missing"),
        ([box(5.0), box(50.0)], r"slot 2 frame 1: a car .* at 50\.0, .* is there and should not be"),
        ([box(5.0, 0.8)], r"slot 2 frame 1: a car of score 0\.800 .*, expected a score of 0\.900"),
    ],
)
def test_slot_frame_and_difference_are_named(frame, says):
    clip = dumps().alone
    with pytest.raises(CheckError, match=f"^The same video in every batch slot: {says}"):
        check_batch_slots(dumps(same=[clip, clip, {0: clip[0], 1: frame}]), 100, TOLERANCE).required()


@pytest.mark.parametrize("extra", [box(50.0, 0.54), box(50.0, 0.9, 100.0)])
def test_a_box_near_the_threshold_or_on_the_last_row_may_come_and_go(extra):
    clip = dumps().alone
    result = check_batch_slots(
        dumps(same=[clip, {0: clip[0], 1: [*clip[1], extra]}]), 100, TOLERANCE
    ).required()
    assert result.same_video.undecided == 1


def test_a_stream_that_ended_early_is_named():
    with pytest.raises(CheckError, match="slot 1 has 1 frames, expected 2"):
        check_batch_slots(dumps(same=[dumps().alone, {0: [box()]}]), 100, TOLERANCE).required()


def test_clips_with_the_same_boxes_could_hide_a_leak():
    with pytest.raises(CheckError, match="could not be seen; name a video"):
        check_batch_slots(dumps(mirrored_alone=dumps().alone), 100, TOLERANCE).required()


@pytest.mark.parametrize("is_static", [False, True])
def test_a_machine_that_holds_fewer_slots_plays_half_unless_the_engine_takes_no_fewer(
    tmp_path, monkeypatch, is_static
):
    played = []

    def dump_kitti(_program, config, directory, _timeout_s, log, _facts):
        streams = config.read_text().count("[source")
        played.append(streams)
        if streams > 2:
            log.write_text("ERROR: std::bad_alloc\n")
            raise BuildError(f"{log}: deepstream-app ended with exit status 255: ERROR: std::bad_alloc")
        directory.mkdir()
        for slot in range(streams):
            (directory / f"00_{slot:03d}_000000.txt").write_text("")

    monkeypatch.setattr(batch_slots, "dump_kitti", dump_kitti)
    infer = tmp_path / "infer.txt"
    places = (tmp_path / "part.mp4", tmp_path / "mirrored.mp4", (64, 64), infer, infer, tmp_path)
    runs = SlotRuns("deepstream-app", *places, timeout_s=1, facts={}, is_static=is_static)
    logs = {name: tmp_path / f"{name}.log" for name in LOGS}
    if is_static:
        with pytest.raises(
            BuildError, match=r"^4 batch slots cannot be played here: too little memory .* is static"
        ):
            runs.play(4, logs)
        assert played == [1, 1, 4]
    else:
        dumps = runs.play(4, logs)
        assert (len(dumps.same), dumps.limit.partition(" (")[0]) == (
            2,
            "4 slots: too little memory on the host",
        )
        assert played == [1, 1, 4, 2, 2]
