"""MAX_BS and the streams of both runs: every change that moves a name reaches the report in the same call."""

import json
import os

import av
import pytest

from workflow_run import PROJECT, REPORT, copied, planned, snakemake

FAKES = PROJECT / "tests/fakes"
MARKDOWN = "models/rtdetr/reports/benchmark_report.md"
# PEAK 2 and RT_STREAMS 2 at the default batch of 4.
IMAGES_PER_S, TOTAL_FPS = 75, 70


class Build:
    """The finished main job on fake tools of NVIDIA's runtime, whose numbers a test chooses."""

    def __init__(self, directory, kitti):
        self.directory = directory
        self.settings = {"first_batch": {"nvidia": 4}}
        self.env = {
            # Encoding a video would be the longest step of every call here.
            "PATH": f"{FAKES}:{FAKES / 'no_encoder'}:{os.environ['PATH']}",
            "FAKE_IMAGES_PER_S": str(IMAGES_PER_S),
            "FAKE_TOTAL_FPS": str(TOTAL_FPS),
            "FAKE_KITTI": str(kitti),
        }

    def run(self, *arguments):
        """Run snakemake and return what it printed."""
        config = "runtime: nvidia\n" + "".join(f"{k}: {json.dumps(v)}\n" for k, v in self.settings.items())
        done = snakemake(self.directory, *(arguments or (REPORT,)), env=self.env, config=config)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def numbers(self, report=MARKDOWN):
        """Make the report, check that nothing is left to do, and return MAX_BS, PEAK and both runs' streams.

        Only its text is made unless `report` is another one: charts and PDF are drawn from the same numbers.
        """
        self.run(report)
        assert planned(self.run("-n", report)) == {}
        data = json.loads((self.directory / REPORT).with_name("benchmark_data.json").read_text())
        text = (self.directory / MARKDOWN).read_text()
        runs = data["deepstream"]
        assert f"PEAK_GPU_STREAMS = {data['peak_gpu_streams']}, MAX_BS = {data['max_bs']}" in text
        assert f"benchmarks/ds/ds_s{runs['run2']['streams']}_run2.log" in text
        assert data["validation"]["video"] == {"encoder": "skipped", "file": None, "frames": []}
        return (data["max_bs"], data["peak_gpu_streams"], runs["run1"]["streams"], runs["run2"]["streams"])

    def upgrade(self, driver, images_per_s, total_fps):
        """Change the driver, and with it what the tools measure."""
        self.env |= {
            "FAKE_DRIVER": driver,
            "FAKE_IMAGES_PER_S": str(images_per_s),
            "FAKE_TOTAL_FPS": str(total_fps),
        }


@pytest.fixture(scope="module")
def measured(finished, beside):
    """The finished main job measured by the fakes, at the numbers above; never changed by a test."""
    directory = copied(finished, beside("measured"))
    Build(directory, finished / "models/rtdetr/samples/kitti_output").run(REPORT)
    return directory


@pytest.fixture
def build(measured, finished, beside):
    directory = copied(measured, beside("copy"))
    return Build(directory, finished / "models/rtdetr/samples/kitti_output")


@pytest.fixture
def unmeasured(tree, finished):
    """The finished main job of the embedded runtime, which the fakes are now to measure."""
    return Build(tree, finished / "models/rtdetr/samples/kitti_output")


def test_peak_moves_up_over_doublings_and_down_again(build):
    assert build.numbers() == (4, 2, 2, 2)
    build.upgrade("600.1", images_per_s=400, total_fps=335)
    assert build.numbers(REPORT) == (16, 13, 13, 11)
    build.upgrade("600.2", images_per_s=200, total_fps=95)
    assert build.numbers() == (8, 6, 6, 3)
    build.upgrade("600.3", images_per_s=IMAGES_PER_S, total_fps=TOTAL_FPS)
    assert build.numbers() == (4, 2, 2, 2)


def test_a_setting_that_only_moves_names_reaches_the_report(build):
    assert build.numbers() == (4, 2, 2, 2)
    build.settings["target_fps"] = 10
    assert build.numbers() == (8, 7, 7, 7)
    build.settings["first_batch"] = {"nvidia": 3}
    build.settings["target_fps"] = 30
    assert build.numbers() == (3, 2, 2, 2)
    build.settings["largest_batch"] = {"nvidia": 3}
    build.settings["target_fps"] = 5
    assert build.numbers() == (3, 15, 3, 3)


def test_a_clip_of_another_rate_moves_the_names_in_the_same_call(build):
    assert build.numbers() == (4, 2, 2, 2)
    slower(PROJECT / "demo/sample_720p.mp4", build.directory / "slower.mp4", 3)
    build.settings["video"] = "slower.mp4"
    assert build.numbers() == (8, 7, 7, 7)


def slower(source, path, factor):
    """Copy a clip's frames, each shown `factor` times as long."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        film = old.streams.video[0]
        copy = new.add_stream_from_template(film)
        for packet in old.demux(film):
            if packet.size:
                packet.pts, packet.dts, packet.stream = factor * packet.pts, factor * packet.dts, copy
                new.mux(packet)


def test_forced_new_measurement_reaches_the_report(build):
    assert build.numbers() == (4, 2, 2, 2)
    build.env |= {"FAKE_IMAGES_PER_S": "125", "FAKE_TOTAL_FPS": "100"}
    build.run(MARKDOWN, "-R", "benchmark_engine")
    assert build.numbers() == (4, 4, 4, 3)


def test_model_too_slow_for_one_stream_runs_one_and_is_not_real_time(build):
    build.upgrade("600.1", images_per_s=20, total_fps=18)
    assert build.numbers() == (4, 0, 1, 1)
    text = (build.directory / REPORT).with_name("benchmark_report.md").read_text()
    assert "NOT REAL-TIME: 1 stream at 18.00 FPS per stream" in text


def test_deleted_measured_log_comes_back(build):
    build.numbers()
    log = build.directory / "models/rtdetr/benchmarks/ds/ds_s2_run1.log"
    log.unlink()
    build.run("all")
    assert log.is_file()
    assert build.numbers() == (4, 2, 2, 2)


def test_log_that_was_cut_by_hand_is_refused_not_believed_and_comes_back_once_deleted(build):
    build.numbers()
    log = build.directory / "models/rtdetr/benchmarks/b4/trtexec_b4.log"
    log.write_text(log.read_text()[:300])
    with pytest.raises(AssertionError, match=r"trtexec_b4\.log: 0 PASSED banners"):
        build.run("all")
    log.unlink()
    build.run("all")
    assert build.numbers() == (4, 2, 2, 2)


def test_engine_that_was_put_in_the_place_of_the_built_one_is_refused(build):
    build.numbers()
    engine = build.directory / "models/rtdetr/benchmarks/engines/rtdetr_dynamic_b4.engine"
    with engine.open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(
        AssertionError, match=r"rtdetr_dynamic_b4\.engine\.json: is the passport of another file"
    ):
        build.run("all")
    assert not engine.exists() and engine.with_name(f"{engine.name}.refused").exists()
    build.run("all")
    assert build.numbers() == (4, 2, 2, 2)


@pytest.mark.parametrize("version", ["8.6.1", "11.1.0"])
def test_every_version_of_trtexec_reaches_the_report(unmeasured, version):
    unmeasured.env |= {"FAKE_TRT_VERSION": version, "FAKE_DEEPSTREAM_TENSORRT": version.rpartition(".")[0]}
    assert unmeasured.numbers() == (4, 2, 2, 2)
    halves = list(unmeasured.directory.glob("models/rtdetr/model/*_fp16.*"))
    assert len(halves) == (2 if version == "11.1.0" else 0)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"FAKE_TRTEXEC": "fail"}, "exit status 1: [08/02/2026-10:35:55] [E] Error[2]: out of memory"),
        ({"FAKE_TRTEXEC": "no-verdict"}, "0 PASSED banners"),
        ({"FAKE_TRTEXEC": "cut"}, "0 PASSED banners"),
        ({"FAKE_TRTEXEC": "empty-engine"}, "trtexec PASSED, but left no engine"),
        ({"FAKE_TRTEXEC": "other-workspace"}, "workspace is 0.0210285 MiB, asked for 22050 MiB"),
        ({"FAKE_TRTEXEC": "float-layers"}, "none of its 2 layers is"),
        ({"FAKE_FREE_MIB": "100"}, "the GPU has 100 MiB free"),
        ({"FAKE_TRTEXEC": "transfers"}, "'Data transfers:' is Enabled, expected Disabled"),
        ({"FAKE_TRTEXEC": "other-shape"}, "measured pixel_values with shape (1, 3, 320, 320), asked for (4,"),
        ({"FAKE_DEEPSTREAM": "other-tensorrt"}, "rebuilt instead of loaded: it is of TensorRT 8.5.3.1"),
        ({"FAKE_DEEPSTREAM": "stall"}, "stream 1 stalled"),
        (
            {"FAKE_DEEPSTREAM": "leak"},
            "Different videos in the batch slots: slot 1, with the mirrored clip, frame",
        ),
        (
            {"FAKE_KITTI": ""},
            "No stage that can be checked here diverges, which leaves engine precision or how the runtime decodes",
        ),
    ],
)
def test_misbehaving_tool_stops_the_build_and_leaves_its_log(unmeasured, how, says):
    unmeasured.env |= how
    config = 'runtime: nvidia\nfirst_batch: {"nvidia": 4}\n'
    done = snakemake(unmeasured.directory, REPORT, env=unmeasured.env, config=config)
    assert done.returncode != 0
    assert says in done.stdout
    assert not list(unmeasured.directory.glob("models/rtdetr/benchmarks/engines/*.partial"))
    logs = [
        path for path in (unmeasured.directory / "logs/rtdetr").glob("*.log") if "ERROR" in path.read_text()
    ]
    assert logs
