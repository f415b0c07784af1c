"""An exporter that is killed says nothing of the model: the job is begun again with it."""

import json
import os
import signal
import time
from pathlib import Path

from dsbench.tools.tool_run import descendants
from killed_job import fresh


def test_a_killed_export_is_begun_again_and_no_other_exporter_is_taken(killable):
    fresh(killable.finished, killable.directory, is_exported=False)
    killable.arguments, attempts = (
        ("build/export/rtdetr/model.onnx",),
        "models/rtdetr/model/export_attempts.json",
    )
    call, exporter = killable.call(), None
    while exporter is None:
        assert call.poll() is None, killable.log.read_text()
        time.sleep(0.02)
        exporter = next((pid for pid in descendants(call.pid) if "torch_export" in _command(pid)), None)
    os.kill(exporter, signal.SIGKILL)
    assert call.wait() != 0
    said = killable.log.read_text()
    assert "optimum ended with signal SIGKILL" in said and "says nothing about the model" in said
    assert not (killable.directory / attempts).exists()
    assert killable.call().wait() == 0, killable.log.read_text()
    again, whole = (
        json.loads((tree / attempts).read_text()) for tree in (killable.directory, killable.finished)
    )
    assert [(each["method"], each["verdict"]) for each in again["attempts"]] == [
        (each["method"], each["verdict"]) for each in whole["attempts"]
    ]


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
