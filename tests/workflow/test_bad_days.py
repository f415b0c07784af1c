"""A full disk, a closed one, a clock set back: a sentence each, and a state that the next call repairs."""

import errno
import math
import os
import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from dsbench.boxes.kitti import KittiError, parse_line
from dsbench.core.errors import BuildError, check_storage
from dsbench.core.file_times import bring_back
from dsbench.dag.rule_script import explained
from dsbench.report.pdf import write_pdf
from dsbench.tools.tool_run import run_tool
from dsbench.trtexec.log import TrtexecLogError, read_measurement
from workflow_run import snakemake

LOG = Path(__file__).parents[1] / "data/trtexec_10.16_b8.log"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"a small disk needs root and mount: {made.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def said(capsys, log):
    """Return the exit status and the one sentence of the job that just ended, on the terminal."""
    text = capsys.readouterr().err
    return re.findall(r"^ERROR (.*)$", text, re.M)


def test_full_disk_of_the_logs_stops_the_tool_in_one_sentence(small_disk, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    log = small_disk / "logs/b4.log"
    tool = [sys.executable, "-c", "while True: print('x' * 1000, flush=True)"]
    with pytest.raises(SystemExit), explained(str(log)):
        run_tool(tool, log, {}, timeout_s=20)
    assert said(capsys, log) == [f"{log}: the disk is full; free some space and run the same command again"]


def test_job_says_which_file_may_not_be_written(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for number, words in (
        (errno.EROFS, "is on a disk mounted read-only"),
        (errno.EACCES, "may not be read, written or run by this user"),
    ):
        with pytest.raises(SystemExit), explained("x.log"):
            raise OSError(number, "no", "models/m/max_bs.json")
        expected = f"models/m/max_bs.json: {words}; correct that and run the same command again"
        assert said(capsys, None) == [expected]
    with pytest.raises(FileNotFoundError), explained("x.log"):
        raise FileNotFoundError(errno.ENOENT, "no", "models/m/max_bs.json")


def test_call_with_a_full_or_closed_disk_is_refused_before_it_begins(small_disk, tmp_path):
    check_storage([tmp_path, tmp_path / "not made yet"])
    with pytest.raises(
        BuildError, match=rf"{small_disk}: the disk is full \(0\.2 MiB are free, at least 4 are"
    ):
        check_storage([tmp_path, small_disk])
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(BuildError, match=rf"{small_disk}: cannot be written; make it writable"):
        check_storage([tmp_path, small_disk])


def test_page_larger_than_the_temporary_disk_is_no_short_pdf(small_disk, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    page = "<!DOCTYPE html><html><body>" + "<p>line</p>" * 100_000 + "</body></html>"
    with pytest.raises(OSError, match="No space left"):
        write_pdf(page, tmp_path / "report.pdf", tmp_path / "print.log")
    assert not (tmp_path / "report.pdf").exists()


def test_temporary_files_of_a_job_lie_on_the_builds_own_disk(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "/nowhere")
    with explained("x.log"):
        import tempfile

        assert Path(tempfile.mkdtemp()).is_relative_to(tmp_path / ".snakemake/tmp")
        shown = subprocess.run(["mktemp", "-u"], capture_output=True, text=True, check=True).stdout
        assert Path(shown).is_relative_to(tmp_path / ".snakemake/tmp")


def test_files_of_the_future_get_the_present_time_in_their_order(tmp_path):
    files = [tmp_path / "models/m" / name for name in ("old", "onnx", "engine", "log")]
    files[0].parent.mkdir(parents=True)
    environment = tmp_path / "models/.venv/lib/x.py"
    environment.parent.mkdir(parents=True)
    (tmp_path / "models/.venv/pyvenv.cfg").touch()
    now = time.time()
    for file, ahead_s in zip((*files, environment), (-60, 3600, 3610, 7200, 3600), strict=True):
        file.touch()
        os.utime(file, (now + ahead_s, now + ahead_s))
    count, ahead_s = bring_back([tmp_path / "models", tmp_path / "build"], tmp_path)
    assert (count, round(ahead_s, -1)) == (3, 7200)
    times = [file.stat().st_mtime_ns for file in files]
    assert all(one < other for one, other in pairwise(times)) and times[-1] / 1e9 <= time.time()
    assert round(now - times[0] / 1e9) == 60
    assert environment.stat().st_mtime > now + 3000
    assert bring_back([tmp_path / "models"], tmp_path) == (0, 0.0)


def test_call_after_the_clock_was_set_back_gives_files_its_time_and_a_dry_run_does_not(tmp_path):
    fact = "build/toolchain/compiler.json"
    assert snakemake(tmp_path, fact).returncode == 0
    ahead = time.time() + 3600
    os.utime(tmp_path / fact, (ahead, ahead))
    assert "the clock was set back" not in snakemake(tmp_path, fact, "-n").stdout
    done = snakemake(tmp_path, fact)
    assert done.returncode == 0
    assert "the clock was set back: 1 files were up to 3" in done.stdout
    assert (tmp_path / fact).stat().st_mtime < time.time() + 1


def test_call_in_a_tree_that_cannot_be_written_is_refused_in_one_sentence(small_disk):
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    models = small_disk / "job/models"
    models.mkdir(parents=True)
    subprocess.run(["mount", "--bind", models, models], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", models], check=True)
    try:
        done = snakemake(small_disk / "job", "build/toolchain/compiler.json")
    finally:
        subprocess.run(["umount", "-l", models], check=True)
    assert done.returncode == 1
    assert "models: cannot be written; make it writable and run the same command again" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("value", ["nan", "-nan", "inf"])
@pytest.mark.parametrize(
    "place",
    [r"(Throughput: )[\d.]+", r"(GPU Compute Time: .*mean = )[\d.]+", r"(percentile\(99%\) = )[\d.]+"],
)
def test_no_number_in_a_summary_is_refused(tmp_path, place, value):
    log = tmp_path / "b8.log"
    changed, count = re.subn(place, rf"\g<1>{value}", LOG.read_text())
    assert count
    log.write_text(changed)
    with pytest.raises(TrtexecLogError, match=rf"trtexec counted wrong \(.*{value}.*\); measure again"):
        read_measurement(log)


@pytest.mark.parametrize("field", [4, 15])
def test_no_number_in_a_box_is_refused(field):
    fields = ["car", "0.0", "0", "0.0", *(["1.0", "2.0", "3.0", "4.0"]), *(["0.0"] * 7), "0.9"]
    assert math.isclose(parse_line(" ".join(fields), "f").confidence, 0.9)
    fields[field] = "nan"
    with pytest.raises(KittiError, match="a number is not finite"):
        parse_line(" ".join(fields), "00_000_000000.txt, line 1")
