"""The whole build on the oldest and the newest pairing of TensorRT and DeepStream, by programs as strict as NVIDIA's.

tests/soak/test_more_pairings.py has those between.
"""

from nvidia_job import MARKDOWN, NvidiaJob
from pairings import BUSY, NEWEST, OLDEST, check_disturbed, check_report


def test_newest_pairing_is_built_measured_and_shown(measured):
    job = NvidiaJob(measured, {})
    check_report(job, NEWEST)
    assert "the run was DISTURBED" not in job.text


def test_oldest_pairing_on_a_busy_gpu_is_built_measured_and_shown_as_disturbed(nvidia):
    nvidia.env |= OLDEST.env() | BUSY
    nvidia.run(MARKDOWN)
    check_report(nvidia, OLDEST)
    check_disturbed(nvidia)
