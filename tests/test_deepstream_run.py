"""Measured runs of deepstream-app: one that stalled is done once more, and no oftener."""

import pytest

from dsbench.deepstream_run import measure_streams
from dsbench.perf_log import StalledStreamError
from workflow_run import PROJECT

FAKE = PROJECT / "tests/fakes/deepstream-app"


@pytest.fixture
def measure(tmp_path):
    """Return a function that measures two streams with an app that stalls in its first `times` runs."""

    def run(times):
        (tmp_path / "app.txt").write_text("[application]\n[source0]\n[source1]\n")
        program = tmp_path / "deepstream-app"
        program.write_text(
            f'#!/bin/sh\necho run >> "{tmp_path}/runs"\n'
            f'[ $(wc -l < "{tmp_path}/runs") -le {times} ] && export FAKE_DEEPSTREAM=stall\n'
            f'exec "{FAKE}" "$@"\n'
        )
        program.chmod(0o755)
        log = tmp_path / "ds.log"
        return measure_streams(str(program), tmp_path / "app.txt", 2, 1, 4, 20, log, {})

    return run


def test_a_stalled_run_is_done_once_more_and_its_log_kept(measure, tmp_path, capsys):
    assert measure(1).total_fps == pytest.approx(70)
    assert "0.00 (0.00)" in (tmp_path / "ds_disturbed.log").read_text().split("** ERROR")[0].splitlines()[-1]
    assert "stream 1 stalled" in capsys.readouterr().err
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_run_that_stalls_twice_is_refused(measure, tmp_path):
    with pytest.raises(StalledStreamError, match=r"ds\.log: stream 1 stalled"):
        measure(2)
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_clean_run_is_not_repeated(measure, tmp_path):
    measure(0)
    assert (tmp_path / "runs").read_text().count("run") == 1
    assert not (tmp_path / "ds_disturbed.log").exists()
