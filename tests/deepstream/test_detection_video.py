"""The video on NVIDIA's runtime: which encoder opens, and what gst-launch-1.0 is asked for and believed."""

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dsbench.core.errors import BuildError
from dsbench.deepstream.app_config import Clip
from dsbench.deepstream.video import record_detections, video_command
from dsbench.machine.runtime import NVENC, THEORA, encoder
from workflow_run import PROJECT

FAKES = PROJECT / "tests/fakes/gstreamer"
NVINFER = """[property]
batch-size=1
model-engine-file=m_dynamic_b4.engine
onnx-file=m.onnx
labelfile-path=labels.txt
custom-lib-path=libparser.so
num-detected-classes=2
"""


@pytest.fixture(autouse=True)
def nvidia(monkeypatch):
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    encoder.cache_clear()
    yield
    encoder.cache_clear()


FRAMES = 12


def make_video(path, frames=FRAMES):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(frames):
            image = np.full((180, 320, 3), number * 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a space in it and the model's files, the clip with a % in its name beside it."""
    folder = tmp_path / "my project"
    (folder / "models/m/config").mkdir(parents=True)
    for name in ("m_dynamic_b4.engine", "m.onnx", "labels.txt", "libparser.so"):
        (folder / "models/m/config" / name).write_text("x")
    (folder / "models/m/config/infer.txt").write_text(NVINFER)
    monkeypatch.chdir(folder)
    return Clip(make_video(tmp_path / "clip 50%.mp4").as_uri(), 320, 180)


def record(clip, marker=NVENC, suffix="mp4"):
    destination = Path(f"models/m/samples/m_output.{suffix}")
    record_detections(
        clip,
        FRAMES,
        Path("models/m/config/infer.txt"),
        marker,
        destination,
        20,
        Path("logs/video.log"),
        {"gpu": "L40S"},
    )
    return destination


@pytest.mark.parametrize(
    ("missing", "nvenc", "marker"),
    [
        ("", "open", "nvv4l2h264enc"),
        ("", "closed", "theoraenc-fallback"),
        ("mp4mux", "open", "theoraenc-fallback"),
        ("theoraenc", "open", "nvv4l2h264enc"),
        ("theoraenc", "closed", "skipped"),
        ("oggmux,nvv4l2h264enc", "open", "skipped"),
        ("nvdsosd", "open", "skipped"),
    ],
)
def test_encoder_is_the_first_that_opens(monkeypatch, missing, nvenc, marker):
    monkeypatch.setenv("FAKE_GST_MISSING", missing)
    monkeypatch.setenv("FAKE_NVENC", nvenc)
    assert encoder("nvidia") == {"gstreamer": "1.24.2", "encoder": marker}


@pytest.mark.parametrize(("script", "fails"), [("gst-launch-1.0", True), ("gst-inspect-1.0", False)])
def test_embedded_runtime_needs_gstreamer_and_each_element(tmp_path, monkeypatch, script, fails):
    monkeypatch.setenv("PATH", str(tmp_path))
    bodies = {"gst-launch-1.0": "echo version 1.22", "gst-inspect-1.0": "exit 0"}
    bodies[script] = "exit 1" if fails else '[ "$3" != theoraenc ]'
    for name, body in bodies.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    assert encoder("embedded")["encoder"] == "skipped"


@pytest.mark.parametrize(("marker", "suffix"), [(NVENC, "mp4"), (THEORA, "ogv")])
def test_video_has_every_frame_and_its_name_follows_from_the_encoder(project, marker, suffix):
    file = record(project, marker, suffix)
    with av.open(str(file)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    log = Path("logs/video.log").read_text()
    assert "# command: gst-launch-1.0 -q -e uridecodebin" in log and "# gpu: L40S" in log
    assert "clip%2050%25.mp4" in log and "Use deserialized engine model" in log


def test_software_h264_encoders_are_nowhere(project):
    for marker in (NVENC, THEORA):
        words = video_command(project, Path("infer.txt"), marker, Path("out"))
        assert not {"x264enc", "openh264enc"} & set(words)
    sources = [
        *PROJECT.glob("workflow/**/*.py"),
        *PROJECT.glob("rules/*.smk"),
        PROJECT / "config/config.yaml",
    ]
    assert not [file for file in sources if "264enc" in file.read_text().replace("nvv4l2h264enc", "")]


def test_stand_in_refuses_what_gstreamer_refuses():
    for words, says in (("x264enc", 'no element "x264enc"'), ("fakesink colour=1", 'no property "colour"')):
        done = subprocess.run(["gst-launch-1.0", *words.split()], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and says in done.stderr


@pytest.mark.parametrize(
    ("env", "says"),
    [
        (
            {"FAKE_NVENC": "closed"},
            "gst-launch-1.0 ended with exit status 1: ERROR: from element .*nvv4l2h264enc",
        ),
        (
            {"FAKE_DEEPSTREAM": "other-tensorrt"},
            "video.log: the engine was rebuilt instead of loaded: it is of Tensor",
        ),
        ({"FAKE_DEEPSTREAM": "parser-fails"}, "video.log: frames without post-processing were counted"),
        ({"FAKE_GST_ENCODES": "/dev/null"}, "not a readable video"),
        (
            {"FAKE_GST_ENCODES": "short.mp4"},
            "video.log: 11 frames in the encoded video, expected the clip's 12",
        ),
    ],
)
def test_video_that_is_not_whole_is_refused(project, monkeypatch, env, says):
    make_video(Path("short.mp4"), frames=11)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BuildError, match=says):
        record(project)
    assert not list(Path("models/m/samples").iterdir())


def test_no_encoder_is_one_sentence(project):
    with pytest.raises(BuildError, match="no usable encoder"):
        record(project, "skipped")
