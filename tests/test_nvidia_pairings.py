"""The whole build on each pairing of TensorRT and DeepStream, by programs as strict as NVIDIA's."""

import json
import os

import av

from workflow_run import PROJECT, REPORT, snakemake

FAKES = PROJECT / "tests/fakes"
PAIRINGS = (
    # TensorRT, DeepStream, NVENC, encoder, video
    ("8.6.1", "6.4.0", "closed", "theoraenc-fallback", "samples/rtdetr_output.ogv"),
    ("10.3.0", "7.1.0", "open", "nvv4l2h264enc", "samples/rtdetr_output.mp4"),
    ("10.16.0", "9.1.0", "open", "nvv4l2h264enc", "samples/rtdetr_output.mp4"),
)


def test_every_pairing_is_built_measured_and_shown(tree, finished):
    for tensorrt, deepstream, nvenc, encoder, video in PAIRINGS:
        env = {
            "PATH": f"{FAKES}:{FAKES / 'gstreamer'}:{os.environ['PATH']}",
            "FAKE_TRT_VERSION": tensorrt,
            "FAKE_DEEPSTREAM_VERSION": deepstream,
            "FAKE_NVENC": nvenc,
            "FAKE_KITTI": str(finished / "models/rtdetr/samples/kitti_output"),
            "FAKE_IMAGES_PER_S": "75",
            "FAKE_TOTAL_FPS": "70",
        }
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
