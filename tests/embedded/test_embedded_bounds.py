"""The embedded tools end within their bounds on graphs that never fit or never end, as the jobs of the build do."""

import os
import sys

import onnx
import psutil
import pytest

import tiny_graphs as graphs
from bounded_child import run_child
from dsbench.tools.doctor import limit_in
from dsbench.tools.tool_run import ToolTimeoutError, run_tool
from hostile_graphs import filled, filled_by_the_image, loop, turns_of_the_image

MOST_S, MOST_MB = 60, 400
BUILD = """
import os, sys
os.environ["DSEMBED_MEMORY_MIB"] = "1024"
from dsembed.shared import bounds
from dsembed.shared.entry import load_main
bounds.LOADING_S = bounds.RUN_S = bounds.RUN_S_OF_A_MEGAPIXEL = 1.0
shapes = [f"--{name}Shapes=pixel_values:{batch}x3x64x96" for name, batch in (("min", 1), ("opt", 2), ("max", 2))]
measured = ["--iterations=1", "--duration=0", "--warmUp=0"]
words = [f"--onnx={sys.argv[1]}", f"--saveEngine={sys.argv[1]}.engine", *shapes, *measured]
sys.exit(load_main("trtexec.program", 1)(words, "trtexec"))
"""
NEVER_FITS = {
    "ConstantOfShape": lambda: filled("ConstantOfShape", "n", n=([1 << 31],)),
    "of the image": filled_by_the_image,
}
NEVER_ENDS = {"constant turns": lambda: loop(turns=1 << 62), "turns of the image": turns_of_the_image}


def saved(folder, model):
    onnx.save(model, folder / "hostile.onnx")
    return folder / "hostile.onnx"


@pytest.mark.parametrize("kind", NEVER_FITS)
def test_a_graph_that_never_fits_fails_as_one_that_needs_too_much_memory(tmp_path, kind):
    done = run_child(BUILD, saved(tmp_path, NEVER_FITS[kind]()), folder=tmp_path)
    assert done.status == 1 and "&&&& FAILED" in done.text
    assert limit_in(done.text).startswith("too little memory"), done.text
    assert done.seconds < MOST_S and done.peak_mb < MOST_MB
    assert [file.name for file in tmp_path.iterdir()] == ["hostile.onnx"]


@pytest.mark.parametrize("kind", NEVER_ENDS)
def test_a_graph_that_never_ends_is_stopped_and_the_build_says_why(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    model, log = saved(tmp_path, NEVER_ENDS[kind]()), tmp_path / "logs/build.log"
    with pytest.raises(
        ToolTimeoutError, match="bound of processor time, before the model's graph had answered"
    ):
        run_tool([sys.executable, "-c", BUILD, str(model)], log, {}, timeout_s=MOST_S)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["hostile.onnx", "logs"]


def test_a_sound_graph_is_built_and_runs_within_the_same_bounds(tmp_path):
    done = run_child(BUILD, saved(tmp_path, graphs.queries()), folder=tmp_path)
    assert done.status == 0 and "&&&& PASSED" in done.text, done.text


@pytest.mark.parametrize("module", ["trtexec", "deepstream_app"])
def test_both_tools_have_the_memory_of_the_machine_at_most(tmp_path, module):
    code = f"""
import resource
from dsembed.shared.entry import load_main
load_main("{module}.program", 1)
print(resource.getrlimit(resource.RLIMIT_DATA)[0], resource.getrlimit(resource.RLIMIT_CORE)[0])
"""
    done = run_child(code, folder=tmp_path)
    most, core = map(int, done.text.split())
    assert 0 < most < psutil.virtual_memory().total and core == 0
