import subprocess

import pytest

from dsbench.report.scripts import ScriptValues, pasted, render_scripts, write_scripts
from dsbench.trtexec.command import Profile

FLAGS = [
    "--onnx=models/det/model/det_fp16.onnx",
    "--saveEngine=models/det/benchmarks/engines/det_dynamic_b8.engine.partial",
    "--stronglyTyped",
    "--memPoolSize=workspace:1024M",
    "--timingCacheFile=models/det/benchmarks/engines/timing_b8.cache",
    "--profilingVerbosity=detailed",
    "--skipInference",
    "--builderOptimizationLevel=2",
]


@pytest.fixture
def scripts():
    return render_scripts(measured())


def measured(static=False):
    return ScriptValues(
        model="det",
        trtexec="bin dir/trtexec",
        trtexec_version=(10, 16, 0),
        deepstream_app="deepstream-app",
        profile=Profile("images", (3, 320, 320), 8, static),
        batch_1_engine=f"models/det/benchmarks/engines/det_dynamic_b{1 if static else 8}.engine",
        build_flags=FLAGS,
        duration_s=10,
        warm_up_ms=1000,
        interval_s=2,
        windows=10,
        run1_config="models/det/benchmarks/ds/ds_s6_run1.txt",
        run2_config="models/det/benchmarks/ds/ds_s5_run2.txt",
        latency_config="models/det/benchmarks/ds/ds_s5_run2.txt",
    )


def test_every_script_is_valid_shell_and_runs_from_anywhere(scripts, tmp_path):
    write_scripts(scripts, tmp_path)
    for name in scripts:
        subprocess.run(["sh", "-n", tmp_path / f"{name}.sh"], check=True)
        assert (tmp_path / f"{name}.sh").stat().st_mode & 0o111


def test_program_with_a_space_is_quoted(scripts):
    assert "'bin dir/trtexec' \\\n" in scripts["trtexec_b1"]


def test_batch_1_and_max_bs_are_measured_on_the_same_engine(scripts):
    for name, batch in (("trtexec_b1", 1), ("trtexec_bmax", 8)):
        assert "--loadEngine=models/det/benchmarks/engines/det_dynamic_b8.engine" in scripts[name]
        assert f"--shapes=images:{batch}x3x320x320" in scripts[name]


def test_engines_that_have_their_batch_in_themselves_are_measured_each_on_its_own():
    static = render_scripts(measured(static=True))
    for name, batch in (("trtexec_b1", 1), ("trtexec_bmax", 8)):
        assert f"--loadEngine=models/det/benchmarks/engines/det_dynamic_b{batch}.engine" in static[name]
        assert "--shapes" not in static[name]


def test_engine_by_hand_is_not_the_builds_own(scripts):
    assert "--saveEngine=build/by_hand/det_dynamic_b8.engine" in scripts["build_engine"]
    assert "--timingCacheFile=build/by_hand/det_dynamic_b8.cache" in scripts["build_engine"]
    assert "models/det/benchmarks" not in scripts["build_engine"] and "logs/" not in scripts["build_engine"]


def test_engine_by_hand_is_built_as_the_builds_own_was(scripts):
    assert "--onnx=models/det/model/det_fp16.onnx" in scripts["build_engine"]
    for flag in ("--stronglyTyped", "--memPoolSize=workspace:1024M", "--builderOptimizationLevel=2"):
        assert flag in scripts["build_engine"]


def test_runs_have_the_environment_of_the_measured_ones(scripts):
    for name in ("kitti_dump", "ds_run1", "ds_run2"):
        assert "USE_NEW_NVSTREAMMUX=no deepstream-app -c" in scripts[name]
        assert "-u NVDS_ENABLE_LATENCY_MEASUREMENT" in scripts[name]
    asked = (
        "USE_NEW_NVSTREAMMUX=no NVDS_ENABLE_LATENCY_MEASUREMENT=1 NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT=1"
        " deepstream-app -c"
    )
    assert asked in scripts["ds_latency"]


def test_runs_are_ended_by_sigint(scripts):
    assert "--signal=INT 36" in scripts["ds_run1"]
    assert "-c models/det/benchmarks/ds/ds_s5_run2.txt" in scripts["ds_run2"]


def test_pasted_part_needs_no_script_around_it(scripts):
    for script in scripts.values():
        assert "$0" not in pasted(script) and "#!" not in pasted(script) and pasted(script)
