"""Jobs of a killed call in a pretended Slurm; tests/soak/test_slurm.py does it in a real one."""

import os

import pytest

from dsbench.dag.left_jobs import JOB_LOGS, LeftJobsError, cancel_left_jobs

SQUEUE = """#!/bin/sh
cat queue
"""
SCANCEL = """#!/bin/sh
echo "$@" > cancelled
test -e stubborn || : > queue
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    for name, text in (("squeue", SQUEUE), ("scancel", SCANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    rows = [
        ("17", tmp_path / JOB_LOGS / "rule_build_engine/rtdetr/17.log"),
        ("18", "/elsewhere/.snakemake/slurm_logs/rule_build_engine/rtdetr/18.log"),
        ("19", tmp_path / "slurm-19.out"),
        ("20_3", tmp_path / JOB_LOGS / "group_report/20.log"),
    ]
    (tmp_path / "queue").write_text("".join(f"{number:<24}{log!s:<400}\n" for number, log in rows))
    return tmp_path


def test_only_jobs_of_this_directory_are_cancelled(slurm):
    assert cancel_left_jobs() == ["17", "20_3"]
    assert (slurm / "cancelled").read_text() == "17 20_3\n"
    assert cancel_left_jobs() == []


def test_job_that_does_not_end_is_a_sentence(slurm):
    (slurm / "stubborn").touch()
    with pytest.raises(LeftJobsError, match=r"Slurm's jobs 17, 20_3 were left by a killed call"):
        cancel_left_jobs(patience_s=0.1)


def test_without_slurm_there_is_nothing_to_cancel(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cancel_left_jobs() == []
