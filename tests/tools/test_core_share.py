"""Which cores belong to measurements of GPUs, and which to the work that overlaps with them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsbench.tools.core_share import cores_without_gpu, measuring_threads

LIBRARY = Path(__file__).parents[2] / "workflow/scripts"
TOLD = """
import json, os, sys
from dsbench.trtexec import measuring_device
from dsbench.dag.rule_script import explained

def cores():
    return sorted(os.sched_getaffinity(0))

with explained(sys.argv[1]):
    told = [cores()]
    with measuring_device.measuring_device([sys.argv[2]], "x.log"):
        told.append(cores())
    told.append(cores())
print(json.dumps(told))
"""


@pytest.mark.parametrize(
    ("kind", "cores", "gpus", "threads", "others"),
    [
        ("embedded", 8, 1, 8, 0),
        ("embedded", 8, 4, 8, 0),
        ("nvidia", 1, 1, 1, 0),
        ("nvidia", 2, 1, 1, 1),
        ("nvidia", 16, 1, 12, 4),
        ("nvidia", 16, 4, 3, 4),
        ("nvidia", 4, 8, 1, 1),
        ("nvidia", 16, 0, 12, 4),
    ],
)
def test_measurements_on_all_gpus_leave_cores_to_other_work_and_one_of_the_processor_none(
    kind, cores, gpus, threads, others
):
    assert (measuring_threads(kind, cores, gpus), cores_without_gpu(kind, cores)) == (threads, others)


def told_by_a_script(tmp_path, others):
    """Return the cores that a rule's script may use: before, while and after it holds its device."""
    fact = tmp_path / "runtime.json"
    fact.write_text('"embedded"')
    env = {key: value for key, value in os.environ.items() if key != "CORES_WITHOUT_GPU"} | others
    command = [sys.executable, "-c", TOLD, str(tmp_path / "x.log"), str(fact)]
    done = subprocess.run(command, env=env | {"PYTHONPATH": str(LIBRARY)}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core cannot be shared out")
def test_script_keeps_off_the_cores_of_measurements_unless_it_measures(tmp_path):
    everyone = sorted(os.sched_getaffinity(0))
    assert told_by_a_script(tmp_path, {"CORES_WITHOUT_GPU": "1"}) == [
        everyone[-1:],
        everyone[:-1],
        everyone[-1:],
    ]


@pytest.mark.parametrize("others", [{}, {"CORES_WITHOUT_GPU": "0"}, {"CORES_WITHOUT_GPU": "4096"}])
def test_without_a_share_all_cores_are_everybody_s(tmp_path, others):
    assert told_by_a_script(tmp_path, others) == [sorted(os.sched_getaffinity(0))] * 3
