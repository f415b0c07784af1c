import json
import subprocess
import sys
from pathlib import Path

import pytest

from dsbench.checks.verdict import CheckError, Verdict

NUMBERS = {"boxes": 3, "passed": False}
SCRIPT = """
from dsbench.checks.verdict import Verdict
from dsbench.dag.rule_script import explained

with explained("check.log"):
    Verdict({"boxes": 3, "passed": False}, "3 boxes, 4 are required.").required()
"""


def test_numbers_of_a_check_that_passed_are_given():
    assert Verdict(NUMBERS).passed
    assert Verdict(NUMBERS).required() == NUMBERS


def test_a_check_that_did_not_pass_stops_with_reason_and_numbers():
    verdict = Verdict(NUMBERS, "3 boxes, 4 are required.")
    assert not verdict.passed
    with pytest.raises(CheckError, match=r"^3 boxes, 4 are required\.$") as error:
        verdict.required()
    assert error.value.numbers == NUMBERS


def test_a_rules_log_keeps_the_numbers_of_a_check_that_did_not_pass(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "workflow/scripts"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    numbers, error = (tmp_path / "check.log").read_text().split("ERROR ")
    assert done.returncode == 1 and "ERROR 3 boxes, 4 are required." in done.stderr
    assert json.loads(numbers) == NUMBERS and error == "3 boxes, 4 are required.\n"
