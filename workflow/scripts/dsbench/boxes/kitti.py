"""KITTI detection files as deepstream-app writes them: gie-kitti-output-dir, one file per frame."""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.records import read_if_whole

FIELDS_AFTER_LABEL = 15
FILE_NAME = re.compile(r"(?P<pipeline>\d{2})_(?P<stream>\d{3,})_(?P<frame>\d{6,})\.txt")

Frames = Mapping[int, list["Detection"]]


class KittiError(BuildError):
    """A file or directory that is not a KITTI dump of deepstream-app."""


@dataclass(frozen=True)
class Detection:
    """One object: corners in pixels of the stream muxer's frame, confidence as the detector gave it."""

    label: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float


def parse_line(line: str, place: str) -> Detection:
    """Return the detection of one 16-field line of a dump; `place` names the line in errors."""
    label, numbers = _label_and_numbers(line, place)
    if any(numbers[:3] + numbers[7:14]):
        raise KittiError(
            f"{place}: {line!r} is no detection, whose numbers but box and confidence are 0, but a row as a tracker"
            " writes it; give the folder of gie-kitti-output-dir."
        )
    return _detection(label, numbers)


def parse_label(line: str, place: str) -> Detection:
    """Return the box of one 16-field line of true boxes, whose truncation and place in the scene may be known."""
    return _detection(*_label_and_numbers(line, place))


def _label_and_numbers(line: str, place: str) -> tuple[str, list[float]]:
    """Return a line's parts; the label may be empty or hold spaces, so the fields are counted from the right."""
    fields = line.rsplit(" ", FIELDS_AFTER_LABEL)
    try:
        numbers = [float(field) for field in fields[1:]]
    except ValueError as error:
        raise KittiError(f"{place}: {error} in {line!r}, expected a label and 15 numbers.") from error
    if len(numbers) != FIELDS_AFTER_LABEL:
        raise KittiError(f"{place}: {len(fields)} fields in {line!r}, expected a label and 15 numbers.")
    if not all(map(math.isfinite, numbers)):
        raise KittiError(
            f"{place}: a number is not finite in {line!r}; the parser or the engine gives wrong boxes."
        )
    return fields[0], numbers


def _detection(label: str, numbers: list[float]) -> Detection:
    left, top, right, bottom = numbers[3:7]
    return Detection(label, left, top, right, bottom, numbers[14])


def read_frame(path: Path) -> list[Detection]:
    """Return the detections of one frame in file order; an empty file is a frame without detections."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise KittiError(f"{path}: no UTF-8 text ({error}); run the dump again.") from error
    return [parse_line(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line]


def read_directory(directory: Path, stream: int = 0) -> dict[int, list[Detection]]:
    """Return the detections of every dumped frame of one stream, by frame number in order.

    Raises KittiError when the directory is missing or holds a .txt file that deepstream-app did not name.
    """
    return {
        frame: read_frame(path)
        for (file_stream, frame), path in sorted(_files(directory).items())
        if file_stream == stream
    }


def _files(directory: Path) -> dict[tuple[int, int], Path]:
    if not directory.is_dir():
        raise KittiError(
            f"{directory}: no such directory; deepstream-app does not make it, so make it before the run."
        )
    files = {}
    for path in directory.iterdir():
        if path.suffix != ".txt":
            continue
        name = FILE_NAME.fullmatch(path.name)
        if name is None or name["pipeline"] != "00":
            raise KittiError(
                f"{path}: not a file of a KITTI dump, expected 00_<stream>_<frame>.txt; remove it."
            )
        files[int(name["stream"]), int(name["frame"])] = path
    return files


@dataclass(frozen=True)
class ClassCount:
    """How many detections have a label."""

    label: str
    detections: int


@dataclass(frozen=True)
class KittiManifest:
    """What a dump holds, as kitti_manifest.json says it.

    `sha256` is that of the sorted lines `<sha256 of the file>  <file name>`, so equal dumps agree.
    """

    frames: int
    frames_with_detection: int
    detections: int
    per_class: list[ClassCount]
    sha256: str


def count_per_class(detections: Iterable[Detection]) -> list[ClassCount]:
    """Return the count of every class seen, the most frequent first."""
    counts = Counter(detection.label for detection in detections)
    return [ClassCount(*item) for item in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def manifest(directory: Path) -> KittiManifest:
    """Return what the dump in `directory` holds."""
    files = sorted(_files(directory).values())
    frames = [read_frame(path) for path in files]
    listing = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    return KittiManifest(
        frames=len(frames),
        frames_with_detection=sum(1 for frame in frames if frame),
        detections=sum(map(len, frames)),
        per_class=count_per_class(detection for frame in frames for detection in frame),
        sha256=hashlib.sha256(listing.encode()).hexdigest(),
    )


def short_dumps(trees: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the manifest of each model's dump that has fewer files than it counts, and a clause that says so.

    `trees` are the models' folders. Snakemake takes a folder that is there for a whole one.
    """
    for tree in trees:
        file, dump = tree / "validation/kitti_manifest.json", tree / "samples/kitti_output"
        # What is missing or half is made anew anyhow.
        if (counted := read_if_whole(file, KittiManifest)) and dump.is_dir():
            found = sum(name.endswith(".txt") for name in os.listdir(dump))
            if found < counted.frames:
                yield file, f"{dump}: has {found} of its {counted.frames} frames"
