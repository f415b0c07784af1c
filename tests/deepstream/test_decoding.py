"""What decoding alone allows is measured over the difference of two runs, and never stands in a benchmark's way."""

import os
import re
from dataclasses import replace
from pathlib import Path

import av
import pytest

from dsbench.core.records import as_json
from dsbench.deepstream import decoding
from dsbench.deepstream.decoding import Decoding, DecodingRate, elementary_stream, measure_decoding
from dsbench.machine.clip import ClipFacts

TESTS = Path(__file__).parents[1]
PROJECT = TESTS.parent
DECODER = PROJECT / "workflow/embedded/bin/decode-streams"
DEMO = PROJECT / "demo/sample_720p.mp4"
CLIP = ClipFacts(
    *(
        "sample_720p.mp4",
        "0" * 64,
        "h264",
        "yuv420p",
        8,
        1280,
        720,
        300,
        300,
        30.0,
        30.0,
        False,
        10.0,
        str(DEMO),
    )
)


class Decoders:
    """Runs that take 1.5 s to start and end, and the decoders' time: `rate` frames/s, less from `full` streams on."""

    def __init__(self, rate, full=1000):
        self.rate, self.full, self.runs = rate, full, []

    def __call__(self, streams, passes):
        self.runs.append((streams, passes))
        return 1.5 + 300 * passes * streams / (self.rate / (2 if streams > self.full else 1))


def of_clip(_):
    """A pass is the whole clip, in each of the streams."""
    return 300


def test_start_and_teardown_are_not_in_the_rate():
    assert decoding._frames_per_s(Decoders(1000), 300, 16, 2.0) == pytest.approx(1000)


def test_a_fast_decoder_gets_more_passes_until_the_clock_can_tell():
    decoders = Decoders(1e6)
    assert decoding._frames_per_s(decoders, 300, 16, 2.0) == pytest.approx(1e6)
    (_, short), (_, long) = decoders.runs[0], decoders.runs[-1]
    assert short == 1 and 300 * (long - short) * 16 / 1e6 >= 2


def test_the_streams_that_the_first_rate_promises_are_run_too():
    found = decoding._rates(Decoders(5493, full=128), of_clip, 16, 30, 2.0)
    assert [rate.streams for rate in found.rates] == [16, 183]
    assert found.streams_at(30) == 91


def test_no_more_streams_are_allowed_than_were_run():
    rates = [DecodingRate(16, 5662.0), DecodingRate(188, 5797.0)]
    assert Decoding(rates[:1], "too little memory").streams_at(30) == 188
    assert Decoding(rates, None).streams_at(30) == 188


@pytest.mark.parametrize(
    ("rate", "streams"), [(20, [16, 1]), (480, [16]), (1e6, [16, decoding.MOST_STREAMS])]
)
def test_at_least_one_stream_is_run_and_not_more_than_a_process_holds(rate, streams):
    found = decoding._rates(Decoders(rate), of_clip, 16, 30, 2.0)
    assert [each.streams for each in found.rates] == streams


def test_a_run_that_is_never_longer_ends_the_measurement_in_a_sentence():
    found = decoding._rates(lambda *_: 1.0, of_clip, 16, 30, 2.0)
    assert found.rates == [] and "the clip is too short" in found.stopped_by
    assert found.streams_at(30) is None


def test_an_elementary_stream_has_the_clips_pictures(tmp_path):
    content, frames = elementary_stream(DEMO, "h264")
    (tmp_path / "twice.h264").write_bytes(content * 2)
    with av.open(tmp_path / "twice.h264") as twice:
        assert sum(1 for _ in twice.decode(video=0)) == 2 * frames == 600


@pytest.fixture(name="nvidia")
def _nvidia(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", f"{TESTS / 'fakes/gstreamer'}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return lambda clip=CLIP: measure_decoding(
        None, clip, 30, 0.01, tmp_path / "decoding.json", tmp_path / "logs/decoding.log", {"gpu": "one"}
    )


def test_nvidias_decoders_run_in_one_process_under_a_log_with_facts(nvidia, tmp_path):
    found = nvidia()
    assert found.stopped_by is None and found.rates[0].streams == decoding.FIRST_STREAMS
    assert found.streams_at(30) > decoding.FIRST_STREAMS
    log = (tmp_path / "logs/decoding.log").read_text()
    assert log.startswith("# command: gst-launch-1.0 -q filesrc location=") and "# gpu: one" in log
    assert (
        log.partition("\n")[0].count("h264parse '!' nvv4l2decoder '!' fakesink sync=false")
        == found.rates[-1].streams
    )
    assert [file.name for file in tmp_path.iterdir()] == ["logs"], "no scratch file is left"


def test_more_decoders_than_a_gpu_holds_leave_what_was_measured(nvidia, monkeypatch):
    monkeypatch.setenv("FAKE_DECODERS", "20")
    found = nvidia()
    assert [rate.streams for rate in found.rates] == [16] and "Failed to allocate" in found.stopped_by


def test_what_cannot_be_measured_is_said_and_stops_nothing(nvidia, monkeypatch):
    found = nvidia(replace(CLIP, codec="vp9"))
    assert found == Decoding([], "nvv4l2decoder is measured with h264 and hevc, the clip is vp9")
    monkeypatch.setenv("FAKE_GST_MISSING", "nvv4l2decoder")
    found = nvidia()
    assert found.rates == [] and 'no element "nvv4l2decoder"' in found.stopped_by


def test_the_embedded_runtime_decodes_as_its_deepstream_app_does(tmp_path):
    log = tmp_path / "decoding.log"
    found = measure_decoding(str(DECODER), CLIP, 1000, 0.05, tmp_path / "decoding.json", log, {})
    assert found.stopped_by is None and found.rates[0].streams == len(os.sched_getaffinity(0))
    streams = found.rates[-1].streams
    frames = int(re.search(rf"(\d+) frames in {streams} streams", log.read_text())[1])
    # A few passes of 30 frames for each core, whatever the streams are.
    assert frames % streams == 0 and frames <= 16 * 30 * len(os.sched_getaffinity(0))
    assert as_json(DecodingRate(2, 300.5)) == {"streams": 2, "frames_per_s": 300.5}


def test_the_embedded_decoder_says_what_it_cannot_decode(tmp_path):
    log = tmp_path / "decoding.log"
    clip = replace(CLIP, path=str(PROJECT / "README.md"))
    found = measure_decoding(str(DECODER), clip, 30, 0.05, tmp_path / "decoding.json", log, {})
    assert found.rates == [] and "expected a video file" in found.stopped_by
