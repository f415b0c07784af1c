"""The pairings of TensorRT and DeepStream between those of tests/workflow/test_nvidia_pairings.py."""

from pairings import MIDDLE, check_report


def test_middle_pairing_is_built_measured_and_shown(nvidia):
    nvidia.env |= MIDDLE.env()
    nvidia.run()
    check_report(nvidia, MIDDLE)
    assert "the run was DISTURBED" not in nvidia.text
