"""The pairings of TensorRT and DeepStream that the main job is built on, and what its report must say of each."""

import json
import os
from dataclasses import dataclass

import av

from nvidia_job import FAKES, NvidiaJob

# NVML's answers while all tools run: somebody else's process on a busy GPU, and windows long enough to see it.
BUSY = {
    "PYTHONPATH": str(FAKES / "nvml"),
    "FAKE_NVML": json.dumps({"pids": [os.getpid()], "names": {str(os.getpid()): "train.py"}}),
    "FAKE_WINDOW_S": "0.4",
}


@dataclass(frozen=True)
class Pairing:
    """Versions, whether NVENC may be opened, and the encoder and the video that follow from it."""

    tensorrt: str
    deepstream: str
    nvenc: str
    encoder: str
    video: str

    def env(self) -> dict[str, str]:
        """Return what makes the fakes these versions."""
        return {
            "FAKE_TRT_VERSION": self.tensorrt,
            "FAKE_DEEPSTREAM_VERSION": self.deepstream,
            "FAKE_NVENC": self.nvenc,
        }


OLDEST = Pairing("8.6.1", "6.4.0", "closed", "theoraenc-fallback", "samples/rtdetr_output.ogv")
MIDDLE = Pairing("10.3.0", "7.1.0", "open", "nvv4l2h264enc", "samples/rtdetr_output.mp4")
NEWEST = Pairing("10.16.0", "9.1.0", "open", "nvv4l2h264enc", "samples/rtdetr_output.mp4")


def check_report(job: NvidiaJob, pairing: Pairing) -> None:
    """Check versions, streams, video and how was measured, in the numbers and in the text."""
    data, text = job.data, job.text
    assert data["system"]["deepstream"] == pairing.deepstream
    assert [data["deepstream"][run]["warnings"] for run in ("run1", "run2")] == [[], []]
    assert data["deepstream"]["run1"]["streams"] == 2
    assert data["deepstream"]["run1"]["total_fps"] == 70.0
    assert data["validation"]["video"]["encoder"] == pairing.encoder
    assert data["validation"]["video"]["file"] == pairing.video
    with av.open(str(job.directory / "models/rtdetr" / pairing.video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == data["video"]["frames"]
    assert f"| Video encoder | {pairing.encoder}: " in text and pairing.video in text
    assert "| Precision of layers | 1 fp16, 1 fp32 |" in text
    assert "Data transfers: off; spin wait: off; CUDA graph: off." in text
    # Half of what is free of the pretended GPU.
    log = (job.directory / "models/rtdetr/benchmarks/engines/build_b4.log").read_text()
    assert "Memory Pools: workspace: 22050 MiB," in log


def check_disturbed(job: NvidiaJob) -> None:
    """Check that every measurement names the process that BUSY has on the GPU."""
    data, text = job.data, job.text
    assert "the run was DISTURBED" in text
    runs = [*(data["trtexec"][name] for name in ("bs1", "bsmax")), data["deepstream"]["run1"]]
    says = [f"other processes used the GPU: train.py ({os.getpid()})"]
    assert [run["conditions"]["disturbances"] for run in runs] == [says] * 3
    assert [run["conditions"]["bound_by"] for run in runs] == ["compute"] * 3
    assert "| GPU SM clock (MHz) | 1,980 (1,980 to 1,980) |" in text
