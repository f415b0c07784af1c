import io

import av
import cv2
import numpy as np
import pytest

from dsbench.boxes.drawing import class_colours, draw_detections
from dsbench.boxes.kitti import Detection
from dsbench.deepstream import video
from dsbench.deepstream.video import VideoError, extract_frames, record_overlay
from rendered import FRAMES, make_video, needs_theora


def pictures(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


@needs_theora
@pytest.mark.parametrize("size", [(320, 180), (322, 182), (333, 187)], ids=str)
def test_every_frame_is_encoded_with_its_boxes(tmp_path, size):
    video = make_video(tmp_path / "in.mp4", *size)
    shown = [frame.shape[1::-1] for frame in pictures(video)]
    # Boxes in a muxer of twice the size, only in even frames.
    detection = Detection("car", 200.0, 120.0, 400.0, 300.0, 0.9)
    kitti = {number: [detection] if number % 2 == 0 else [] for number in range(FRAMES)}
    destination = tmp_path / "samples" / "out.ogv"
    muxer_size = (shown[0][0] * 2, shown[0][1] * 2)
    assert (
        record_overlay(video, 30, kitti, destination, tmp_path / "video.log", muxer_size)
        == "theoraenc-fallback"
    )
    encoded = pictures(destination)
    assert len(encoded) == FRAMES
    for number, image in enumerate(encoded):
        coloured = np.ptp(image[100, 80:120].astype(int), axis=1).max() > 60
        assert coloured == (number % 2 == 0), number
        grey = image[20, 20].astype(int)
        assert abs(grey - number * 255 // FRAMES).max() < 12, "the picture itself is kept, row by row"


@needs_theora
@pytest.mark.parametrize("name", ["with space", "quote'\"", "bang ! sink", "back\\slash", "größe"])
def test_any_path_is_written(tmp_path, name):
    destination = tmp_path / name / "out.ogv"
    record_overlay(make_video(tmp_path / "in.mp4"), 30, {}, destination, tmp_path / "video.log")
    assert len(pictures(destination)) == FRAMES
    assert [path.name for path in destination.parent.iterdir()] == ["out.ogv"]


def fake_gstreamer(tmp_path, monkeypatch, script):
    tool = tmp_path / "bin" / "gst-launch-1.0"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no element >&2; exit 1", "gst-launch-1.0 exited with 1"),
        ("cat > /dev/null", "No such file|not a readable video"),
        ("cat > /dev/null; : > overlay.ogv", "not a readable video"),
    ],
)
def test_encoder_that_fails_leaves_its_log_and_no_video(tmp_path, monkeypatch, script, reason):
    video = make_video(tmp_path / "in.mp4")
    fake_gstreamer(tmp_path, monkeypatch, script)
    destination = tmp_path / "samples" / "out.ogv"
    with pytest.raises(VideoError, match=reason):
        record_overlay(video, 30, {}, destination, tmp_path / "video.log")
    assert (tmp_path / "video.log").exists()
    assert list(destination.parent.iterdir()) == []


def test_lost_frames_are_noticed(tmp_path, monkeypatch):
    short = make_video(tmp_path / "short.mp4", frames=FRAMES - 1)
    fake_gstreamer(tmp_path, monkeypatch, f"cat > /dev/null; cp '{short}' overlay.ogv")
    with pytest.raises(VideoError, match="12 frames went into the encoder, 11 came out"):
        record_overlay(make_video(tmp_path / "in.mp4"), 30, {}, tmp_path / "o.ogv", tmp_path / "log")


@pytest.mark.parametrize("content", [None, b"not a video"])
def test_unreadable_video_is_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "in.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"in\.mp4: .*expected a video file that FFmpeg can decode"):
        record_overlay(tmp_path / "in.mp4", 30, {}, tmp_path / "out.ogv", tmp_path / "video.log")


def test_stills_come_from_the_three_thirds(tmp_path):
    video = make_video(tmp_path / "in.mp4")
    paths = extract_frames(video, tmp_path / "samples")
    assert [path.name for path in paths] == ["frame_first.jpg", "frame_middle.jpg", "frame_last.jpg"]
    levels = [cv2.imread(str(path)).mean() for path in paths]
    expected = [index * 255 // FRAMES for index in (2, 6, 10)]
    assert np.allclose(levels, expected, atol=8)


def test_one_frame_gives_three_stills(tmp_path):
    paths = extract_frames(make_video(tmp_path / "in.mp4", frames=1), tmp_path / "samples")
    assert all(path.stat().st_size > 0 for path in paths)


def test_the_log_has_the_progress_every_ten_seconds(monkeypatch):
    clock, log = iter(np.arange(0.0, 1000.0, 4.0)), io.BytesIO()
    monkeypatch.setattr(video.time, "monotonic", lambda: next(clock))
    assert len(list(video._progress(iter(range(10)), 10, log))) == 10
    said = log.getvalue().decode().splitlines()
    assert 2 <= len(said) <= 4 and said[0] == "video: frame 2 of 10"


def test_label_tag_stays_in_the_picture_and_colours_belong_to_labels():
    detections = [Detection("car", 0, 0, 60, 60, 0.9), Detection("person", 250, 100, 320, 180, 0.8)]
    colours = class_colours({0: detections})
    assert len(set(colours.values())) == 2
    image = np.zeros((180, 320, 3), np.uint8)
    draw_detections(image, detections, (320, 180), colours)
    for detection in detections:
        assert (image == colours[detection.label]).all(axis=2).sum() > 200
