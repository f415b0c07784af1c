"""Clips of a few KB that claim much: pictures, tracks, an index."""

import struct

import clip_kinds as kinds

# Where the key frames of VP9 and VP8 begin, and where their sizes stand behind it.
VP9_SYNC, VP8_SYNC = b"\x49\x83\x42", b"\x9d\x01\x2a"
VP9_SIZE_BITS = (36, 52)
SAMPLE_TABLE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def vp8(path, side):
    """Write a film of VP8 whose first key frame claims `side` pixels in both directions."""
    return _put(kinds.write(path, codec="libvpx"), VP8_SYNC, 3, struct.pack("<HH", side, side))


def vp9(path, side, key_frame=0):
    """Write a film of VP9, key frames ten apart, one of which claims `side` pixels in both directions."""
    data = kinds.write(path, codec="libvpx-vp9", g="10").read_bytes()
    at = -1
    for _ in range(key_frame + 1):
        at = data.index(VP9_SYNC, at + 1)
    head = int.from_bytes(data[at - 1 : at + 11])
    for bit in VP9_SIZE_BITS:
        head = head & ~(0xFFFF << 80 - bit) | (side - 1) << 80 - bit
    path.write_bytes(data[: at - 1] + head.to_bytes(12) + data[at + 11 :])
    return path


def raw(path, width, height):
    """Write an AVI of bare pixels whose head claims a size."""
    found = struct.pack("<ii", kinds.WIDTH, kinds.HEIGHT)
    return _put(kinds.write(path, codec="rawvideo"), found, 0, struct.pack("<ii", width, height))


def tracks(path, count):
    """Write an MP4 that has its film `count` times."""

    def repeated(body):
        return b"".join(_box(kind, part) * (count if kind == b"trak" else 1) for kind, part in _boxes(body))

    return _changed(path, (b"moov",), repeated)


def index(path, entries):
    """Write an MP4 whose index claims so many frames of one byte in one chunk."""
    claims = {
        b"stsz": struct.pack(">III", 0, 1, entries),
        b"stts": struct.pack(">IIII", 0, 1, entries, 512),
        b"stsc": struct.pack(">IIIII", 0, 1, 1, entries, 1),
    }
    dropped = (b"ctts", b"stss", b"sdtp")

    def claimed(body):
        return b"".join(_box(k, claims.get(k, part)) for k, part in _boxes(body) if k not in dropped)

    return _changed(path, SAMPLE_TABLE, claimed)


def frame_outside(path, number):
    """Write an MP4 with a chunk for each frame, of which that of frame `number` lies beyond the file's end."""

    def moved(body):
        table = dict(_boxes(body))
        sizes = [size for (size,) in struct.iter_unpack(">I", table[b"stsz"][12:])]
        (begin,) = struct.unpack(">I", table[b"stco"][8:12])
        places = [begin + sum(sizes[:count]) for count in range(len(sizes))]
        places[number] = 1 << 30
        table[b"stsc"] = struct.pack(">5I", 0, 1, 1, 1, 1)
        table[b"stco"] = struct.pack(f">{2 + len(places)}I", 0, len(places), *places)
        return b"".join(_box(kind, part) for kind, part in table.items())

    return _changed(path, SAMPLE_TABLE, moved)


def boxes(path, count):
    """Write an MP4 without an index: so many empty boxes behind its first."""
    path.write_bytes(_box(b"ftyp", b"isom" + bytes(4)) + struct.pack(">I4s", 8, b"free") * count)
    return path


def _put(path, after, offset, new):
    """Write `new` over what stands `offset` bytes from where `after` begins, each time."""
    data = bytearray(path.read_bytes())
    at = -1
    while (at := data.find(after, at + 1)) >= 0:
        data[at + offset : at + offset + len(new)] = new
    path.write_bytes(data)
    return path


def _box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _boxes(data):
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def _changed(path, place, change):
    """Write an MP4 with the body of the box at `place` changed."""

    def within(data, place):
        if not place:
            return change(data)
        return b"".join(
            _box(kind, within(body, place[1:]) if kind == place[0] else body) for kind, body in _boxes(data)
        )

    path.write_bytes(within(kinds.write(path).read_bytes(), place))
    return path
