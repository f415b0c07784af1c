"""MAX_BS and the streams of both runs: every change that moves a name reaches the report in the same call."""

import json
import re

import av
import pytest

from nvidia_job import MARKDOWN, fake_tools
from workflow_run import PROJECT, REPORT


@pytest.fixture
def nvidia(nvidia, finished):
    """The job without an encoder: no name depends on the video, which would be made anew each time."""
    nvidia.env |= fake_tools(finished, "no_encoder")
    return nvidia


def test_peak_moves_up_over_doublings_and_down_again_to_less_than_a_stream(nvidia):
    nvidia.upgrade("600.1", images_per_s=400, total_fps=335)
    assert nvidia.numbers() == (16, 13, 13, 11)
    nvidia.upgrade("600.2", images_per_s=20, total_fps=18)
    assert nvidia.numbers() == (4, 0, 1, 1)
    assert "NOT REAL-TIME: 1 stream at 18.00 FPS per stream" in nvidia.text


def test_a_setting_that_only_moves_names_reaches_the_report(nvidia):
    nvidia.settings |= {"first_batch": {"nvidia": 3}, "largest_batch": {"nvidia": 3}, "target_fps": 5}
    assert nvidia.numbers() == (3, 15, 3, 3)


def test_a_clip_of_another_rate_moves_the_names_in_the_same_call(nvidia):
    slower(PROJECT / "demo/sample_720p.mp4", nvidia.directory / "slower.mp4", 3)
    nvidia.settings["video"] = "slower.mp4"
    assert nvidia.numbers() == (8, 7, 7, 7)


def slower(source, path, factor):
    """Copy a clip's frames, each shown `factor` times as long."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        film = old.streams.video[0]
        copy = new.add_stream_from_template(film)
        for packet in old.demux(film):
            if packet.size:
                packet.pts, packet.dts, packet.stream = factor * packet.pts, factor * packet.dts, copy
                new.mux(packet)


def test_a_machine_that_holds_less_measures_less_and_the_report_says_why(nvidia):
    nvidia.env |= {"FAKE_MOST_BATCH": "8", "FAKE_MOST_STREAMS": "3"}
    nvidia.upgrade("600.1", images_per_s=400, total_fps=335)
    assert nvidia.numbers() == (8, 13, 2, 2)
    unheld, _ = (note for note in nvidia.data["deepstream"]["notes"] if note.startswith("Run 1 was to have"))
    assert re.match(
        r"Run 1 was to have 8 .*: too few file handles: a process may have \d+ here \(.*\)\. It", unheld
    )
    slots = json.loads((nvidia.directory / "models/rtdetr/validation/batch_slots.json").read_text())
    assert slots["slots"] == 2 and slots["limit"].startswith("4 slots: too few file handles")
    assert "stop, batch 16 did not fit: too little memory on the GPU (" in nvidia.text
    nvidia.env |= {"FAKE_MOST_BATCH": "2", "FAKE_MOST_STREAMS": "1024"}
    nvidia.upgrade("600.2", images_per_s=50, total_fps=95)
    assert nvidia.numbers() == (2, 1, 1, 2)
    assert (
        "The engine takes 2 images at once and no more: batch 4 did not fit: too little memory on the GPU ("
        in nvidia.text
    )


def test_forced_new_measurement_reaches_the_report(nvidia):
    nvidia.env |= {"FAKE_IMAGES_PER_S": "125", "FAKE_TOTAL_FPS": "100"}
    nvidia.run(MARKDOWN, "-R", "benchmark_engine")
    assert nvidia.numbers() == (4, 4, 4, 3)


def test_what_was_cut_or_replaced_by_hand_is_refused_not_believed_and_comes_back(nvidia):
    benchmarks = nvidia.directory / "models/rtdetr/benchmarks"
    lost = benchmarks / "ds/ds_s2_run1.log"
    lost.unlink()
    log = benchmarks / "b4/trtexec_b4.log"
    log.write_text(log.read_text()[:300])
    assert "trtexec_b4.log: 0 PASSED banners" in nvidia.refused("all")
    log.unlink()
    engine = benchmarks / "engines/rtdetr_dynamic_b4.engine"
    with engine.open("ab") as stream:
        stream.write(b" ")
    assert "rtdetr_dynamic_b4.engine.json: is the passport of another file" in nvidia.refused("all")
    assert not engine.exists() and engine.with_name(f"{engine.name}.refused").exists()
    nvidia.run("all")
    assert lost.is_file() and log.is_file() and engine.is_file()
    assert nvidia.numbers() == (4, 2, 2, 2)


def test_a_trtexec_that_is_typed_strongly_and_no_encoder_reach_the_report(nvidia):
    nvidia.env |= {"FAKE_TRT_VERSION": "11.1.0", "FAKE_DEEPSTREAM_TENSORRT": "11.1"}
    assert nvidia.numbers() == (4, 2, 2, 2)
    assert len(list(nvidia.directory.glob("models/rtdetr/model/*_fp16.*"))) == 2
    assert nvidia.data["validation"]["video"] == {"encoder": "skipped", "file": None, "frames": []}


@pytest.mark.parametrize(
    ("how", "forced", "says"),
    [
        (
            {"FAKE_TRTEXEC": "fail"},
            "build_engine",
            "exit status 1: [08/02/2026-10:35:55] [E] Error[2]: out of memory",
        ),
        ({"FAKE_DEEPSTREAM": "stall"}, "benchmark_streams", "stream 1 stalled"),
        (
            {"FAKE_DEEPSTREAM": "leak"},
            "check_batch_slots",
            "Different videos in the batch slots: slot 1, with the mirrored clip, frame",
        ),
        (
            {"FAKE_KITTI": ""},
            "dump_kitti",
            "No stage that can be checked here diverges, which leaves how the runtime decodes and scales",
        ),
    ],
)
def test_misbehaving_tool_stops_the_build_and_leaves_its_log(nvidia, how, forced, says):
    nvidia.env |= how
    assert says in nvidia.refused(REPORT, "-R", forced)
    assert not list(nvidia.directory.glob("models/rtdetr/benchmarks/engines/*.partial"))
    assert [log for log in nvidia.directory.glob("logs/rtdetr/*.log") if says in log.read_text()]
