"""Each kind of clip is counted alike by all who play it, or refused in a sentence with a command that makes another."""

import os
import re
import shlex
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import clip_kinds as kinds
import hostile_clips as hostile
from dsbench.checks.batch_slots import write_slot_clips
from dsbench.core.errors import BuildError, refuse_as_home, refuse_unnameable
from dsbench.core.records import write_record
from dsbench.deepstream.video import count_frames, record_overlay
from dsbench.machine import video
from dsbench.machine.clip import ClipError, choose_video, remade, was_decoded
from dsbench.machine.video import frame_rates, inspect_video, look_at
from dsbench.pixels.nvinfer_pixels import decoded_frames, middle_frames
from dsembed.shared.decode import (
    DecodeError,
    decode_frames,
    frame_view,
    open_container,
    packets_of,
    shown_frames,
)

PLAYED = {
    "plain": (lambda folder: kinds.write(folder / "a.mp4"), 40, 40),
    "edit list": (kinds.edited, 40, 60),
    "cover first": (kinds.covered, 40, 40),
    "begun between key frames": (kinds.between_key_frames, 50, 79),
    "HEVC with 10 bits": (
        lambda folder: kinds.write(folder / "a.mp4", form="yuv420p10le", codec="libx265"),
        40,
        40,
    ),
    "odd size": (lambda folder: kinds.write(folder / "a.avi", size=(65, 49), codec="mpeg4"), 40, 40),
    "alpha beside the film": (
        lambda folder: kinds.write(folder / "a.webm", codec="libvpx-vp9", form="yuva420p"),
        40,
        40,
    ),
    "Matroska": (lambda folder: kinds.write(folder / "a.mkv"), 40, 40),
    "pixels that are nearly square": (
        lambda folder: kinds.write(folder / "a.mp4", **{"x264-params": "sar=640/639"}),
        40,
        40,
    ),
    "variable rate": (
        lambda folder: kinds.write(folder / "a.mp4", at=lambda n: n + 5 * max(0, n - 20)),
        40,
        40,
    ),
}


@pytest.mark.parametrize(("make", "frames", "packets"), PLAYED.values(), ids=PLAYED)
def test_all_count_the_frames_that_are_shown(tmp_path, make, frames, packets):
    clip = make(tmp_path)
    look_at(clip)
    facts = inspect_video(clip, "clip")
    assert (facts.frames, facts.packets) == (frames, packets)
    assert len(list(decode_frames(clip, loop=False))) == frames
    assert [number for number, _ in decoded_frames(clip, range(frames))] == list(range(frames))
    with pytest.raises(BuildError, match=f"ended before frame {frames}"):
        list(decoded_frames(clip, [frames]))
    assert len(middle_frames(clip, frames, 5)) == 5
    write_slot_clips(clip, frames, 20, tmp_path / "slot.mp4", tmp_path / "mirrored.mp4")
    assert count_frames(tmp_path / "mirrored.mp4") == len(range(0, frames, -(-frames // 20)))


@pytest.mark.parametrize(
    "kind", ["edit list", "begun between key frames", "cover first", "HEVC with 10 bits"]
)
def test_a_second_round_shows_the_frames_of_the_first(tmp_path, kind):
    make, frames, _ = PLAYED[kind]
    shown = decode_frames(make(tmp_path), loop=True)
    rounds = [[next(shown).to_ndarray().tobytes() for _ in range(frames)] for _ in range(2)]
    assert rounds[0] == rounds[1]
    assert len(set(rounds[0])) == frames


def test_the_frames_of_an_edit_list_are_those_after_the_cut(tmp_path):
    edited = kinds.edited(tmp_path)
    whole = list(decode_frames(tmp_path / "plain.mp4", loop=False))
    first = next(decode_frames(edited, loop=False))
    assert (first.to_ndarray() == whole[20].to_ndarray()).all()


def test_ten_bits_are_cut_to_the_upper_eight(tmp_path):
    clip = kinds.write(tmp_path / "a.mp4", form="yuv420p10le", codec="libx265")
    with av.open(str(clip)) as container:
        deep = next(container.decode(video=0)).to_ndarray()
    frame = next(decode_frames(clip, loop=False))
    assert frame.format.name == "yuv420p"
    assert (frame.to_ndarray() == deep >> 2).all()
    assert frame_view(frame).width == kinds.WIDTH
    assert inspect_video(clip, "clip").bits == 10


def test_the_video_with_boxes_has_the_frames_that_are_shown(tmp_path):
    clip = kinds.edited(tmp_path)
    facts = inspect_video(clip, "clip")
    record_overlay(clip, facts.average_fps, {}, tmp_path / "boxes.ogv", tmp_path / "log")
    assert count_frames(tmp_path / "boxes.ogv") == 40


def interlaced(folder):
    return kinds.write(folder / "a.mp4", flags=kinds.INTERLACED, **{"x264-params": "interlaced=1"})


# The sentence, and whether the first frame tells it.
REFUSED = {
    "upright": (kinds.turned, r"show it turned by 90 degrees clockwise.*_upright\.mp4", True),
    "upside down": (lambda folder: kinds.turned(folder, (-1, 0, 0, -1)), "turned by 180 degrees", True),
    "mirrored": (lambda folder: kinds.turned(folder, kinds.MIRRORED), "show it mirrored", True),
    "pixels that are not square": (
        lambda d: kinds.write(d / "a.mp4", **{"x264-params": "sar=4/3"}),
        r"its pixels 1\.33 times as wide as high.*'scale=trunc\(iw\*sar/2\).*_square\.mp4.*setsar=1 .*_as_coded\.mp4",
        True,
    ),
    "H.264 with 10 bits": (
        lambda d: kinds.write(d / "a.mp4", form="yuv420p10le"),
        "yuv420p10le in h264",
        True,
    ),
    "4:4:4": (lambda d: kinds.write(d / "a.mp4", form="yuv444p"), "yuv444p in h264.*-pix_fmt yuv420p", True),
    "alpha": (lambda d: kinds.write(d / "a.mov", codec="prores_ks", form="yuva444p10le"), "in prores", True),
    "interlaced": (interlaced, "frame 0 is interlaced.*-vf yadif", True),
    "sound alone": (lambda d: kinds.sound(d / "a.wav"), "no video stream in it, only sound", True),
    "two films": (
        lambda d: kinds.copied(kinds.write(d / "a.mp4"), d / "b.mp4", before=True),
        r"2 video streams \(mjpeg 64x48, h264 64x48\).*-map 0:v:1 -c copy",
        True,
    ),
    "picture": (
        lambda d: kinds.write(d / "a.png", 1, codec="png", form="rgb24", muxer="image2"),
        "a picture",
        True,
    ),
    "moving picture": (
        lambda d: kinds.write(d / "a.gif", codec="gif", form="rgb8"),
        r"a picture \(gif\)",
        True,
    ),
    "no index": (
        lambda d: kinds.cut(kinds.write(d / "a.mp4")),
        r"before its index \(moov\) was whole",
        True,
    ),
    "end missing": (
        lambda d: kinds.cut(kinds.write(d / "a.mp4", 150, container={"movflags": "faststart"})),
        "cut off: it ends before the last frames",
        True,
    ),
    "a frame missing amid others": (
        lambda d: hostile.frame_outside(d / "a.mp4", 5),
        "cut off: it ends before the last frames",
        True,
    ),
    "fragment missing": (
        lambda d: kinds.cut(
            kinds.write(d / "a.mp4", 150, container={"movflags": "frag_keyframe+empty_moov"}, g="30")
        ),
        "cut off",
        True,
    ),
    "Matroska cut": (lambda d: kinds.cut(kinds.write(d / "a.mkv", 150)), "cut off", False),
    "AVI cut": (
        lambda d: kinds.cut(kinds.write(d / "a.avi", 150)),
        "cut off|is damaged|cannot be decoded",
        False,
    ),
    "size changes": (kinds.changing, "frame 40 is 48x32, the frames before it are 64x48.*scale=64:48", False),
    "too short": (
        lambda d: kinds.write(d / "a.mp4", 29),
        "29 frames, expected a video of at least 30",
        False,
    ),
    "no rate": (lambda d: kinds.write(d / "a.h264", muxer="h264"), "have no times.*-framerate 30 -i", False),
}


def test_clip_is_known_until_it_changes_or_another_is_named(tmp_path):
    clip, facts = kinds.write(tmp_path / "a.mp4"), tmp_path / "video.json"
    assert not was_decoded(clip, facts)
    write_record(facts, inspect_video(clip, "clip"))
    now = facts.stat().st_mtime
    os.utime(clip, (now - 1, now - 1))
    assert was_decoded(clip, facts)
    assert not was_decoded(clip.rename(tmp_path / "b.mp4"), facts)
    (tmp_path / "b.mp4").rename(clip)
    os.utime(clip, (now + 1, now + 1))
    assert not was_decoded(clip, facts)
    facts.write_text("{")
    assert not was_decoded(clip, facts)


@pytest.mark.parametrize(("make", "said", "at_sight"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_shown_wrong_is_refused_by_name(tmp_path, make, said, at_sight):
    clip = make(tmp_path)
    with pytest.raises(ClipError, match=f"^{re.escape(str(clip))}: .*(?:{said})"):
        inspect_video(clip, "clip")
    if at_sight:
        with pytest.raises(ClipError, match=said):
            look_at(clip)
    else:
        look_at(clip)


def test_a_title_in_another_encoding_than_utf8_is_no_reason_to_refuse_a_clip(tmp_path):
    clip = kinds.write(tmp_path / "a.mkv")
    data = clip.read_bytes()
    clip.write_bytes(data.replace(b"Lavf", b"L\xe4vf"))
    assert clip.read_bytes() != data
    look_at(clip)
    assert inspect_video(clip, "clip").frames == len(list(decode_frames(clip, loop=False))) == kinds.FRAMES


def test_a_stream_that_begins_in_the_middle_of_the_file_does_not_end_the_film(tmp_path):
    class Late:
        """What PyAV's demuxer does where a second stream came."""

        def __init__(self, container):
            self._container = container

        def demux(self, stream):
            yield from self._container.demux(stream)
            raise IndexError("list index out of range")

    with open_container(kinds.write(tmp_path / "a.ts")) as container:
        packets = packets_of(Late(container), container.streams.video[0])
        assert len(list(shown_frames(packets))) == kinds.FRAMES


def test_a_film_in_an_unknown_codec_is_told(tmp_path):
    clip = kinds.write(tmp_path / "a.mkv")
    clip.write_bytes(clip.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG9/ISO/AVC"))
    for look in (look_at, lambda file: inspect_video(file, "clip")):
        with pytest.raises(ClipError, match=r"a\.mkv: its film is in a codec that FFmpeg does not know"):
            look(clip)
    with pytest.raises(DecodeError, match="no video stream that FFmpeg can decode"):
        list(decode_frames(clip, loop=False))


def test_a_damaged_frame_is_named_with_what_can_be_kept(tmp_path):
    clip = kinds.write(tmp_path / "a.mp4", 60, preset="ultrafast", g="10")
    with av.open(str(clip)) as container:
        entry = container.streams.video[0].index_entries[40]
    data = bytearray(clip.read_bytes())
    data[entry.pos : entry.pos + 4] = b"\xff\xff\xff\xff"
    clip.write_bytes(data)
    with pytest.raises(ClipError, match=r"frame 40 cannot be decoded.*-frames:v 40 .*a_whole\.mp4"):
        inspect_video(clip, "clip")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#EXTM3U\n#EXTINF:10,\nhttp://host/1.ts\n", "a playlist"),
        ("ffconcat version 1.0\nfile /etc/passwd\n", "a playlist"),
        (
            "version https://git-lfs.github.com/spec/v1\n",
            "not a video that can be read but text that begins with 'version https://git-lfs.*git lfs pull",
        ),
        ("", "an empty file"),
    ],
)
def test_text_is_refused_before_anything_named_in_it_is_opened(tmp_path, text, said):
    (tmp_path / "clip.mp4").write_text(text)
    with pytest.raises(ClipError, match=rf"clip\.mp4: {said}"):
        look_at(tmp_path / "clip.mp4")


LISTS = {
    "ffconcat.mp4": b"ffconcat version 1.0\nfile film.ts\n",
    "with bytes.mp4": b"ffconcat version 1.0\nfile film.ts\n#\x00\xff",
    "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfilm.ts\n#EXT-X-ENDLIST\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_nobody_plays_what_a_playlist_names(tmp_path, monkeypatch, name):
    kinds.write(tmp_path / "film.ts")
    clip = tmp_path / name
    clip.write_bytes(LISTS[name])
    with pytest.raises(ClipError, match="a playlist"):
        look_at(clip)
    with pytest.raises(DecodeError, match="expected a video file"):
        list(decode_frames(clip, loop=False))
    with pytest.raises(BuildError, match="not a readable video"):
        count_frames(clip)
    # FFmpeg itself is asked too, since it may know a list by other signs.
    monkeypatch.setattr(video, "_refuse_text", lambda _: None)
    with pytest.raises(ClipError, match="not a video that can be read"):
        look_at(clip)


@pytest.mark.parametrize("name", ["concat:a.mp4", "a:b|c.mp4", "-x %03d 100%.mp4", "file:a.mp4"])
def test_a_name_is_only_a_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    kinds.write(tmp_path / "plain.mp4").rename(tmp_path / name)
    look_at(Path(name))
    assert count_frames(Path(name)) == len(list(decode_frames(Path(name), loop=False))) == kinds.FRAMES


def test_other_content_is_not_a_video(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ClipError, match=r"clip\.mp4: not a video that can be read"):
        look_at(tmp_path / "clip.mp4")


MS, TICKS = Fraction(1, 1000), Fraction(1, 90000)


@pytest.mark.parametrize(
    ("times", "time_base", "stated", "needed", "average", "is_variable"),
    [
        ([3000 * n for n in range(60)], TICKS, None, 30, 30, False),
        ([3003 * n for n in range(60)], TICKS, Fraction(30000, 1001), 29.97, 29.97, False),
        # Rounded to milliseconds they are still the stated rate's.
        ([round(1000 * n / 30) for n in range(60)], MS, Fraction(30), 30, 30, False),
        # A stated rate that the times contradict is not taken.
        ([40 * n for n in range(60)], MS, Fraction(30), 25, 25, False),
        # One second at 30, then five at 6: the average says 10.
        (
            [round(1000 * (n if n <= 30 else 30 + 5 * (n - 30)) / 30) for n in range(60)],
            MS,
            None,
            30,
            10,
            True,
        ),
        # One long pause.
        ([33 * n + (4000 if n > 40 else 0) for n in range(60)], MS, None, 30.303, 10, True),
        # Frames of AVI whose times are those of the packets.
        ([*range(50), 51, 50, *range(52, 60)], Fraction(1, 30), Fraction(30), 30, 30, False),
        # Two recordings joined: the times begin again, at a time of their own.
        ([40 * n + 7000 for n in range(40)] + [40 * n for n in range(40)], MS, None, 25, 25, False),
        # Two recordings joined: the times begin again.
        ([40 * n for n in range(40)] * 2, MS, None, 25, 25, False),
    ],
)
def test_rate_is_that_of_the_shown_frames(times, time_base, stated, needed, average, is_variable):
    found = frame_rates(Path("clip.mp4"), times, time_base, stated)
    assert found.fps == pytest.approx(needed, abs=0.01)
    assert found.average_fps == pytest.approx(average, rel=0.04)
    assert found.is_variable is is_variable
    assert found.duration_s == pytest.approx(len(times) / found.average_fps)


def test_frames_that_share_one_time_have_no_rate():
    with pytest.raises(ClipError, match="most frames have the time of the frame before"):
        frame_rates(Path("clip.mp4"), [0] * 60, MS)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (
            "rtsp://cam.example/1",
            "record a clip with `ffmpeg -rtsp_transport tcp -i rtsp://cam.example/1 -t 60 ",
        ),
        ("rtsp://me:secret@cam/1?token=abc", "rtsp://USER:PASSWORD@cam/1: "),
        ("rtsp://me:secret/@?secret@cam/1?token=abc", "rtsp://USER:PASSWORD@cam/1: "),
        (
            "https://host/a.mp4",
            "record a clip with `ffmpeg -i https://host/a.mp4 -t 60 -an -c copy clip.mp4`",
        ),
        ("udp://239.0.0.1:5000", "an address, not a video file, and every run has to play the same frames"),
        ("file:///data/a.mp4", "write what stands after file://"),
        ("nothing.mp4", "nothing.mp4: no such video"),
        ("~nobody-of-this-name/a.mp4", "~nobody-of-this-name/a.mp4: no such video"),
        ("x" * 5000, "xxx: no such video"),
        ("/dev/null", "a device or pipe"),
    ],
)
def test_only_a_file_is_a_clip(tmp_path, named, said):
    with pytest.raises(ClipError, match=re.escape(said)) as error:
        choose_video(named, tmp_path, tmp_path)
    assert "secret" not in str(error.value) and "abc" not in str(error.value)


def test_a_folder_and_a_path_with_braces_are_no_clips(tmp_path):
    with pytest.raises(ClipError, match="a folder, not a video file"):
        choose_video(str(tmp_path), tmp_path, tmp_path)
    clip = kinds.write(tmp_path / "a {b}.mp4")
    with pytest.raises(BuildError, match=r"the clip's path has a brace.*rename it"):
        choose_video(str(clip), tmp_path, tmp_path)
    refuse_as_home("the project's folder", Path("/it's [my] $HOME é"))
    refuse_unnameable("the clip's path", Path("/12:30/a.mp4"))
    with pytest.raises(BuildError, match="the project's folder has a colon, which separates folders in PATH"):
        refuse_as_home("the project's folder", Path("/12:30"))


def test_a_path_with_bytes_that_are_no_text_is_refused_in_words_that_can_be_printed(tmp_path):
    clip = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    kinds.write(tmp_path / "a.mp4").rename(clip)
    with pytest.raises(
        BuildError, match=r"caf\\xe9\.mp4: the clip's path has bytes that are no UTF-8.*rename it"
    ) as error:
        choose_video(str(clip), tmp_path, tmp_path)
    assert str(error.value).isprintable() and str(error.value).encode()


def test_the_command_takes_any_name(tmp_path):
    words = shlex.split(remade(Path("-my clip's.mov"), "-an", "new").strip("`"))
    assert words == ["ffmpeg", "-i", "./-my clip's.mov", "-an", "./-my clip's_new.mp4"]


def test_pictures_have_an_even_size_once_they_are_encoded_again(tmp_path):
    clip = kinds.write(tmp_path / "a.mp4", size=(65, 49), form="yuv444p")
    with pytest.raises(ClipError, match=r"-vf 'crop=trunc\(iw/2\)\*2:trunc\(ih/2\)\*2' -an"):
        look_at(clip)


def test_the_picture_generator_tells_frames_apart():
    assert len({kinds.picture(number).tobytes() for number in range(kinds.FRAMES)}) == kinds.FRAMES
    assert np.ptp(kinds.picture(0)) > 100
