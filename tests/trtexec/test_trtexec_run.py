import os
import signal
import subprocess

import pytest

from dsbench.core.errors import BuildError
from dsbench.tools.tool_run import ToolFailedError
from dsbench.trtexec.build_log import read_layers
from dsbench.trtexec.command import Precision
from dsbench.trtexec.log import TrtexecLogError, read_measurement
from dsbench.trtexec.run import asked_precision, benchmark_engine, trtexec_version
from fake_engine import FAKE, PROFILE, build

VERSIONS = ["8.6.1", "10.3.0", "10.14.1", "10.16.0", "11.1.0"]


@pytest.fixture
def folder(tmp_path):
    for name in ("m.onnx", "m_fp16.onnx"):
        (tmp_path / name).write_bytes(b"onnx")
    return tmp_path


def benchmark(folder, version="10.16.0", batch=4):
    parts = trtexec_version({"version": version})
    engine, log = folder / "m_dynamic_b4.engine", folder / f"b{batch}.log"
    return benchmark_engine(FAKE, parts, engine, PROFILE, batch, 10, 1000, log, {})


def test_engine_appears_under_its_name_only_when_it_is_whole(folder):
    build(folder)
    assert (folder / "m_dynamic_b4.engine").stat().st_size > 0
    assert not list(folder.glob("*.partial"))
    assert '# driver: "595"' in (folder / "build.log").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_takes_the_commands_and_its_logs_say_what_was_asked(folder, monkeypatch, version):
    monkeypatch.setenv("FAKE_TRT_VERSION", version)
    built, flags = build(folder, version, layer_info=folder / "layers.json")
    assert (built.workspace_mib, built.peak_gpu_mib) == (1024, 412)
    assert "--skipInference" in flags and FAKE not in flags
    assert read_layers(folder / "layers.json") == {"conv1 + relu1": "fp16", "boxes": "fp32"}
    assert benchmark(folder, version) == pytest.approx(75)
    assert benchmark(folder, version, batch=1) == pytest.approx(75)


@pytest.mark.parametrize("version", ["10.3.0", "10.16.0"])
def test_strong_typing_where_there_is_a_choice(folder, monkeypatch, version):
    monkeypatch.setenv("FAKE_TRT_VERSION", version)
    built, _ = build(folder, version, strongly_typed=True, layer_info=folder / "layers.json")
    assert built.precision == "Strongly Typed"


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("fail", ToolFailedError, "exit status 1.*out of memory"),
        ("no-gpu", ToolFailedError, "Cannot find any available devices"),
        ("crash", ToolFailedError, "signal SIGSEGV"),
        ("passed-exit-1", ToolFailedError, "exit status 1"),
        ("no-verdict", TrtexecLogError, "0 PASSED banners"),
        ("cut", TrtexecLogError, "0 PASSED banners"),
        ("empty-engine", BuildError, "left no engine"),
        ("short-engine", TrtexecLogError, "created an engine of 1.19209 MiB, the file has 0.00095"),
        ("other-precision", TrtexecLogError, r"precision is FP32, asked for FP32\+FP16"),
        ("other-profile", TrtexecLogError, "profile is 1x3x320x320.4x3x320x320.1x3x320x320, asked for"),
        ("other-workspace", TrtexecLogError, "workspace is 0.000976562 MiB, asked for 1024 MiB"),
        ("other-version", TrtexecLogError, r"TensorRT 10\.16\.1, the build recorded 10\.16\.0"),
    ],
)
def test_a_build_that_failed_leaves_no_engine(folder, monkeypatch, how, error, says):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", how)
    with pytest.raises(error, match=says):
        build(folder)
    assert not (folder / "m_dynamic_b4.engine").exists() and not list(folder.glob("*.partial"))


REFUSED_CACHE = "timing_b4.cache.10.16.0.refused"


def test_refused_engine_and_its_cache_are_kept_and_the_next_build_starts_from_the_cache(folder, monkeypatch):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "other-profile")
    with pytest.raises(
        TrtexecLogError, match=f"Kept .*: m_dynamic_b4.engine.10.16.0.refused and {REFUSED_CACHE}; the next"
    ):
        build(folder)
    assert (folder / "m_dynamic_b4.engine.10.16.0.refused").stat().st_size == 1_250_000
    assert (folder / REFUSED_CACHE).read_bytes() == b"tactics"
    (folder / REFUSED_CACHE).write_bytes(b"hours of tactics, ")
    (folder / "smaller.cache").write_bytes(b"few tactics, ")
    monkeypatch.delenv("FAKE_TRTEXEC")
    build(folder, seed_cache=folder / "smaller.cache")
    assert (folder / "timing_b4.cache").read_bytes() == b"hours of tactics, tactics"
    assert (folder / "m_dynamic_b4.engine").is_file() and not (folder / REFUSED_CACHE).exists()


def test_kept_cache_of_another_tensorrt_or_of_a_failed_build_is_not_used(folder, monkeypatch):
    (folder / "timing_b4.cache.10.3.0.refused").write_bytes(b"old, ")
    build(folder)
    assert (folder / "timing_b4.cache").read_bytes() == b"tactics"
    (folder / REFUSED_CACHE).write_bytes(b"bad, ")
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "fail")
    with pytest.raises(ToolFailedError):
        build(folder)
    monkeypatch.delenv("FAKE_TRTEXEC")
    build(folder)
    assert (folder / "timing_b4.cache").read_bytes() == b"tactics"


@pytest.mark.parametrize(
    ("precision", "onnx", "says"),
    [
        ("fp16", "m.onnx", "asked for in fp16, but none of its 2 layers is"),
        ("fp32", "m_fp16.onnx", "asked for in fp32, but 1 of its 2 layers are in half precision"),
    ],
)
def test_where_the_onnx_says_the_precision_the_layers_prove_it(folder, monkeypatch, precision, onnx, says):
    monkeypatch.setenv("FAKE_TRT_VERSION", "11.1.0")
    with pytest.raises(TrtexecLogError, match=says):
        build(folder, "11.1.0", precision=precision, onnx=onnx, layer_info=folder / "layers.json")
    build(folder, "11.1.0", precision="fp32", layer_info=folder / "layers.json")


@pytest.mark.parametrize(
    ("how", "workspace_mib", "flag"),
    [
        ("foreign-node", 16384, "--builderOptimizationLevel=2"),
        ("large-workspace", 8192, "--memPoolSize=workspace:8192M"),
    ],
)
def test_build_that_another_attempt_cures_is_accepted_with_what_was_tried(
    folder, monkeypatch, how, workspace_mib, flag
):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", how)
    built, flags = build(folder, asked_mib=16384)
    assert built.workspace_mib == workspace_mib
    assert flag in flags
    assert (folder / "build_attempt1.log").is_file() and (folder / "m_dynamic_b4.engine").is_file()


def test_engine_that_kept_to_float32_in_every_layer_is_refused(folder, monkeypatch):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "float-layers")
    with pytest.raises(TrtexecLogError, match="none of its 2 layers is"):
        build(folder, layer_info=folder / "layers.json")
    assert not (folder / "m_dynamic_b4.engine").exists()


def test_build_that_passed_with_skipped_tactics_is_good_and_keeps_their_lines(folder, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "passed-with-error")
    built, _ = build(folder)
    assert [error.split("Error Code")[1] for error in built.errors] == [
        " 2: OutOfMemory",
        ": 9: Skipping tactic 0x0000000000000000 due to exception",
    ]
    assert (folder / "m_dynamic_b4.engine").is_file()
    assert "trtexec PASSED with 2 [E] lines, the first: [TRT] [virtualMemoryBuffer" in capsys.readouterr().err


def test_layers_that_cannot_be_asked_for_stay_unknown_and_refuse_no_engine(folder, monkeypatch, capsys):
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "no-layer-run")
    build(folder, layer_info=folder / "layers.json")
    assert (folder / "m_dynamic_b4.engine").is_file() and not (folder / "layers.json").exists()
    assert "the precision of the layers stays unknown: " in capsys.readouterr().err
    assert "out of memory" in (folder / "layers.log").read_text()


@pytest.mark.parametrize(("version", "ends"), [("10.3.0", 1), ("10.16.0", -signal.SIGSEGV)])
def test_fake_knows_no_formats_without_a_context_and_crashes_as_the_real_one(
    folder, monkeypatch, version, ends
):
    layers = folder / "layers.json"
    command = [FAKE, f"--onnx={folder / 'm.onnx'}", f"--saveEngine={folder / 'm.engine'}", "--fp16"]
    command += ["--maxShapes=images:4x3x320x320", "--skipInference", "--profilingVerbosity=detailed"]
    monkeypatch.setenv("FAKE_TRT_VERSION", version)
    subprocess.run([*command, f"--exportLayerInfo={layers}"], check=True, stdout=subprocess.DEVNULL)
    assert layers.read_text().count("N/A due to dynamic shapes") == 2
    assert read_layers(layers) is None
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", "fail")
    failed = subprocess.run([*command, f"--exportLayerInfo={layers}"], check=False, stdout=subprocess.DEVNULL)
    assert failed.returncode == ends


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("other-shape", r"measured pixel_values with shape \(1, 3, 320, 320\), asked for \(4,"),
        ("own-shape", "Shape missing for input with dynamic shape: pixel_values"),
        ("two-summaries", "2 performance summaries"),
        ("profiled", "trtexec profiled layers"),
        ("impossible-rate", "at most 1.02 is possible"),
        ("other-totals", "the totals say 0.500"),
        ("transfers", "'Data transfers:' is Enabled, expected Disabled"),
        ("cuda-graph", "'CUDA Graph:' is Enabled, expected Disabled"),
        ("other-version", r"TensorRT 10\.16\.1, the build recorded 10\.16\.0"),
        ("no-verdict", "0 PASSED banners"),
        ("cut", "0 PASSED banners"),
    ],
)
def test_a_measurement_of_something_else_is_refused(folder, monkeypatch, how, says):
    build(folder)
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", how)
    with pytest.raises(TrtexecLogError, match=says):
        benchmark(folder)


def test_engine_of_another_version_or_for_a_smaller_batch_does_not_run(folder, monkeypatch):
    build(folder)
    with pytest.raises(ToolFailedError, match="setInputShape"):
        benchmark(folder, batch=8)
    monkeypatch.setenv("FAKE_TRT_VERSION", "10.3.0")
    with pytest.raises(ToolFailedError, match="Serialization"):
        benchmark(folder, "10.3.0")


def test_engine_of_another_gpu_does_not_run(folder, monkeypatch):
    build(folder)
    monkeypatch.setenv("FAKE_GPU", "Tesla T4, 7.5, 15360 MiB")
    with pytest.raises(
        ToolFailedError, match=r"incompatible device, expecting compute 8\.9 got compute 7\.5"
    ):
        benchmark(folder)


@pytest.mark.parametrize("version", ["8.6.1", "11.1.0"])
@pytest.mark.parametrize(
    ("how", "says"),
    [("unstable", "GPU compute time is unstable"), ("enqueue-bound", "bound by Enqueue Time")],
)
def test_warning_of_a_measurement_stays_with_it(folder, monkeypatch, version, how, says):
    monkeypatch.setenv("FAKE_TRT_VERSION", version)
    build(folder, version)
    monkeypatch.setitem(os.environ, "FAKE_TRTEXEC", how)
    benchmark(folder, version)
    (warning,) = read_measurement(folder / "b4.log").warnings
    assert says in warning


def test_version_is_the_recorded_one():
    assert trtexec_version({"version": "8.6.1"}) == (8, 6, 1)
    assert trtexec_version({"embedded_sources_sha256": "x"}) == (10, 16, 0)


def test_precision_is_asked_of_the_recorded_trtexec():
    assert asked_precision(None, "fp16", False) == Precision("fp16")
    assert asked_precision({"version": "11.1.0"}, "fp16", False) == Precision("fp16", strongly_typed=True)
    with pytest.raises(
        BuildError, match=r"TensorRT 8\.5\.2, which cannot build without measuring; put one of 8\.6"
    ):
        asked_precision({"version": "8.5.2"}, "fp16", False)
