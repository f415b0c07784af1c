"""The whole build on each pairing of TensorRT and DeepStream, by programs as strict as NVIDIA's."""

import json
import os

import av

from workflow_run import PROJECT, REPORT, snakemake

FAKES = PROJECT / "tests/fakes"
# NVML's answers while all tools run: somebody else's process on a busy GPU, and windows long enough to see it.
BUSY = {
    "PYTHONPATH": str(FAKES / "nvml"),
    "FAKE_NVML": json.dumps({"pids": [os.getpid()], "names": {str(os.getpid()): "train.py"}}),
    "FAKE_WINDOW_S": "0.4",
}
PAIRINGS = (
    # TensorRT, DeepStream, NVENC, encoder, video
    ("8.6.1", "6.4.0", "closed", "theoraenc-fallback", "samples/rtdetr_output.ogv"),
    ("10.3.0", "7.1.0", "open", "nvv4l2h264enc", "samples/rtdetr_output.mp4"),
    ("10.16.0", "9.1.0", "open", "nvv4l2h264enc", "samples/rtdetr_output.mp4"),
)


def test_every_pairing_is_built_measured_and_shown(tree, finished):
    for number, (tensorrt, deepstream, nvenc, encoder, video) in enumerate(PAIRINGS):
        is_disturbed = number == 0
        env = {
            "PATH": f"{FAKES}:{FAKES / 'gstreamer'}:{os.environ['PATH']}",
            "FAKE_TRT_VERSION": tensorrt,
            "FAKE_DEEPSTREAM_VERSION": deepstream,
            "FAKE_NVENC": nvenc,
            "FAKE_KITTI": str(finished / "models/rtdetr/samples/kitti_output"),
            "FAKE_IMAGES_PER_S": "75",
            "FAKE_TOTAL_FPS": "70",
        } | (BUSY if is_disturbed else {})
        done = snakemake(tree, REPORT, env=env, config='runtime: nvidia\nfirst_batch: {"nvidia": 4}\n')
        assert done.returncode == 0, done.stdout[-6000:]
        data = json.loads((tree / REPORT).with_name("benchmark_data.json").read_text())
        assert data["system"]["deepstream"] == deepstream
        assert [data["deepstream"][run]["warnings"] for run in ("run1", "run2")] == [[], []]
        assert data["deepstream"]["run1"]["streams"] == 2
        assert data["deepstream"]["run1"]["total_fps"] == 70.0
        assert data["validation"]["video"]["encoder"] == encoder
        assert data["validation"]["video"]["file"] == video
        with av.open(str(tree / "models/rtdetr" / video)) as container:
            assert sum(1 for _ in container.decode(video=0)) == data["video"]["frames"]
        text = (tree / REPORT).with_name("benchmark_report.md").read_text()
        assert f"| Video encoder | {encoder} |" in text and video in text
        assert "| Precision of layers | 1 fp16, 1 fp32 |" in text
        assert "Data transfers: off; spin wait: off; CUDA graph: off." in text
        assert ("the run was DISTURBED" in text) == is_disturbed
        runs = [*(data["trtexec"][name] for name in ("bs1", "bsmax")), data["deepstream"]["run1"]]
        if is_disturbed:
            says = [f"other processes used the GPU: train.py ({os.getpid()})"]
            assert [run["conditions"]["disturbances"] for run in runs] == [says] * 3
            assert [run["conditions"]["bound_by"] for run in runs] == ["compute"] * 3
            assert "| GPU SM clock (MHz) | 1,980 (1,980 to 1,980) |" in text
