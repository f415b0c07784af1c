"""Decodes a clip in several streams at once as deepstream-app does, with nothing behind the decoders."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from dsembed.shared.decode import DecodeError, decode_frames, frame_view

USAGE = "usage: decode-streams CLIP STREAMS FRAMES"


def decode(clip: Path, frames: int) -> int:
    """Return how many frames were decoded: `frames` of the looping clip."""
    return len([frame_view(frame).width for frame in islice(decode_frames(clip, loop=True), frames)])


def main(arguments: list[str]) -> int:
    """Decode FRAMES of CLIP in each of STREAMS threads; return the exit status."""
    if len(arguments) != 3 or not all(word.isdecimal() and int(word) for word in arguments[1:]):
        print(USAGE, file=sys.stderr)
        return 2
    clip, streams, frames = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    try:
        with ThreadPoolExecutor(streams) as threads:
            total = sum(threads.map(decode, [clip] * streams, [frames] * streams))
    except DecodeError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    print(f"{total} frames in {streams} streams")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
