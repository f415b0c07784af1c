import os
import re
from pathlib import Path

import pytest

from dsbench.trtexec.build_log import check_build, read_build
from dsbench.trtexec.command import Precision, Profile
from dsbench.trtexec.log import TrtexecLogError

DATA = Path(__file__).parents[1] / "data"
LOG = DATA / "trtexec_10.16_build_b8.log"
REAL_LOGS = Path(os.environ.get("REAL_LOGS", Path(__file__).parents[3] / "shared/real-logs"))
PROFILE = Profile("images", (3, 640, 640), 8)
FP16 = Precision("fp16")
# 14.2063 MiB as the file has them.
SIZE_BYTES = round(14.2063 * 2**20)


def check(build, size_bytes=SIZE_BYTES, profile=PROFILE, precision=FP16, workspace_mib=4096):
    check_build(build, size_bytes, profile, precision, workspace_mib, "build.log")


def test_build_log_gives_what_was_built():
    build = read_build(LOG)
    assert (build.engine_mib, build.build_s, build.workspace_mib) == (14.2063, 98.7714, 4096.0)
    assert build.precision == "FP32+FP16"
    assert build.profile == ("1x3x640x640", "8x3x640x640", "8x3x640x640")
    assert (build.plan, build.peak_cpu_mib, build.peak_gpu_mib) == (None, None, None)
    check(build)


def test_other_versions_say_the_same_in_their_words():
    old, new = (read_build(DATA / f"trtexec_{version}_build_b8.log") for version in ("8.6", "11.1"))
    assert old.profile == new.profile == ("1x3x640x640", "8x3x640x640", "8x3x640x640")
    assert (old.engine_mib, old.peak_cpu_mib, old.peak_gpu_mib) == (None, 13, 398)
    assert (new.engine_mib, new.peak_cpu_mib, new.peak_gpu_mib) == (13.8115, 2417, 371)
    check(old)
    check(new, round(13.8115 * 2**20), precision=Precision("fp16", strongly_typed=True))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"size_bytes": 0}, "left no engine"),
        ({"size_bytes": 1000}, r"created an engine of 14.2063 MiB, the file has 0.000953674 MiB"),
        ({"precision": Precision("fp32")}, r"precision is FP32\+FP16, asked for FP32"),
        ({"precision": Precision("fp16", strongly_typed=True)}, "asked for Strongly Typed"),
        ({"profile": Profile("images", (3, 640, 640), 4)}, r"asked for 1x3x640x640\+4x3x640x640"),
        ({"profile": Profile("images", (3, 640, 640), 8, static=True)}, "asked for model"),
        ({"workspace_mib": 1024}, "workspace is 4096.0 MiB, asked for 1024 MiB"),
    ],
)
def test_engine_that_is_not_what_was_asked_for_is_refused(asked, says):
    with pytest.raises(TrtexecLogError, match=says):
        check(read_build(LOG), **asked)


def test_build_that_passed_with_error_lines_is_judged_by_what_it_built(tmp_path):
    log = tmp_path / "build.log"
    error = "[08/02/2026-10:15:52] [E] Error Code: 9: Skipping tactic 0x1 due to exception"
    log.write_text(f"{error}\n{error}\n{LOG.read_text()}")
    assert read_build(log).errors == ["Error Code: 9: Skipping tactic 0x1 due to exception"]
    check(read_build(log))
    with pytest.raises(TrtexecLogError, match="left no engine"):
        check(read_build(log), 0)
    log.write_text(log.read_text().replace("&&&& PASSED", "&&&& FAILED"))
    with pytest.raises(TrtexecLogError, match="ended with FAILED, expected PASSED: Error Code: 9"):
        read_build(log)


def test_engine_of_no_size_that_passed_is_refused(tmp_path):
    log = tmp_path / "build.log"
    log.write_text(LOG.read_text().replace("size: 14.2063", "size: 0"))
    with pytest.raises(TrtexecLogError, match=r"an engine of 0\.0 MiB, the file has 14\.2063"):
        check(read_build(log))


def test_workspace_that_nobody_limited_is_none_and_refused_where_it_was_asked_for(tmp_path):
    log = tmp_path / "build.log"
    log.write_text(LOG.read_text().replace("workspace: 4096 MiB", "workspace: default"))
    assert read_build(log).workspace_mib is None
    with pytest.raises(TrtexecLogError, match="asked for 4096 MiB"):
        check(read_build(log))


@pytest.mark.parametrize(("asked", "printed"), [(1_234_567, "1.23457e+06"), (1_048_576, "1.04858e+06")])
def test_workspace_of_seven_digits_is_printed_with_six(tmp_path, asked, printed):
    log = tmp_path / "build.log"
    log.write_text(LOG.read_text().replace("workspace: 4096 MiB", f"workspace: {printed} MiB"))
    check(read_build(log), workspace_mib=asked)
    with pytest.raises(TrtexecLogError, match=f"asked for {asked + 20} MiB"):
        check(read_build(log), workspace_mib=asked + 20)


def test_strong_typing_is_said_in_two_ways_and_never_by_a_weak_line():
    strong = Precision("fp16", strongly_typed=True)
    assert strong.is_stated_by("Strongly Typed") and strong.is_stated_by("FP32 (Strongly Typed)")
    assert not strong.is_stated_by("FP32+FP16")
    assert not FP16.is_stated_by("FP32+FP16+INT8") and not Precision("fp32").is_stated_by("FP32+FP16")


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are kept outside the repository")
@pytest.mark.parametrize("name", sorted(p.name for p in REAL_LOGS.glob("trtexec-*.log")))
def test_real_log_gives_its_own_build_time_or_is_refused(name):
    text = (REAL_LOGS / name).read_text(errors="replace")
    stated = re.findall(r"\[I\] Engine built in ([0-9.]+) sec", text)
    try:
        found = read_build(REAL_LOGS / name)
    except TrtexecLogError as error:
        assert not stated, error
    else:
        assert [float(seconds) for seconds in stated] == [found.build_s]
        workspace = re.findall(r"\[I\] Memory Pools: workspace: (\S+) MiB", text)
        assert [found.workspace_mib] == ([float(mib) for mib in workspace] or [None])
