"""Small clips of the kinds that cameras, phones and cutting programs leave behind."""

import struct
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from av.stream import Disposition

WIDTH, HEIGHT, FRAMES = 64, 48, 40
QUICK = {"preset": "ultrafast"}
INTERLACED = 0x20000 | 0x40000
UPRIGHT = (0, 1, -1, 0)
MIRRORED = (-1, 0, 0, 1)


def picture(number, width=WIDTH, height=HEIGHT):
    """Return an RGB picture that no other number has."""
    ramp = np.add.outer(np.arange(height), np.arange(width) + 4 * number).astype(np.uint8)
    return np.dstack([ramp, np.full_like(ramp, 5 * number % 256), 255 - ramp])


def write(
    path,
    frames=FRAMES,
    size=(WIDTH, HEIGHT),
    form="yuv420p",
    codec="libx264",
    at=None,
    flags=0,
    muxer=None,
    **options,
):
    """Write a clip at 30 frames/s and return its path; `at` gives a frame's time in 1/30 s."""
    with av.open(str(path), "w", options=options.pop("container", {}), format=muxer) as container:
        stream = container.add_stream(
            codec, rate=30, options=options or (QUICK if codec == "libx264" else {})
        )
        stream.width, stream.height, stream.pix_fmt = *size, form
        stream.codec_context.flags |= flags
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24").reformat(format=form)
            frame.pts, frame.time_base = at(number) if at else number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def copied(source, path, shift=0, cover=False, before=False, **options):
    """Copy a clip's packets `shift` frames earlier, with a cover picture or a second film before it if asked."""
    with av.open(str(source)) as old, av.open(str(path), "w", options=options) as new:
        film = old.streams.video[0]
        still = _still(new) if before else None
        stream = new.add_stream_from_template(film)
        if cover:
            still = _still(new)
            still.disposition = Disposition.attached_pic
        frame = int(1 / (film.time_base * 30))
        packets = [packet for packet in old.demux(film) if packet.size]
        if still is not None:
            _mux_still(new, still)
        for packet in packets:
            packet.pts, packet.dts, packet.stream = (
                packet.pts - shift * frame,
                packet.dts - shift * frame,
                stream,
            )
            new.mux(packet)
    return path


def first_frames(source, path, count):
    """Copy the first `count` frames of a clip whose pictures need none that are shown after `count`."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        film = old.streams.video[0]
        stream = new.add_stream_from_template(film)
        for packet in islice(old.demux(film), count):
            packet.stream = stream
            new.mux(packet)
    return path


def _still(container):
    still = container.add_stream("mjpeg", rate=30)
    still.width, still.height, still.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
    return still


def _mux_still(container, still):
    frame = av.VideoFrame.from_ndarray(picture(99), format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    container.mux(still.encode(frame))
    container.mux(still.encode())


def edited(folder, hidden=20):
    """Return a clip whose edit list cuts off the first frames."""
    plain = write(folder / "plain.mp4", FRAMES + hidden)
    return copied(plain, folder / "edited.mp4", hidden, avoid_negative_ts="disabled", use_editlist="1")


def turned(folder, matrix=UPRIGHT):
    """Return a clip whose display matrix has these four numbers."""
    data = bytearray(write(folder / "turned.mp4").read_bytes())
    a, b, c, d = (number * 0x10000 for number in matrix)
    plain = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    place = data.index(plain, data.index(b"tkhd"))
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    (folder / "turned.mp4").write_bytes(data)
    return folder / "turned.mp4"


def covered(folder):
    """Return a clip whose stream 0 is its cover picture, as where a tagging program wrote the tags first."""
    made = copied(write(folder / "plain.mp4"), folder / "covered.mp4", cover=True)
    data = made.read_bytes()
    place = data.index(b"moov") - 4
    boxes = _boxes(data[place + 8 :])
    boxes.sort(key=lambda box: (box[4:8] != b"mvhd", box[4:8] != b"udta"))
    made.write_bytes(data[: place + 8] + b"".join(boxes))
    return made


def _boxes(data):
    boxes = []
    while data:
        (size,) = struct.unpack(">I", data[:4])
        boxes.append(data[:size])
        data = data[size:]
    return boxes


def changing(folder):
    """Return a transport stream whose pictures become smaller half way."""
    parts = [write(folder / "a.ts").read_bytes(), write(folder / "b.ts", size=(48, 32)).read_bytes()]
    (folder / "changing.ts").write_bytes(b"".join(parts))
    return folder / "changing.ts"


def between_key_frames(folder):
    """Return a transport stream whose recording begins between two key frames, 30 frames before the second."""
    data = write(folder / "whole.ts", 100, preset="ultrafast", g="50", bf="0").read_bytes()
    (folder / "begun.ts").write_bytes(data[len(data) // 188 // 5 * 188 :])
    return folder / "begun.ts"


def cut(path, share=0.6):
    """Cut a file off and return it."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def sound(path):
    """Write a second of silence and return its path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), layout="mono", format="s16")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    return path
