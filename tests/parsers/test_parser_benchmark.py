import re
import subprocess
import sys

from dsbench.families.declared import families
from workflow_run import PROJECT

SPEED = PROJECT / "benchmarks/parser_speed.py"


def run(*arguments):
    return subprocess.run([sys.executable, SPEED, *arguments], capture_output=True, text=True, check=False)


def test_every_line_of_the_benchmark_is_a_parser_and_another_name_is_refused():
    written_down = set(re.findall(r'"(\w+\.cpp)": Subject', SPEED.read_text()))
    assert written_down <= {family.head.parser_source for family in families()}
    done = run("nothing.cpp")
    assert done.returncode != 0 and "no parser nothing.cpp; there are" in done.stderr
