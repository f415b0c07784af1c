"""What a clip claims takes neither memory nor time: each kind is refused in a sentence, within seconds and MB."""

import errno
import resource

import av
import pytest

import clip_kinds as kinds
import hostile_clips as hostile
from bounded_child import run_child
from dsbench.machine import video
from dsbench.machine.clip import ClipError
from dsbench.machine.video import inspect_video, look_at
from dsembed.shared.decode import DecodeError, decode_frames

# A child has 45 MB before it opens a clip.
MOST_S, MOST_MB = 30, 100
MOST_INDEX_MB = 320
INSPECT = """
import sys
from pathlib import Path
from dsbench.core.errors import BuildError
from dsbench.machine import video
if len(sys.argv) > 2:
    video.LARGEST_MEMORY_BYTES = int(sys.argv[2])
try:
    video.look_at(Path(sys.argv[1]))
    video.inspect_video(Path(sys.argv[1]), "clip")
except BuildError as error:
    sys.exit(str(error))
"""
CLAIMS = {
    "VP8 of 16000x16000": (
        lambda d: hostile.vp8(d / "a.webm", 16000),
        "frame 0 is damaged, or larger than 8192x8192 pixels",
    ),
    "VP9 of 65535x65535": (
        lambda d: hostile.vp9(d / "a.webm", 65535),
        "frame 0 is damaged, or larger than 8192x8192 pixels",
    ),
    "16000x16000 half way": (
        lambda d: hostile.vp9(d / "a.webm", 16000, key_frame=1),
        "frame 10 is damaged, or larger than 8192x8192 pixels",
    ),
    "bare pixels of 9000x7000": (
        lambda d: hostile.raw(d / "a.avi", 9000, 7000),
        "its pictures are 9000x7000, expected at most 8192 pixels on a side",
    ),
    "bare pixels of 65535x16000": (
        lambda d: hostile.raw(d / "a.avi", 65535, 16000),
        "no picture in it can be decoded, expected pictures of at most 8192x8192",
    ),
    "900 tracks": (lambda d: hostile.tracks(d / "a.mp4", 900), "more than 64 tracks, or an index"),
    "4 million boxes": (
        lambda d: hostile.boxes(d / "a.mp4", 4_000_000),
        "not a video that can be read",
    ),
}


@pytest.mark.parametrize(("make", "said"), CLAIMS.values(), ids=CLAIMS)
def test_what_is_claimed_is_refused_before_memory_is_taken(tmp_path, make, said):
    clip = make(tmp_path)
    done = run_child(INSPECT, clip, folder=tmp_path)
    assert done.status == 1 and done.text.startswith(f"{clip}: {said}"), done.text
    assert done.seconds < MOST_S and done.peak_mb < MOST_MB


def test_an_index_takes_no_more_than_its_bound(tmp_path):
    # 7 KB that take 3 GB without a bound; a lower one here spares the machine of the tests.
    clip = hostile.index(tmp_path / "a.mp4", 88_000_000)
    done = run_child(INSPECT, clip, 256 << 20, folder=tmp_path)
    assert done.status == 1 and "a.mp4: no picture in it can be decoded" in done.text, done.text
    assert done.seconds < MOST_S and done.peak_mb < MOST_INDEX_MB


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("open_container", "more than 64 tracks, or an index"),
        ("shown_frames", "frame 0 needs more than 4 GiB"),
    ],
)
def test_memory_that_python_itself_is_refused_is_told_too(tmp_path, monkeypatch, place, said):
    def too_much(_):
        raise MemoryError
        yield

    def at_once(_):
        raise MemoryError

    monkeypatch.setattr(video, place, too_much if place == "shown_frames" else at_once)
    with pytest.raises(ClipError, match=said):
        look_at(kinds.write(tmp_path / "a.mp4"))


def test_pictures_that_need_more_than_the_bound_are_told_with_a_command(tmp_path, monkeypatch):
    def too_much(packets):
        raise av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory")
        yield

    monkeypatch.setattr(video, "shown_frames", too_much)
    with pytest.raises(
        ClipError, match=r"frame 0 needs more than 4 GiB of memory; .*scale=3840:3840.*a_smaller\.mp4"
    ):
        look_at(kinds.write(tmp_path / "a.mp4"))


@pytest.mark.parametrize(
    ("size", "is_played"), [((8192, 32), True), ((8194, 32), False), ((32, 8194), False)]
)
def test_a_side_may_be_as_long_as_the_decoder_takes(tmp_path, size, is_played):
    clip = kinds.write(tmp_path / "a.mp4", size=size)
    if is_played:
        look_at(clip)
        assert inspect_video(clip, "clip").size == size
    else:
        with pytest.raises(
            ClipError, match=rf"pictures are {size[0]}x{size[1]}, .* with `ffmpeg .*a_smaller\.mp4`"
        ):
            look_at(clip)


@pytest.mark.parametrize(("name", "most"), [("MOST_PACKETS", 39), ("LONGEST_DECODING_S", -1)])
def test_a_clip_that_does_not_end_is_told_with_what_can_be_kept(tmp_path, monkeypatch, name, most):
    clip = kinds.write(tmp_path / "a.mp4")
    inspect_video(clip, "clip")
    monkeypatch.setattr(video, name, most)
    with pytest.raises(ClipError, match=r"coded pictures in 0 s and not at its end, .* -t 60 -an -c copy"):
        inspect_video(clip, "clip")


def test_the_bound_on_memory_ends_with_the_clip(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_DATA)
    look_at(kinds.write(tmp_path / "a.mp4"))
    with pytest.raises(ClipError):
        look_at(hostile.tracks(tmp_path / "b.mp4", 65))
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_the_embedded_runtime_has_the_same_bounds(tmp_path):
    for clip in (hostile.vp8(tmp_path / "a.webm", 16000), hostile.tracks(tmp_path / "b.mp4", 65)):
        with pytest.raises(DecodeError, match="expected a video file that FFmpeg can decode"):
            list(decode_frames(clip, loop=False))
