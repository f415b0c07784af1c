"""Print the frames/s of NVIDIA's decoder by number of streams, as Markdown: what decoding alone allows on a GPU.

usage: python benchmarks/nvidia_decode.py write CLIP DIRECTORY
       python benchmarks/nvidia_decode.py measure DIRECTORY [--streams 1 2 4 …] [--seconds 4] [--repeats 3]

`write` needs PyAV and no GPU: the clip becomes H.264 and HEVC, 720p and 1080p, as elementary streams whose names say
codec, size and number of frames. `measure` needs a GPU and GStreamer with DeepStream's nvv4l2decoder, and no package of
Python. All streams of a run decode in one process, as they do in deepstream-app, and their frames go nowhere.
A run of one length is subtracted from a run of twice the length: what is left has no start and no teardown in it.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

CODECS = {"h264": "libx264", "hevc": "libx265"}
QUIET = {"h264": {}, "hevc": {"x265-params": "log-level=error"}}
PARSERS = {"h264": "h264parse", "hevc": "h265parse"}
# A run repeats them.
FRAMES = 60
SIZES = ((1280, 720), (1920, 1080))
# A camera's stream: a key frame each second, no frames out of order.
KEY_FRAME_EACH, BIT_RATES = 30, {720: 4_000_000, 1080: 8_000_000}
NAME = re.compile(r"(h264|hevc)_(\d+)x(\d+)_(\d+)\.bin")
FIRST_GUESS_FPS = 1000
LIMIT_S = 300


def write(clip: Path, directory: Path) -> None:
    """Write `clip` to `directory` in each codec and size."""
    import av

    directory.mkdir(parents=True, exist_ok=True)
    for codec, encoder in CODECS.items():
        for width, height in SIZES:
            scratch = directory / f"{codec}_{width}x{height}.part"
            with av.open(clip) as source, av.open(scratch, "w", format=codec) as target:
                stream = target.add_stream(encoder, rate=30)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.bit_rate, stream.gop_size = BIT_RATES[height], KEY_FRAME_EACH
                stream.options = {"bf": "0", "preset": "superfast"} | QUIET[codec]
                frames = 0
                for frame in islice(source.decode(video=0), FRAMES):
                    frame.pict_type = 0  # the encoder chooses, not the clip
                    target.mux(stream.encode(frame.reformat(width, height)))
                    frames += 1
                target.mux(stream.encode())
            scratch.rename(directory / f"{codec}_{width}x{height}_{frames}.bin")


def wall_s(codec: str, file: Path, streams: int) -> float:
    """Return the seconds that `streams` decoders of one process take for `file`."""
    branch = f"filesrc location={file} ! {PARSERS[codec]} ! nvv4l2decoder ! fakesink sync=false".split()
    start = time.monotonic()
    done = subprocess.run(
        ["gst-launch-1.0", "-q", *(branch * streams)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{streams} streams of {file.name}: gst-launch-1.0 failed:\n{done.stdout[-2000:]}")
    return time.monotonic() - start


def frames_per_s(
    codec: str, file: Path, frames: int, streams: int, seconds: float, repeats: int
) -> list[float]:
    """Return `repeats` rates of all streams together; `frames` are those of `file`, which is repeated."""
    content, passes = file.read_bytes(), 1 + int(FIRST_GUESS_FPS * seconds / frames / streams)
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder, "short"), Path(folder, "long")

        def steady_s() -> float:
            return wall_s(codec, long, streams) - wall_s(codec, short, streams)

        while True:
            short.write_bytes(content * passes)
            long.write_bytes(content * 2 * passes)
            took_s = steady_s()
            if took_s >= seconds / 2:
                break
            passes *= 2 if took_s < seconds / 8 else max(2, round(seconds / took_s))
        all_took_s = [took_s, *(steady_s() for _ in range(repeats - 1))]
        rates = [frames * passes * streams / each_s for each_s in all_took_s]
    return rates


def measure(directory: Path, streams: list[int], seconds: float, repeats: int) -> None:
    """Print a row for each file of `directory` and number of streams."""
    if not shutil.which("gst-launch-1.0"):
        raise SystemExit("gst-launch-1.0 is not on the PATH; Debian's package gstreamer1.0-tools has it")
    print("| Codec | Frame | Streams | Frames/s | least to most | Frames/s per stream |")
    print("|---|---|---:|---:|---:|---:|")
    for file in sorted(directory.iterdir()):
        if not (named := NAME.fullmatch(file.name)):
            continue
        codec, width, height, frames = named[1], *map(int, named.groups()[1:])
        for number in streams:
            rates = frames_per_s(codec, file, frames, number, seconds, repeats)
            middle = median(rates)
            spread = f"{min(rates):.0f} to {max(rates):.0f}"
            print(
                f"| {codec} | {width}x{height} | {number} | {middle:.0f} | {spread} | {middle / number:.1f} |",
                flush=True,
            )


def main() -> None:
    """Write the streams or measure them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    writes = commands.add_parser("write")
    writes.add_argument("clip", type=Path)
    writes.add_argument("directory", type=Path)
    measures = commands.add_parser("measure")
    measures.add_argument("directory", type=Path)
    measures.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    measures.add_argument("--seconds", type=float, default=4)
    measures.add_argument("--repeats", type=int, default=3)
    arguments = vars(parser.parse_args())
    {"write": write, "measure": measure}[arguments.pop("command")](**arguments)


if __name__ == "__main__":
    sys.exit(main())
