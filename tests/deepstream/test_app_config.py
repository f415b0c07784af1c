from pathlib import Path

import pytest

from dsbench.deepstream.app_config import Clip, relative_to_config, render_app_config, uri_in_config
from dsembed.deepstream_app.app_settings import read_app_settings

CLIP = Clip("file:///clips/street%20100%25.mp4", 1280, 720)


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


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working directory with a clip and the folder of a configuration."""

    def made(name):
        (tmp_path / name / "models/m/config").mkdir(parents=True)
        (tmp_path / name / "clip é 1%.mp4").touch()
        monkeypatch.chdir(tmp_path / name)
        return tmp_path / name

    return made


def played(config, uri):
    """Return the file that the embedded deepstream-app plays."""
    config.write_text(render_app_config(Clip(uri, 64, 48), 1, "infer.txt"))
    return read_app_settings(config, print).sources[0].resolve()


@pytest.mark.parametrize("name", ["plain", "it's [my] $HOME é", "half 50% of #1?"])
def test_the_clip_is_found_from_the_configuration_and_after_a_move(project, name, monkeypatch):
    here, clip, config = project(name), Path("clip é 1%.mp4"), Path("models/m/config/app.txt")
    uri = uri_in_config(clip, config)
    assert played(config, uri) == here / clip
    there = here.rename(here.with_name("moved"))
    monkeypatch.chdir(there)
    if uri == uri_in_config(clip, config):
        assert uri == "file://../../../clip%20%C3%A9%201%25.mp4"
        assert read_app_settings(there / config, print).sources[0].resolve() == there / clip
        assert uri == uri_in_config(there / clip, config)
    else:
        assert "%" in name, "only a name that GStreamer would read as escaped has the place written out"
        assert uri == (here / clip).as_uri()


def test_a_place_outside_the_project_is_written_out(project, tmp_path):
    here, config = project("plain"), Path("models/m/config/app.txt")
    (tmp_path / "else").mkdir()
    (tmp_path / "clip.mp4").touch()
    assert uri_in_config(tmp_path / "clip.mp4", config) == f"file://{tmp_path}/clip.mp4"
    assert uri_in_config(Path("../clip.mp4"), config) == f"file://{tmp_path}/clip.mp4"
    (here / "models").rename(tmp_path / "else/models")
    (here / "models").symlink_to(tmp_path / "else/models")
    assert uri_in_config(Path("clip é 1%.mp4"), config) == (here / "clip é 1%.mp4").as_uri()


def test_the_embedded_runtime_reads_it_without_a_warning(tmp_path):
    config = tmp_path / "app.txt"
    config.write_text(render_app_config(CLIP, 2, "infer.txt", interval_s=1, loop=True))
    said = []
    settings = read_app_settings(config, said.append)
    assert said == []
    assert len(settings.sources) == 2
