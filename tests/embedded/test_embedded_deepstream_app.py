"""Runs of the embedded deepstream-app on a tiny engine: lines, exit status, files."""

import os
import re
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import av
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dsembed.deepstream_app.latency import latency_lines
from dsembed.deepstream_app.pipeline import Pipeline
from dsembed.shared.native import PARSER_INCLUDE_DIR
from embedded_models import rewritten

BIN = Path(__file__).resolve().parents[2] / "workflow" / "embedded" / "bin"
ENVIRONMENT = {**os.environ, "DSEMBED_PYTHON": sys.executable}
SIZE = 64
RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)
ROW = re.compile(r"^\*\*PERF:  ((?:\d+\.\d\d \(\d+\.\d\d\)\t)+)$", re.MULTILINE)
LATENCY = re.compile(
    r"^\*{12}BATCH-NUM = (\d+)\*{14}\nSource id = (\d+) Frame_num = (\d+) Frame latency = (\d+\.\d{6}) \(ms\) $",
    re.M,
)
PARSER = r"""
#include "nvdsinfer_custom_impl.h"
using Layers = std::vector<NvDsInferLayerInfo>;
using Objects = std::vector<NvDsInferObjectDetectionInfo>;
// One object whose left, top and width are the mean red, green and blue of the frame, over 16.
extern "C" bool ParseMeans(Layers const& layers, NvDsInferNetworkInfo const&,
                           NvDsInferParseDetectionParams const&, Objects& objects) {
    const float* means = static_cast<const float*>(layers.at(0).buffer);
    NvDsInferObjectDetectionInfo object = {};
    object.left = means[0] / 16;
    object.top = means[1] / 16;
    object.width = means[2] / 16;
    object.height = 1;
    object.detectionConfidence = 0.9f;
    objects.push_back(object);
    return true;
}
extern "C" bool ParseNothing(Layers const&, NvDsInferNetworkInfo const&, NvDsInferParseDetectionParams const&,
                             Objects&) { return false; }
"""
NVINFER = """[property]
gie-unique-id=1
batch-size=2
net-scale-factor=1.0
model-engine-file={engine}
custom-lib-path={library}
parse-bbox-func-name={symbol}
labelfile-path=labels.txt
num-detected-classes=1
scaling-filter=1
cluster-mode=4
"""
APP = """[application]
enable-perf-measurement=1
perf-measurement-interval-sec=1
gie-kitti-output-dir=kitti
[streammux]
batch-size={count}
batched-push-timeout=-1
width=64
height=64
[sink0]
enable=1
type=1
sync=0
[primary-gie]
enable=1
config-file=infer.txt
[tests]
file-loop={loop}
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """An engine of max batch 2 that returns the mean of each channel, and the parser for it."""
    directory = tmp_path_factory.mktemp("tools")
    mean = helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0)
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 16, 16])
    means = helper.make_tensor_value_info("means", TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph([mean], "means", [images], [means])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), directory / "m.onnx")
    shapes = [f"--{name}Shapes=images:{n}x3x16x16" for name, n in (("min", 1), ("opt", 2), ("max", 2))]
    build = [f"--onnx={directory / 'm.onnx'}", f"--saveEngine={directory / 'm.engine'}", "--skipInference"]
    subprocess.run([BIN / "trtexec", *build, *shapes], env=ENVIRONMENT, check=True, capture_output=True)
    build[1] = f"--saveEngine={directory / 'static.engine'}"
    shapes = [f"--{name}Shapes=images:2x3x16x16" for name in ("min", "opt", "max")]
    subprocess.run([BIN / "trtexec", *build, *shapes], env=ENVIRONMENT, check=True, capture_output=True)
    (directory / "parser.cpp").write_text(PARSER)
    library = directory / "libparser.so"
    flags = ["-std=c++17", "-fPIC", "-shared", f"-I{PARSER_INCLUDE_DIR}"]
    subprocess.run(["g++", *flags, "-o", library, directory / "parser.cpp"], check=True)
    for name, colour, frames in (("red", RED, 5), ("green", GREEN, 8), ("blue", BLUE, 8)):
        make_clip(directory / f"{name}.mp4", colour, frames)
    return directory


def make_clip(path: Path, colour: tuple, frames: int, pixel_format: str = "yuv420p") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, pixel_format
        picture = np.full((SIZE, SIZE, 3), colour, np.uint8)
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def setup(tools, tmp_path):
    """Writes a run's two configurations and returns its command line."""

    def write(*clips: object, loop: int = 0, symbol: str = "ParseMeans", infer: str = "", **changes: str):
        sources = [
            f"[source{i}]\nenable=1\ntype=2\nuri=file://{tools / str(clip)}\n" for i, clip in enumerate(clips)
        ]
        facts = {"engine": tools / "m.engine", "library": tools / "libparser.so", "symbol": symbol} | changes
        (tmp_path / "app.txt").write_text("".join(sources) + APP.format(count=len(clips), loop=loop))
        (tmp_path / "infer.txt").write_text(NVINFER.format(**facts) + infer)
        (tmp_path / "labels.txt").write_text("mean colour\n")
        (tmp_path / "kitti").mkdir(exist_ok=True)
        return [str(BIN / "deepstream-app"), "-c", str(tmp_path / "app.txt")]

    return write


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess:
    arguments = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60}
    return subprocess.run(command, env=ENVIRONMENT | variables, check=False, **arguments)


def colours(path: Path) -> np.ndarray:
    """Return the mean red, green and blue that the file's one object carries; 16/64 of the size undone."""
    label, *fields = path.read_text().strip().rsplit(" ", 15)
    assert label == "mean colour"
    left, top, right = (float(field) for field in fields[3:6])
    return np.array([left, top, right - left]) * 16 * 16 / 64


def test_streams_of_different_clips_end_on_their_own_and_do_not_mix(setup, tmp_path):
    outcome = run(setup("red.mp4", "green.mp4"))
    assert outcome.returncode == 0, outcome.stderr
    names = sorted(path.name for path in (tmp_path / "kitti").iterdir())
    expected = [f"00_000_{i:06d}.txt" for i in range(5)] + [f"00_001_{i:06d}.txt" for i in range(8)]
    assert names == expected
    for name in names:
        colour = RED if name.startswith("00_000") else GREEN
        np.testing.assert_allclose(colours(tmp_path / "kitti" / name), colour, atol=4)


def test_lines_of_a_run_come_in_deepstreams_order(setup):
    outcome = run(setup("red.mp4", "green.mp4"))
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("embedded runtime: deepstream-app 9.1 dialect, OpenVINO ")
    order = [
        "Runtime commands:",
        "\tq: Quit",
        "**PERF:  FPS 0 (Avg)\tFPS 1 (Avg)\t",
        "**PERF:  0.00 (0.00)\t0.00 (0.00)\t",
        "** INFO: <bus_callback:642>: Pipeline ready",
        "** INFO: <bus_callback:628>: Pipeline running",
        "nvstreammux: Successfully handled EOS for source_id=0",
        "** INFO: <bus_callback:685>: Received EOS. Exiting ...",
        "Quitting",
        "App run successful",
    ]
    places = [lines.index(line) for line in order]
    assert places == sorted(places)
    assert "nvstreammux: Successfully handled EOS for source_id=1" in lines
    assert re.search(
        r"deserialized trt engine from :.*m\.engine\nINFO: \[FullDims Engine Info\]", outcome.stderr
    )
    assert re.search(r"\[UID 1\]: Load new model:.*infer\.txt sucessfully", outcome.stderr)


def test_one_clip_on_both_streams_gives_the_same_objects(setup, tmp_path):
    assert run(setup("blue.mp4", "blue.mp4")).returncode == 0
    for frame in range(8):
        first, second = ((tmp_path / f"kitti/00_00{i}_{frame:06d}.txt").read_text() for i in (0, 1))
        assert first == second != ""


def test_looped_run_counts_on_and_ends_on_sigint(setup, tmp_path):
    process = subprocess.Popen(
        setup("red.mp4", "green.mp4", loop=1),
        **{"env": ENVIRONMENT, "text": True, "stdin": subprocess.DEVNULL},
        **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL},
    )
    lines = []
    while sum(line.startswith("**PERF:  ") for line in lines) < 3:
        lines.append(process.stdout.readline())
        assert lines[-1], "the program ended by itself"
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=5)[0]
    assert process.returncode == 0
    assert rest.splitlines()[-4:] == [
        *("** ERROR: <_intr_handler:136>: User Interrupted.. ", ""),
        *("Quitting", "App run successful"),
    ]
    rows = ROW.findall("".join(lines))
    assert [row.count("\t") for row in rows] == [2, 2]
    assert (tmp_path / "kitti/00_000_000020.txt").exists()


def test_each_frame_of_each_stream_has_a_line_with_its_latency_where_that_is_asked_for(setup):
    command = setup("red.mp4", "green.mp4")
    assert "latency" not in run(command).stdout
    said = run(command, NVDS_ENABLE_LATENCY_MEASUREMENT="1").stdout
    lines = LATENCY.findall(said)
    assert sorted((int(stream), int(number)) for batch, stream, number, _ in lines if batch == number) == [
        *((0, number) for number in range(5)),
        *((1, number) for number in range(8)),
    ]
    assert all(0 < float(latency) < 10_000 for *_, latency in lines)


def test_each_component_of_each_frame_has_a_line_where_that_is_asked_for(setup):
    command = setup("red.mp4", "green.mp4")
    assert "Comp name" not in run(command, NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT="1").stdout
    said = run(
        command, NVDS_ENABLE_LATENCY_MEASUREMENT="1", NVDS_ENABLE_COMPONENT_LATENCY_MEASUREMENT="1"
    ).stdout
    names = re.findall(r"^Comp name = (\S+) ", said, re.M)
    assert {name: names.count(name) for name in names} == {
        "nvv4l2decoder0": 5,
        "nvv4l2decoder1": 8,
        "nvstreammux-src_bin_muxer": 13,
        "primary_gie": 13,
    }
    for block in said.split("BATCH-NUM")[1:]:
        parts = [float(part) for part in re.findall(r"component[ _]latency ?= (\S+)$", block, re.M)]
        (whole,) = re.findall(r"Frame latency = (\S+)", block)
        # From nvinfer to the sink there is next to nothing.
        assert min(parts) >= 0 and 0 <= float(whole) - sum(parts) < float(whole)


def test_latency_counts_from_the_decoder_to_the_sink():
    times_s = (7.25, 7.26, 7.3, 7.45, 7.5)
    assert latency_lines(2, 9, times_s, with_components=False) == (
        "\n************BATCH-NUM = 9**************\n"
        "Source id = 2 Frame_num = 9 Frame latency = 250.000000 (ms) \n"
    )
    # As libnvdsgst_meta of DeepStream 9.1 prints them.
    assert latency_lines(2, 9, times_s, with_components=True) == (
        "\n************BATCH-NUM = 9**************\n"
        "Comp name = nvv4l2decoder2 in_system_timestamp = 7250.000000 out_system_timestamp = 7260.000000"
        "               component latency= 10.000000\n"
        "Comp name = nvstreammux-src_bin_muxer source_id = 2 pad_index = 2 frame_num = 9"
        "               in_system_timestamp = 7260.000000 out_system_timestamp = 7300.000000"
        "               component_latency = 40.000000\n"
        "Comp name = primary_gie in_system_timestamp = 7300.000000 out_system_timestamp = 7450.000000"
        "               component latency= 150.000000\n"
        "Source id = 2 Frame_num = 9 Frame latency = 250.000000 (ms) \n"
    )


def test_q_ends_a_looped_run(setup):
    command = setup("red.mp4", loop=1)
    with subprocess.Popen(
        command,
        env=ENVIRONMENT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        output, _ = process.communicate("h\nq\n", timeout=30)
    assert process.returncode == 0
    assert output.count("Runtime commands:") == 2 and output.endswith("Quitting\nApp run successful\n")


def test_missing_video_fails_the_run(setup, tmp_path):
    outcome = run(setup("red.mp4", "none.mp4"))
    assert outcome.returncode == 255
    assert "ERROR from src_elem1: Could not open resource for reading.\n" in outcome.stderr
    assert re.search(r"Debug info: .*none\.mp4: No such file", outcome.stderr)
    assert outcome.stdout.endswith("Quitting\nApp run failed\n")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"symbol": "ParseSomething"}, "ParseSomething"),
        ({"library": "none.so"}, r"none\.so"),
        ({"engine": "none.engine"}, "build engine file failed"),
        ({"engine": "infer.txt"}, "deserialize engine from file :.*infer.txt failed"),
        ({"infer": "batch-size=4\n"}, "Backend has maxBatchSize 2 whereas 4 has been requested"),
        ({"infer": "infer-dims=3;32;32\n"}, "backend can not support dims:3x32x32"),
        (
            {"engine": "{tools}/static.engine", "infer": "infer-dims=3;16;16\nbatch-size=1\n"},
            "backend can not support dims:3x16x16 with batch-size 1, the engine takes 2 to 2",
        ),
    ],
)
def test_engine_or_parser_that_cannot_be_used_is_named(setup, tools, change, text):
    outcome = run(setup("red.mp4", **{key: value.format(tools=tools) for key, value in change.items()}))
    assert outcome.returncode == 255
    assert re.search(text, outcome.stderr)
    assert "ERROR from primary_gie: Failed to create NvDsInferContext instance" in outcome.stderr
    assert "Trying to create engine" not in outcome.stderr
    assert outcome.stdout.endswith("App run failed\n")


def test_static_engine_takes_fewer_frames_than_its_batch(setup, tools, tmp_path):
    infer = "infer-dims=3;16;16\nbatch-size=2\n"
    outcome = run(setup("red.mp4", engine=str(tools / "static.engine"), infer=infer))
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "kitti/00_000_000004.txt").read_text()


def test_parser_that_returns_false_is_logged_and_the_run_goes_on(setup, tmp_path):
    outcome = run(setup("red.mp4", symbol="ParseNothing"))
    assert outcome.returncode == 0
    assert outcome.stderr.count("Failed to parse bboxes using custom parse function") == 5
    assert (tmp_path / "kitti/00_000_000004.txt").read_text() == ""


def test_video_of_another_pixel_format_opens_and_fails_as_a_stream(setup, tools):
    make_clip(tools / "fine.mp4", RED, 2, "yuv444p")
    outcome = run(setup("fine.mp4"))
    assert outcome.returncode == 255
    assert "ERROR from src_elem0: Internal data stream error.\n" in outcome.stderr
    assert "Debug info: pixel format yuv444p is not supported" in outcome.stderr


def test_plans_timed_on_other_cores_are_warned_about(setup, tools, tmp_path):
    engine = rewritten(
        tools / "m.engine", tmp_path / "o.engine", lambda header: header["cpu"].update(cores=64)
    )
    outcome = run(setup("red.mp4", engine=engine))
    assert outcome.returncode == 0
    assert "The engine's plans were timed on 64 CPU cores" in outcome.stderr


def test_closed_stdout_ends_a_looped_run(setup):
    with subprocess.Popen(
        setup("red.mp4", loop=1),
        env=ENVIRONMENT,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while "Pipeline running" not in process.stdout.readline():
            pass
        process.stdout.close()
        try:
            assert process.wait(timeout=15) == 255
            assert "BrokenPipe" not in process.stderr.read()
        finally:
            process.kill()


def test_sigint_during_start_up_ends_the_run_cleanly(setup, tmp_path):
    program = (
        "import os, signal, sys, dsembed.deepstream_app.start as start\n"
        "load = start.load_main\n"
        "def interrupted(*names):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return load(*names)\n"
        "start.load_main = interrupted\n"
        "sys.exit(start.start(sys.argv[1:]))\n"
    )
    _, *arguments = setup("red.mp4", loop=1)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(BIN.parent)}
    outcome = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        check=False,
        timeout=60,
        **{"env": environment, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True},
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.endswith("User Interrupted.. \n\nQuitting\nApp run successful\n")
    assert "Traceback" not in outcome.stderr


def test_any_fault_of_a_thread_is_reported_before_the_end(tools):
    def broken(*_: object) -> None:
        raise RuntimeError("kernel failed")

    gie = SimpleNamespace(
        input_dims=(3, 4, 4),
        host=SimpleNamespace(dsembed_prepare=lambda *_: 1),
        mux=None,
        network=None,
        context=SimpleNamespace(submit=broken),
        detector=SimpleNamespace(close=lambda: None),
    )
    messages: SimpleQueue[tuple[str, ...]] = SimpleQueue()
    pipeline = Pipeline(
        *((tools / "red.mp4",), True, gie, None, None, None),
        on_eos=lambda: messages.put(("EOS",)),
        on_error=lambda *error: messages.put(error),
    )
    pipeline.start()
    element, headline, debug = messages.get(timeout=10)
    pipeline.stop()
    assert (element, headline) == ("primary_gie", "Failed to queue input batch for inferencing")
    assert debug.startswith("Traceback") and "RuntimeError: kernel failed" in debug


def test_bad_integer_in_the_application_file(setup, tmp_path):
    command = setup("red.mp4")
    path = tmp_path / "app.txt"
    path.write_text(path.read_text().replace("width=64", "width=64px"))
    outcome = run(command)
    assert outcome.returncode == 255
    assert "[streammux] width=64px is not an integer" in outcome.stdout
    assert f"** ERROR: <main:691>: Failed to parse config file '{path}'" in outcome.stdout


def test_bad_value_in_the_nvinfer_file(setup):
    outcome = run(setup("red.mp4", infer="net-scale-factor=0.25 # x\n"))
    assert outcome.returncode == 255
    assert "Error while parsing config file: " in outcome.stderr
    assert "ERROR from primary_gie: Configuration file parsing failed\n" in outcome.stderr


def test_kitti_directory_is_not_made(setup, tmp_path):
    command = setup("red.mp4")
    (tmp_path / "kitti").rmdir()
    outcome = run(command)
    assert outcome.returncode == 255
    assert "kitti: no such directory, make it first" in outcome.stdout


def test_command_line_without_configuration():
    outcome = run([str(BIN / "deepstream-app")])
    assert outcome.returncode == 255
    assert outcome.stdout == (
        "** ERROR: <main:660>: Specify config file with -c option\nQuitting\nApp run failed\n"
    )


def test_version_names_the_dialect_and_the_runtime():
    outcome = run([str(BIN / "deepstream-app"), "--version"])
    first, *rest = outcome.stdout.splitlines()
    assert first.startswith("embedded runtime: deepstream-app 9.1 dialect, OpenVINO ")
    assert rest == ["deepstream-app version 9.1.0", "DeepStreamSDK 9.1.0"]
