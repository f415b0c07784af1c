import re
import subprocess
import sys

from dsbench.families.declared import families
from workflow_run import PROJECT

SPEED = PROJECT / "benchmarks/parser_speed.py"


def run(*arguments):
    return subprocess.run([sys.executable, SPEED, *arguments], capture_output=True, text=True, check=False)


def test_parsers_are_measured_in_both_number_types_and_ten_times_as_fast_as_the_plain_decoder():
    done = run("sigmoid_queries.cpp")
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    measured = [(row[1], row[2]) for row in rows]
    assert measured[:2] == [("300x80, 300x4", "float32"), ("300x80, 300x4", "float16")]
    assert all(float(row[6]) > 10 for row in rows[:2])


def test_every_line_of_the_benchmark_is_a_parser_and_another_name_is_refused():
    written_down = set(re.findall(r'"(\w+\.cpp)": Subject', SPEED.read_text()))
    assert written_down <= {family.head.parser_source for family in families()}
    done = run("nothing.cpp")
    assert done.returncode != 0 and "no parser nothing.cpp; there are" in done.stderr
