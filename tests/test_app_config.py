from pathlib import Path

import pytest

from dsbench.app_config import Clip, render_app_config
from dsbench.config_path import relative_to_config
from dsbench.errors import BuildError
from dsembed.app_settings import read_app_settings

CLIP = Clip(Path("/clips/street 100%.mp4"), 1280, 720, 30.0)


def test_batch_is_the_number_of_streams_and_every_stream_has_a_source():
    text = render_app_config(CLIP, 3, "infer.txt", interval_s=2, loop=True)
    assert text.count("batch-size=3") == 2
    assert text.count("uri=file:///clips/street%20100%25.mp4") == 3
    assert "file-loop=1" in text and "perf-measurement-interval-sec=2" in text


def test_every_stream_reaches_a_sink_of_its_own():
    text = render_app_config(CLIP, 3, "infer.txt")
    for stream in range(3):
        assert f"[sink{stream}]\nenable=1\ntype=1\nsync=0\nsource-id={stream}\n" in text


def test_path_is_resolved_as_deepstream_does_where_the_folder_is_a_link(tmp_path):
    (tmp_path / "elsewhere/ds").mkdir(parents=True)
    (tmp_path / "my models").mkdir()
    (tmp_path / "my models/ds").symlink_to(tmp_path / "elsewhere/ds")
    (tmp_path / "my models/a.onnx").touch()
    config = tmp_path / "my models/ds/infer.txt"
    named = relative_to_config(tmp_path / "my models/a.onnx", config)
    assert named == "../../my models/a.onnx"
    assert (config.resolve().parent / named).is_file()


def test_dump_plays_once_without_perf_rows():
    text = render_app_config(CLIP, 1, "infer.txt", kitti_directory=Path("../samples/kitti_output"))
    assert "gie-kitti-output-dir=../samples/kitti_output" in text
    assert "file-loop=0" in text and "enable-perf-measurement=0" in text


def test_relative_clip_is_refused():
    with pytest.raises(BuildError, match=r"clip\.mp4: the clip's path must be absolute"):
        render_app_config(Clip(Path("clip.mp4"), 1280, 720, 30.0), 1, "infer.txt")


def test_the_embedded_runtime_reads_it_without_a_warning(tmp_path):
    config = tmp_path / "app.txt"
    config.write_text(render_app_config(CLIP, 2, "infer.txt", interval_s=1, loop=True))
    said = []
    settings = read_app_settings(config, said.append)
    assert said == []
    assert len(settings.sources) == 2
