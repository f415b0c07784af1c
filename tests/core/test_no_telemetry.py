"""The libraries that run graphs report to nobody: no request goes out, and no identifier of the machine is kept."""

import onnx
from file_server import FileServer, OtherHosts

import tiny_graphs as graphs
from bounded_child import run_child

EMBEDDED = """
import sys
import dsembed.engine.network
print(sys.modules["openvino_telemetry"], "openvino.tools.ovc.telemetry_stub" in sys.modules)
"""
LOADED = """
import os, sys
os.environ["HOME"] = os.getcwd()
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
    os.environ[name] = os.environ[name.lower()] = sys.argv[2]
# What a user or a service of builds may have set, and what silences ONNX Runtime.
for name in ("XDG_CACHE_HOME", "CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY"):
    os.environ.pop(name, None)
import dsbench.onnx.compare
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""


def test_the_embedded_runtime_reports_to_nobody(tmp_path):
    done = run_child(EMBEDDED, folder=tmp_path)
    assert done.text == "None True\n"


def test_a_graph_that_onnx_runtime_loads_is_reported_to_nobody(tmp_path):
    proxy, home = FileServer(OtherHosts), tmp_path / "home"
    home.mkdir()
    onnx.save(graphs.queries(), tmp_path / "model.onnx")
    done = run_child(LOADED, tmp_path / "model.onnx", proxy.url, folder=home)
    assert (done.status, done.text) == (0, "")
    assert list(home.rglob("*")) == [], "an identifier of this machine, or a report to be sent later"
    assert proxy.requests == []
