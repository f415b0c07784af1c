"""OpenVINO is imported without the package by which it reports to an analytics service."""

from bounded_child import run_child

IMPORTED = """
import sys
import dsembed.engine.network
print(sys.modules["openvino_telemetry"], "openvino.tools.ovc.telemetry_stub" in sys.modules)
"""


def test_the_embedded_runtime_reports_to_nobody(tmp_path):
    done = run_child(IMPORTED, folder=tmp_path)
    assert done.text == "None True\n"
