"""Which clip every run uses, the truth that belongs to it, and how to make another clip of it."""

import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from dsbench.core.errors import BuildError, refuse_unnameable
from dsbench.core.files import sha256_over
from dsbench.core.records import read_if_whole
from dsbench.core.secret_words import without_logins

DEEPSTREAM_SAMPLE = "samples/streams/sample_720p.mp4"
DEMO_CLIP = "demo/sample_720p.mp4"
DEMO_SOURCE = "demo/checkpoint"
DEMO_TRUTH = "demo/sample_720p_kitti"
# The names of a MOT file's classes, one a line beside it, the first being that of class 1.
MOT_NAMES = "labels.txt"
# Of all files of true boxes together.
LARGEST_TRUTH_BYTES = 1 << 30
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.S)
LONGEST_SHOWN = 200
RECORDED_S = 60
NAME_IT = "and name that file in the config's `video` or in DS_VIDEO"
# Written by encoding, in the form that every decoder reads.
ENCODED = "-an -c:v libx264 -crf 18 -pix_fmt yuv420p"
COPIED = "-an -c copy"


class ClipError(BuildError):
    """A clip that cannot be measured with as it is."""


@dataclass(frozen=True)
class PlayedClip:
    """What a report says of the clip that every run plays.

    `file` is its name there; `packets` were decoded to `frames`. `fps` is what a stream needs: the rate, where it
    varies the one of the busiest half second.
    """

    file: str
    sha256: str
    codec: str
    pixel_format: str
    bits: int
    width: int
    height: int
    frames: int
    packets: int
    fps: float
    average_fps: float
    is_variable: bool
    duration_s: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height


@dataclass(frozen=True)
class ClipFacts(PlayedClip):
    """What video.json says of the clip, with its `path` on this machine."""

    path: str


def was_decoded(video: Path, facts: Path) -> bool:
    """Return whether `facts`, a ClipFacts as JSON, is of `video`, decoded whole since the clip last changed."""
    seen = read_if_whole(facts, ClipFacts)
    return seen is not None and seen.path == str(video) and facts.stat().st_mtime > video.stat().st_mtime


# A dataclass has no field named `from`.
class TargetRate(msgspec.Struct, frozen=True, rename={"origin": "from"}):
    """What target_fps.json says: the frames/s that each stream must get, and whether the clip or the config says so."""

    target_fps: int | float
    origin: Literal["clip", "config"]


def demonstration_clip(sources: Iterable[str], project: Path) -> str | None:
    """Return the demonstration's own clip where all `sources` are the demonstration's, else None.

    Its scenes are rendered, and so are those that its detector was trained on; the truth is that clip's too.
    """
    demonstration = (project / DEMO_SOURCE).resolve()
    places = [[Path(base, source).resolve() for base in (".", project)] for source in sources]
    is_alone = bool(places) and all(demonstration in each for each in places)
    return str(project / DEMO_CLIP) if is_alone else None


def choose_video(named: str | None, deepstream_dir: Path, project: Path) -> Path:
    """Return the clip the user named, else DeepStream's own sample, else the demonstration clip.

    Raises ClipError for what is no file on disk, and for a path that Snakemake cannot name.
    """
    if named and (address := ADDRESS.match(named)):
        raise ClipError(_no_address(address[1].lower(), address[2], named))
    sample = deepstream_dir / DEEPSTREAM_SAMPLE
    video = Path(os.path.expanduser(named)) if named else sample if sample.is_file() else project / DEMO_CLIP
    # Of a name that is too long, Path.exists() raises.
    if not os.path.exists(video):
        raise ClipError(
            f"{(named or str(video))[:LONGEST_SHOWN]}: no such video; correct DS_VIDEO or the config's `video`"
        )
    if video.is_dir():
        raise ClipError(f"{video}: a folder, not a video file; name a file in it in `video` or DS_VIDEO")
    if not video.is_file():
        line = f"ffmpeg -f v4l2 -i {shown_argument(video)} -t {RECORDED_S} {ENCODED} clip.mp4"
        raise ClipError(
            f"{video}: a device or pipe, not a video file, and every run has to play the same frames; record a clip"
            f" with `{line}` {NAME_IT}"
        )
    refuse_unnameable("the clip's path", video)
    return video


def _no_address(scheme: str, rest: str, named: str) -> str:
    if scheme == "file":
        return (
            f"{named[:LONGEST_SHOWN]}: an address, not a video file's path; write what stands after file://"
        )
    # Neither a password nor a token belongs on a terminal or in a log.
    address = without_logins(f"{scheme}://{rest}", "USER:PASSWORD@").partition("?")[0][:LONGEST_SHOWN]
    transport = "-rtsp_transport tcp " if scheme == "rtsp" else ""
    line = f"ffmpeg {transport}-i {shlex.quote(address)} -t {RECORDED_S} {COPIED} clip.mp4"
    return (
        f"{address}: an address, not a video file, and every run has to play the same frames; record a clip with"
        f" `{line}` {NAME_IT}"
    )


def remade(video: Path, options: str, mark: str, before: str = "") -> str:
    """Return the ffmpeg command, ready for a shell, that makes `video` again beside it as {name}_{mark}.mp4."""
    made = video.with_name(f"{video.stem}_{mark}.mp4")
    return f"`ffmpeg {before}-i {shown_argument(video)} {options} {shown_argument(made)}`"


def shown_argument(path: Path) -> str:
    """Return the path quoted for a shell, and never to be taken for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


@dataclass(frozen=True)
class ChosenTruth:
    """Where the true boxes of the clip are, by content too; `is_named` where the user named them."""

    path: str
    sha256: str
    is_named: bool


def choose_truth(named: str | None, video: Path, project: Path) -> ChosenTruth | None:
    """Return the truth that the user named, else the demonstration clip's own, else None.

    Raises ClipError for what is no file or folder on disk, and for more bytes than true boxes have.
    """
    demo = project / DEMO_CLIP
    if named is None:
        if not demo.is_file() or not video.samefile(demo):
            return None
        return ChosenTruth(
            str(project / DEMO_TRUTH), sha256_over(sorted((project / DEMO_TRUTH).glob("*.txt"))), False
        )
    truth = Path(named).expanduser()
    if not truth.exists():
        raise ClipError(f"{truth}: no such file or folder; correct DS_TRUTH or the config's `truth`")
    if not truth.is_dir() and not truth.is_file():
        raise ClipError(f"{truth}: a pipe or a device; correct DS_TRUTH or the config's `truth`")
    # A file of classes beside a folder belongs to another truth.
    files = truth.glob("*.txt") if truth.is_dir() else (truth, truth.with_name(MOT_NAMES))
    read = sorted(filter(Path.is_file, files))
    size_bytes = sum(file.stat().st_size for file in read)
    if size_bytes > LARGEST_TRUTH_BYTES:
        raise ClipError(
            f"{truth}: {size_bytes} bytes, expected true boxes of at most {LARGEST_TRUTH_BYTES >> 20} MiB; correct"
            " DS_TRUTH or the config's `truth`"
        )
    return ChosenTruth(str(truth), sha256_over(read), True)


def shown_path(file: Path, project: Path) -> str:
    """Return `file` as a report names it: from the project's folder when it belongs to the project."""
    return file.relative_to(project).as_posix() if file.is_relative_to(project) else file.as_posix()
