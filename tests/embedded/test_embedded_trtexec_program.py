import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from dsembed.engine.builder import FORMAT
from dsembed.trtexec.program import main
from embedded_models import SIDE, rewritten, write_engine, write_onnx

LAUNCHER = Path(__file__).parents[2] / "workflow/embedded/bin/trtexec"
BANNER = re.compile(
    r"^&&&& (RUNNING|PASSED|FAILED) TensorRT\.trtexec \[TensorRT v101600\] "
    r"\[embedded runtime: OpenVINO [\d.]+, CPU [^\]]+\] # trtexec( .*)?$",
    re.M,
)
LINE = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[([IVWE])\] (.*)$", re.M)
STATISTIC = re.compile(r"(min|max|mean|median|percentile\(([0-9.]+)%\)) = ([-+0-9.eE]+) ms")
SHORT = ("--duration=0.05", "--warmUp=10", "--iterations=20")


def shape(batch):
    return f"images:{batch}x3x{SIDE}x{SIDE}"


@pytest.fixture(name="onnx_path")
def _onnx_path(tmp_path):
    return write_onnx(tmp_path / "tiny.onnx")


@pytest.fixture(scope="module", name="engine_path")
def _engine_path(tmp_path_factory):
    return write_engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(name="trtexec")
def _trtexec(capsys):
    def run(*arguments):
        """Return exit status, stdout, and the texts by severity."""
        status = main([str(argument) for argument in arguments], "trtexec")
        out, err = capsys.readouterr()
        assert all(severity in "IV" for severity, _ in LINE.findall(out))
        assert all(severity in "WE" for severity, _ in LINE.findall(err))
        lines = {severity: [] for severity in "IVWE"}
        for severity, text in LINE.findall(out) + LINE.findall(err):
            lines[severity].append(text)
        verdicts = [verdict for verdict, _ in BANNER.findall(out)]
        assert status == {"PASSED": 0, "FAILED": 1}.get(verdicts[-1], status)
        return status, out, lines

    return run


def test_build_log_reads_as_nvidias(trtexec, onnx_path, tmp_path):
    engine = tmp_path / "tiny_dynamic_b4.engine"
    status, _, lines = trtexec(
        f"--onnx={onnx_path}", f"--saveEngine={engine}", f"--minShapes={shape(1)}", f"--optShapes={shape(4)}",
        f"--maxShapes={shape(4)}", "--memPoolSize=workspace:4096M", "--skipInference",
    )  # fmt: skip
    assert status == 0
    texts = "\n".join(lines["I"])
    expected = [
        r"=== Model Options ===", r"Format: ONNX", r"=== Build Options ===",
        r"Memory Pools: workspace: 4096 MiB, dlaSRAM: default, .*, tacticSharedMem: default",
        r"Precision: FP32", r"Skip inference: Enabled",
        r"Input build shape \(profile 0\): images=1x3x16x16\+4x3x16x16\+4x3x16x16",
        r"=== System Options ===", r"=== Inference Options ===", r"=== Reporting Options ===",
        r"=== Device Information ===", r"TensorRT version: 10\.16\.0 .*OpenVINO.*", r"Start parsing network model\.",
        r"Finished parsing network model\. Parse time: [\d.e-]+",
        r"Set shape of input tensor images for optimization profile 0 to: "
        r"MIN=1x3x16x16 OPT=4x3x16x16 MAX=4x3x16x16",
        r"\[TRT\] Local timing cache in use\..*not be stored\.",
        r"\[TRT\] embedded: plan \d+ streams? x \d+ threads?, chunk \d, compute f32 for batch 4",
        r"\[TRT\] Engine generation completed in [\d.]+ seconds\.", r"Created engine with size: [\d.]+ MiB",
        r"Engine built in [\d.]+ sec\.", r"\[TRT\] Loaded engine size: \d+ MiB",
        r"Engine deserialized in [\d.e-]+ sec\.", r"Skipped inference phase since --skipInference is added\.",
    ]  # fmt: skip
    assert re.search(r"(?s)" + r"\n(?:.*\n)?".join(expected), texts), texts
    assert float(re.search(r"Created engine with size: (\S+) MiB", texts)[1]) == pytest.approx(
        engine.stat().st_size / 2**20, rel=1e-5
    )
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".onnx"] == [engine.name]


def test_measurement_log_reads_as_nvidias(trtexec, engine_path, tmp_path):
    times = tmp_path / "times.json"
    status, _, lines = trtexec(
        f"--loadEngine={engine_path}",
        f"--shapes={shape(4)}",
        "--noDataTransfers",
        f"--exportTimes={times}",
        *SHORT,
    )
    assert status == 0
    texts = lines["I"]
    assert "Set shape of input tensor images to: 4x3x16x16" in texts
    assert "Using random values for input images" in texts
    assert "Input binding for images with dimensions 4x3x16x16 and type fp32 is created." in texts
    assert "Output binding for peaks with dimensions 4x4 and type fp32 is created." in texts
    rows = {text.partition(":")[0]: STATISTIC.findall(text) for text in texts if " ms, max = " in text}
    assert list(rows) == ["Latency", "Enqueue Time", "H2D Latency", "GPU Compute Time", "D2H Latency"]
    for name, figures in rows.items():
        assert [figure[0] for figure in figures][4:] == [
            "percentile(90%)",
            "percentile(95%)",
            "percentile(99%)",
        ]
        assert name not in ("H2D Latency", "D2H Latency") or {figure[2] for figure in figures} == {"0"}
    (qps,) = [float(text.split()[1]) for text in texts if re.match(r"Throughput: [-+0-9.eE]+ qps$", text)]
    (trace,) = [text for text in texts if re.match(r"Timing trace has \d+ queries over [\d.]+ s$", text)]
    count, walltime_s = int(trace.split()[3]), float(trace.split()[6])
    assert qps == pytest.approx(count / walltime_s, rel=1e-3)
    compute_ms = next(float(value) for name, _, value in rows["GPU Compute Time"] if name == "mean")
    assert qps * compute_ms / 1000 <= 1.001
    exported = json.loads(times.read_text())
    assert len(exported) == count
    assert all(row["startComputeMs"] >= 10 and row["h2dMs"] == 0 for row in exported)


def test_transfers_are_measured_unless_left_out(trtexec, engine_path):
    _, _, lines = trtexec(f"--loadEngine={engine_path}", f"--shapes={shape(4)}", *SHORT)
    rows = [STATISTIC.findall(text) for text in lines["I"] if text.startswith(("H2D Latency", "D2H Latency"))]
    assert all(float(value) > 0 for row in rows for _, _, value in row)


def test_two_streams_run_and_warn(trtexec, engine_path):
    status, _, lines = trtexec(
        f"--loadEngine={engine_path}", f"--shapes={shape(2)}", "--infStreams=2", *SHORT
    )
    assert status == 0
    assert any(text.startswith("* Multiple inference streams are used.") for text in lines["W"])


def test_missing_shape_of_a_loaded_engine_measures_batch_1_with_a_warning(trtexec, engine_path):
    status, _, lines = trtexec(f"--loadEngine={engine_path}", *SHORT)
    assert status == 0
    assert (
        "Shape missing for input with dynamic shape: imagesAutomatically setting shape to: 1x3x16x16"
        in lines["W"]
    )


def test_loaded_engine_runs_at_the_optimum_that_the_shapes_of_a_build_name(trtexec, engine_path):
    shapes = [f"--{name}Shapes={shape(batch)}" for name, batch in (("min", 1), ("opt", 3), ("max", 4))]
    status, _, lines = trtexec(f"--loadEngine={engine_path}", *shapes, *SHORT)
    assert status == 0
    assert "Set shape of input tensor images to: 3x3x16x16" in lines["I"]
    _, _, lines = trtexec(f"--loadEngine={engine_path}", shapes[2], *SHORT)
    assert "maxShapes is being broadcasted to optShapes for tensor images" in lines["W"]
    assert "Set shape of input tensor images to: 4x3x16x16" in lines["I"]


def test_engine_is_loaded_though_an_onnx_is_named_too(trtexec, engine_path):
    assert trtexec("--onnx=none.onnx", f"--loadEngine={engine_path}", "--skipInference")[0] == 0


def test_run_without_a_stream_fails_and_averages_of_no_runs_do_not(trtexec, engine_path):
    status, _, lines = trtexec(f"--loadEngine={engine_path}", f"--shapes={shape(1)}", "--infStreams=0")
    assert status == 1
    assert lines["E"][0].startswith("--infStreams=0 leaves nothing to run on")
    assert trtexec(f"--loadEngine={engine_path}", f"--shapes={shape(1)}", "--avgRuns=0", *SHORT)[0] == 0


def test_empty_file_names_fail_where_the_file_is_needed(trtexec, onnx_path):
    assert trtexec("--loadEngine=")[2]["E"][0] == "Error opening engine file: "
    assert trtexec("--onnx=")[2]["E"][1] == "Failed to parse onnx file"
    status, _, lines = trtexec(
        f"--onnx={onnx_path}", "--saveEngine=", f"--shapes={shape(1)}", "--skipInference"
    )
    assert status == 1
    assert lines["E"][0] == "Saving engine to file failed."


def test_second_build_takes_its_plans_from_the_timing_cache(trtexec, onnx_path, tmp_path):
    cache = tmp_path / "timing.cache"
    build = (
        f"--onnx={onnx_path}",
        f"--shapes={shape(2)}",
        f"--timingCacheFile={cache}",
        "--skipInference",
        "--fp16",
    )
    _, _, first = trtexec(*build)
    assert (
        f"[TRT] Could not read cache from: {cache}. A new cache will be generated and written." in first["W"]
    )
    assert f"[TRT] Saved {cache.stat().st_size} bytes of timing cache to {cache}" in first["I"]
    _, _, second = trtexec(*build)
    assert f"[TRT] Loaded {cache.stat().st_size} bytes of cache from file: {cache}" in second["I"]
    plans = [[text for text in lines["I"] if "embedded: plan" in text] for lines in (first, second)]
    assert plans[0] == plans[1] != []


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (["--optShapes=image:1x3x16x16"], ['Cannot find input tensor with name "image" in the network inputs!']),
        (["--optShapes=images:1x3x16x17"], ["does not fit", "Building engine failed"]),
        (["--shapes=images:1x3x16x16", "--memPoolSize=workspace:1024MiB"], ["fits the workspace of 0.000976562 MiB"]),
        (["--shapes=images:1x3x16x16", "--saveEngine=/nonexistent/x.engine"], ["cannot be written"]),
    ],
)  # fmt: skip
def test_failed_build_says_why_and_leaves_no_engine(trtexec, onnx_path, tmp_path, arguments, errors):
    engine = (
        []
        if any("saveEngine" in argument for argument in arguments)
        else [f"--saveEngine={tmp_path}/x.engine"]
    )
    status, _, lines = trtexec(f"--onnx={onnx_path}", *engine, *arguments, "--skipInference")
    assert status == 1
    for error in errors:
        assert any(error in text for text in lines["E"])
    if any("memPoolSize" in argument for argument in arguments):
        assert all("(approximate" in text for text in lines["W"] if "insufficient memory" in text)
    assert lines["E"][-2:] == ["Failed to create engine from model or file.", "Engine set up failed"]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]


def test_unreadable_onnx_fails_in_nvidias_order(trtexec, tmp_path):
    broken = tmp_path / "bad.onnx"
    broken.write_bytes(b"not protobuf at all")
    status, _, lines = trtexec(f"--onnx={broken}")
    assert status == 1
    assert lines["E"][1:] == [
        "Failed to parse onnx file",
        "Parsing model failed",
        "Failed to create engine from model or file.",
        "Engine set up failed",
    ]
    assert any(text.startswith("Finished parsing network model. Parse time: ") for text in lines["I"])


def test_static_model_takes_no_shapes(trtexec, tmp_path):
    static = write_onnx(tmp_path / "static.onnx", batch=2)
    status, _, lines = trtexec(f"--onnx={static}", f"--shapes={shape(2)}")
    assert status == 1
    assert lines["E"][0].startswith("Static model does not take explicit shapes since")
    assert trtexec(f"--onnx={static}", *SHORT)[0] == 0


def test_dynamic_model_without_shapes_is_built_for_batch_1(trtexec, onnx_path):
    status, _, lines = trtexec(f"--onnx={onnx_path}", "--skipInference")
    assert status == 0
    assert (
        "Dynamic dimensions required for input: images, but no shapes were provided. "
        "Automatically overriding shape to: 1x3x16x16" in lines["W"]
    )


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        (
            5,
            "Error[3]: [setInputShape] input images of 5x3x16x16 is outside the engine's profile, batch 1 to 4",
        )
    ],
)
def test_shape_outside_the_profile_is_refused(trtexec, engine_path, batch, error):
    status, _, lines = trtexec(f"--loadEngine={engine_path}", f"--shapes={shape(batch)}")
    assert status == 1
    assert lines["E"][0].startswith(error)
    assert lines["E"][-1] == "Inference set up failed"


def test_static_engine_refuses_another_shape(trtexec, tmp_path):
    engine = write_engine(tmp_path, 2, 2, 2)
    status, _, lines = trtexec(f"--loadEngine={engine}", f"--shapes={shape(1)}")
    assert status == 1
    assert "The engine was built with static shapes for input tensor images but" in lines["E"][0]
    assert trtexec(f"--loadEngine={engine}", *SHORT)[0] == 0


def test_missing_and_foreign_engines_are_refused(trtexec, tmp_path):
    foreign = tmp_path / "foreign.engine"
    foreign.write_bytes(b"ftrt" + bytes(100))
    assert trtexec("--loadEngine=missing.engine")[2]["E"][0] == "Error opening engine file: missing.engine"
    errors = trtexec(f"--loadEngine={foreign}")[2]["E"]
    assert "not an engine of the embedded runtime" in errors[0]
    assert errors[1] == "Engine deserialization failed"


def test_uncaught_exception_still_ends_with_the_failed_banner(trtexec, engine_path, monkeypatch):
    monkeypatch.setattr("dsembed.trtexec.program.load", lambda *_: 1 / 0)
    status, _, lines = trtexec(f"--loadEngine={engine_path}")
    assert status == 1
    assert lines["E"] == ["Uncaught exception detected: division by zero"]


def test_build_options_with_a_loaded_engine_are_not_passed_over(trtexec, engine_path):
    _, _, lines = trtexec(f"--loadEngine={engine_path}", "--fp16", "--skipInference")
    assert "--fp16 has no effect with --loadEngine, the engine is built already." in lines["W"]


@pytest.mark.parametrize(
    ("arguments", "status", "banners", "has_help"),
    [
        ([], 0, ["RUNNING", "PASSED"], True),
        (["--help"], 0, ["RUNNING"], True),
        (["-h", "--bogus"], 0, ["RUNNING"], True),
        (["--help=0"], 0, ["RUNNING"], True),
        (["--onnx=m.onnx", "--iterations=99999999999"], 1, ["RUNNING", "FAILED"], False),
        (["--onnx=m.onnx", "--bogus"], 1, ["RUNNING", "FAILED"], True),
        (["--onnx=m.onnx", "--int8"], 1, ["RUNNING", "FAILED"], False),
        (["--onnx=m.onnx", "--device=1"], 1, ["RUNNING"], False),
    ],
)
def test_help_banner_and_status_go_together(capsys, arguments, status, banners, has_help):
    assert main(arguments, "trtexec") == status
    out = capsys.readouterr().out
    assert [verdict for verdict, _ in BANNER.findall(out)] == banners
    assert ("=== Inference ===" in out) == has_help


def test_other_core_count_is_a_performance_warning(trtexec, engine_path, tmp_path):
    other = rewritten(engine_path, tmp_path / "o.engine", lambda header: header["cpu"].update(cores=64))
    _, _, lines = trtexec(f"--loadEngine={other}", f"--shapes={shape(1)}", *SHORT)
    assert any(text.startswith("* The engine's plans were timed on 64 CPU cores") for text in lines["W"])


def test_timing_cache_that_cannot_be_written_is_a_warning(trtexec, onnx_path, tmp_path):
    cache = tmp_path / "none" / "timing.cache"
    status, _, lines = trtexec(f"--onnx={onnx_path}", f"--timingCacheFile={cache}", "--skipInference")
    assert status == 0
    assert f"[TRT] Could not write timing cache to: {cache} (No such file or directory)." in lines["W"]


def test_timing_cache_without_entries_is_made_anew(trtexec, onnx_path, tmp_path):
    cache = tmp_path / "timing.cache"
    cache.write_text(json.dumps({"format": FORMAT}))
    status, _, lines = trtexec(f"--onnx={onnx_path}", f"--timingCacheFile={cache}", "--skipInference")
    assert status == 0
    assert any(text.startswith(f"[TRT] Could not read cache from: {cache}.") for text in lines["W"])
    assert any(text.startswith("[TRT] Saved ") for text in lines["I"])


def test_missing_onnx_is_said_to_be_missing(trtexec, tmp_path):
    status, _, lines = trtexec(f"--onnx={tmp_path / 'none.onnx'}")
    assert status == 1
    assert lines["E"][0].endswith("none.onnx: the ONNX file is missing, name an existing one by --onnx.")


def test_launcher_runs_through_a_symlink(tmp_path):
    link = tmp_path / "trtexec"
    link.symlink_to(LAUNCHER)
    done = subprocess.run([link, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "=== Inference ===" in done.stdout


@pytest.mark.parametrize(("name", "status"), [("trtexec", 1), ("deepstream-app", 255)])
def test_python_without_the_packages_is_one_sentence(tmp_path, name, status):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    environment = {**os.environ, "DSEMBED_PYTHON": str(python)}
    done = subprocess.run(
        [LAUNCHER.with_name(name), "--version"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert re.fullmatch(
        r".* has no package \w+: run `make report` once, or set DSEMBED_PYTHON to .*\.\n", done.stderr
    )


def test_launcher_runs_from_anywhere_under_its_typed_name(tmp_path):
    done = subprocess.run(
        ["trtexec", "--onnx=none.onnx"], env={"PATH": f"{LAUNCHER.parent}:/usr/local/bin:/usr/bin:/bin"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert [verdict for verdict, _ in BANNER.findall(done.stdout)] == ["RUNNING", "FAILED"]
    assert "none.onnx" in done.stderr


def test_given_images_are_answered_with_six_digits(trtexec, engine_path, onnx_path, tmp_path):
    images = np.random.default_rng(1).uniform(0, 1, (2, 3, SIDE, SIDE)).astype(np.float32)
    images.tofile(tmp_path / "in.bin")
    status, _, lines = trtexec(
        f"--loadEngine={engine_path}", f"--shapes={shape(2)}", "--iterations=1", "--duration=0", "--warmUp=0",
        f"--loadInputs=images:{tmp_path}/in.bin", f"--exportOutput={tmp_path}/out.json",
    )  # fmt: skip
    assert status == 0
    assert f"Using values loaded from {tmp_path}/in.bin for input images" in lines["I"]
    runner = onnxruntime.InferenceSession(onnx_path)
    expected = dict(
        zip((each.name for each in runner.get_outputs()), runner.run(None, {"images": images}), strict=True)
    )
    found = json.loads((tmp_path / "out.json").read_text())
    assert [each["name"] for each in found] == list(expected)
    for each in found:
        assert each["dimensions"] == "x".join(map(str, expected[each["name"]].shape))
        assert np.allclose(each["values"], expected[each["name"]].ravel(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("images:{}/short.bin", "Uncaught exception detected: Unexpected file size for input file: "),
        ("images:{}/none.bin", "Uncaught exception detected: Cannot open file "),
        ("pictures:{}/short.bin", 'Cannot find input tensor with name "pictures" in the engine bindings! '),
    ],
)
def test_images_that_do_not_fit_are_refused_in_trtexecs_words(trtexec, engine_path, tmp_path, given, said):
    (tmp_path / "short.bin").write_bytes(bytes(12))
    status, _, lines = trtexec(
        f"--loadEngine={engine_path}",
        f"--shapes={shape(2)}",
        f"--loadInputs={given.format(tmp_path)}",
        *SHORT,
    )
    assert status == 1 and lines["E"][0].startswith(said)
