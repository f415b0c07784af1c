import os
from pathlib import Path

import pytest

from dsbench.errors import BuildError
from dsbench.tool_run import ToolFailedError
from dsbench.trtexec_command import Profile
from dsbench.trtexec_log import TrtexecLogError
from dsbench.trtexec_run import benchmark_engine, build_engine, trtexec_version

FAKE = str(Path(__file__).parent / "fakes/trtexec")
PROFILE = Profile("pixel_values", (3, 320, 320), 4)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"onnx")
    return tmp_path


def build(folder, seed=None, **settings):
    build_engine(
        program=FAKE,
        version=(10, 16, 0),
        onnx=folder / "m.onnx",
        engine=folder / "m_dynamic_b4.engine",
        timing_cache=folder / "timing_b4.cache",
        seed_cache=seed,
        profile=PROFILE,
        precision="fp16",
        workspace_mib=1024,
        log=folder / "build.log",
        facts={"driver": '"595"'},
        **settings,
    )


def test_engine_appears_under_its_name_only_when_it_is_whole(folder):
    build(folder)
    assert (folder / "m_dynamic_b4.engine").stat().st_size > 0
    assert not list(folder.glob("*.partial"))
    assert '# driver: "595"' in (folder / "build.log").read_text()


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("fail", ToolFailedError, "out of memory"),
        ("no-verdict", TrtexecLogError, "0 PASSED banners"),
        ("empty-engine", BuildError, "left no engine"),
    ],
)
def test_a_build_that_failed_leaves_no_engine(folder, monkeypatch, how, error, says):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", how)
    with pytest.raises(error, match=says):
        build(folder)
    assert not list(folder.glob("*.engine*"))


def test_shape_is_checked_against_what_was_asked(folder, monkeypatch):
    build(folder)
    engine, log = folder / "m_dynamic_b4.engine", folder / "b4.log"
    rate = benchmark_engine(FAKE, (10, 16, 0), engine, PROFILE, 4, 10, 1000, log, {})
    assert rate == pytest.approx(75)
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "other-shape")
    with pytest.raises(TrtexecLogError, match="asked for"):
        benchmark_engine(FAKE, (10, 16, 0), engine, PROFILE, 4, 10, 1000, log, {})


def test_version_is_the_recorded_one():
    assert trtexec_version({"version": "8.6.1"}) == (8, 6, 1)
    assert trtexec_version({"embedded_sources_sha256": "x"}) == (10, 16, 0)
