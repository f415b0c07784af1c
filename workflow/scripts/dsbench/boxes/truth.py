"""The true boxes of a clip, from a KITTI folder, a COCO JSON or a MOT file, checked against the clip and the model."""

import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import msgspec

from dsbench.boxes.kitti import Detection, KittiError, parse_label
from dsbench.core.errors import BuildError
from dsbench.core.files import ForeignFileError, read_bounded, read_foreign_text
from dsbench.machine.clip import LARGEST_TRUTH_BYTES, MOT_NAMES, ClipFacts

FORMS = "a folder of KITTI files, a COCO JSON or a MOT file"
# A file of one frame's boxes, or of the names of classes.
LARGEST_PART_BYTES = 1 << 20
LAST_NUMBER = re.compile(r".*?(\d{1,9})\D*", re.S)
# What KITTI's authors name regions in which nobody looked for objects.
DONT_CARE = "DontCare"
SHOWN_NAMES, LONGEST_SHOWN = 8, 60


class TruthError(BuildError):
    """True boxes that are not those of this clip, or not of this model's classes."""


@dataclass(frozen=True)
class Truth:
    """What truth.json says: the `file` of the true boxes and those of each frame; empty where the clip has none."""

    file: str = ""
    frames: dict[int, list[Detection]] = field(default_factory=dict)


class CocoImage(msgspec.Struct):
    """An image of a COCO JSON; the last number in its file's name is the frame's."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class CocoBox(msgspec.Struct):
    """A box of a COCO JSON: left, top, width, height; a crowd is no object."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0


class CocoClass(msgspec.Struct):
    """The name of a class."""

    id: int
    name: str


class Coco(msgspec.Struct):
    """What is read of a COCO JSON."""

    images: list[CocoImage]
    annotations: list[CocoBox]
    categories: list[CocoClass]


def read_truth(
    path: Path, clip: ClipFacts, labels: Sequence[str], is_named: bool = True
) -> dict[int, list[Detection]]:
    """Return the true boxes of every frame of the clip by number from 0 on, cut off at the frame's edges.

    `labels` are the model's classes. A class that it does not have is refused where the user named the truth for it
    (`is_named`), and its boxes are left out elsewhere. Raises TruthError, which says the file, what was found and what
    to do, also for a frame without an entry and a box outside its frame.
    """
    frames = _read(path, clip, labels)
    inside = {
        number: [_in_frame(box, f"{path}, frame {number}", clip) for box in boxes]
        for number, boxes in frames.items()
    }
    if is_named:
        _refuse_unknown(path, inside, labels)
    return {number: [box for box in boxes if box.label in labels] for number, boxes in inside.items()}


def _read(path: Path, clip: ClipFacts, labels: Sequence[str]) -> dict[int, list[Detection]]:
    if path.is_dir():
        return _kitti(path, clip)
    try:
        text = read_foreign_text(path, LARGEST_TRUTH_BYTES)
    except ForeignFileError as error:
        raise TruthError(
            f"{error}; expected a file of true boxes of at most {LARGEST_TRUTH_BYTES >> 20} MiB: name {FORMS}"
        ) from None
    if text.lstrip().startswith("{"):
        return _coco(path, text, clip)
    return _mot(path, text, clip, labels)


def _lines(file: Path) -> list[str]:
    """Return the lines of a file of one frame's boxes, or of names; others may be able to write where it lies."""
    try:
        content = read_bounded(file, LARGEST_PART_BYTES, through_links=True)
    except ForeignFileError as error:
        raise TruthError(
            f"{error}; expected a plain file of at most {LARGEST_PART_BYTES >> 20} MiB: name {FORMS}"
        ) from None
    except OSError as error:
        raise TruthError(f"{file}: cannot be read ({error.strerror}); name {FORMS}") from None
    return content.decode(errors="replace").split("\n")


def _kitti(folder: Path, clip: ClipFacts) -> dict[int, list[Detection]]:
    # One file more than the clip has frames is refused, however many more there are.
    files = sorted(islice(folder.glob("*.txt"), clip.frames + 1))
    if not files:
        raise TruthError(f"{folder}: no .txt file in it; name {FORMS}, KITTI with one file for each frame")
    frames = {}
    for file, number in zip(files, _numbers(folder, [file.name for file in files], clip), strict=True):
        lines = _lines(file)
        boxes = [
            _kitti_box(line, f"{file}, line {count}") for count, line in enumerate(lines, 1) if line.strip()
        ]
        frames[number] = [box for box in boxes if box.label != DONT_CARE]
    return dict(sorted(frames.items()))


def _kitti_box(line: str, place: str) -> Detection:
    """Return the box of a line of KITTI's labels, which have no score, or of a dump, which have one."""
    fields = line.rstrip().rsplit(" ", 15)
    try:
        float(fields[1])
        has_score = len(fields) == 16
    except (ValueError, IndexError):
        has_score = False
    try:
        return parse_label(line.rstrip() if has_score else f"{line.rstrip()} 1", place)
    except KittiError:
        raise TruthError(
            f"{place}: {line[:LONGEST_SHOWN]!r} is no line of KITTI (a label, 14 numbers); correct it, or name {FORMS}"
        ) from None


def _coco(path: Path, text: str, clip: ClipFacts) -> dict[int, list[Detection]]:
    try:
        coco = msgspec.json.decode(text, type=Coco)
    except msgspec.DecodeError as error:
        raise TruthError(
            f"{path}: no COCO JSON with images, annotations and categories ({str(error)[:200]}); name {FORMS}"
        ) from None
    for image in coco.images:
        size = (image.width or clip.width, image.height or clip.height)
        if size != (clip.width, clip.height):
            raise TruthError(
                f"{path}: image {image.file_name[:LONGEST_SHOWN]!r} is {size[0]}x{size[1]}, the clip's frames are"
                f" {clip.width}x{clip.height}; scale the boxes to the clip, or name the clip that they were drawn on"
            )
    numbers = dict(
        zip(
            [image.id for image in coco.images],
            _numbers(path, [image.file_name for image in coco.images], clip),
            strict=True,
        )
    )
    names = {each.id: each.name for each in coco.categories}
    frames: dict[int, list[Detection]] = {number: [] for number in sorted(numbers.values())}
    for count, box in enumerate(coco.annotations):
        for what, key, known in (
            ("image", box.image_id, numbers),
            ("category", box.category_id, names),
        ):
            if key not in known:
                raise TruthError(
                    f"{path}: annotation {count} is of {what} {key}, which the file does not list; export it again"
                )
        if not box.iscrowd:
            left, top, width, height = box.bbox
            frames[numbers[box.image_id]].append(
                Detection(names[box.category_id], left, top, left + width, top + height, 1.0)
            )
    return frames


def _mot(path: Path, text: str, clip: ClipFacts, labels: Sequence[str]) -> dict[int, list[Detection]]:
    names = _mot_names(path, labels)
    frames: dict[int, list[Detection]] = {number: [] for number in range(clip.frames)}
    for count, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            frame, _, left, top, width, height, *more = map(_finite, line.split(","))
        except ValueError:
            raise TruthError(
                f"{path}, line {count}: {line[:LONGEST_SHOWN]!r} is no line of MOT (frame, id, left, top, width,"
                f" height, valid, class); name {FORMS}"
            ) from None
        # MOT counts frames from 1.
        number = int(frame) - 1
        if number not in frames:
            raise TruthError(
                f"{path}, line {count}: frame {frame:g}, and the clip has the frames 1 to {clip.frames}; name the truth"
                " of this clip"
            )
        if more and not more[0]:
            continue
        of_class = int(more[1]) if len(more) > 1 else 1
        if of_class not in names:
            raise TruthError(
                f"{path}, line {count}: class {of_class} has no name; write the names of the classes into"
                f" {path.with_name(MOT_NAMES)}, one a line, the first being that of class 1"
            )
        frames[number].append(Detection(names[of_class], left, top, left + width, top + height, 1.0))
    return frames


def _finite(text: str) -> float:
    """Return a number; ValueError for no number, and for one that is not finite."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _mot_names(path: Path, labels: Sequence[str]) -> Mapping[int, str]:
    """Return the names by class number; a model of one class needs no file of names."""
    file = path.with_name(MOT_NAMES)
    if file.exists():
        lines = _lines(file)
        return {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}
    # Files of one kind of object say 1 for it, or -1 for nothing.
    return {1: labels[0], -1: labels[0]} if len(labels) == 1 else {}


def _numbers(path: Path, names: Sequence[str], clip: ClipFacts) -> list[int]:
    """Return the frame from 0 on of each name, by the last number in it; every frame of the clip has one name."""
    numbers = []
    for name in names:
        found = LAST_NUMBER.fullmatch(Path(name).stem)
        if found is None:
            raise TruthError(
                f"{path}: {name[:LONGEST_SHOWN]!r} has no number in it, which has to be the frame's; rename it"
            )
        numbers.append(int(found[1]))
    first = 0 if 0 in numbers else 1
    wanted = range(first, first + clip.frames)
    counts = Counter(numbers)
    twice = next((number for number, count in counts.items() if count > 1), None)
    beyond = next((number for number in counts if number not in wanted), None)
    missing = next((number for number in wanted if number not in counts), None)
    if twice is not None:
        raise TruthError(f"{path}: frame {twice} is there twice; keep one")
    if beyond is not None:
        raise TruthError(
            f"{path}: has a frame {beyond}, and the clip has the frames {first} to {wanted[-1]}; name the truth of this"
            " clip"
        )
    if missing is not None:
        raise TruthError(
            f"{path}: frame {missing} is missing, and the clip has the frames {first} to {wanted[-1]}; a frame without"
            " objects needs its empty entry too: add it, or cut the clip to the frames that have one"
        )
    return [number - first for number in numbers]


def _in_frame(box: Detection, place: str, clip: ClipFacts) -> Detection:
    """Return the part of the box inside the frame."""
    shown = f"{box.label[:LONGEST_SHOWN]!r} at {box.left:g}, {box.top:g}, {box.right:g}, {box.bottom:g}"
    if box.right <= box.left or box.bottom <= box.top:
        raise TruthError(f"{place}: {shown} (left, top, right, bottom) has no area; correct or remove it")
    if box.left >= clip.width or box.top >= clip.height or box.right <= 0 or box.bottom <= 0:
        raise TruthError(
            f"{place}: {shown} (left, top, right, bottom) lies outside the frame of {clip.width}x{clip.height}; scale"
            " the boxes to the clip's size, or name the truth of this clip"
        )
    return replace(
        box,
        left=max(box.left, 0.0),
        top=max(box.top, 0.0),
        right=min(box.right, float(clip.width)),
        bottom=min(box.bottom, float(clip.height)),
    )


def _refuse_unknown(path: Path, frames: Mapping[int, Sequence[Detection]], labels: Sequence[str]) -> None:
    counts = Counter(box.label for boxes in frames.values() for box in boxes if box.label not in labels)
    for name, count in counts.most_common(1):
        spelt = {label.lower(): label for label in labels}
        near = difflib.get_close_matches(name.lower(), spelt, 1)
        meant = (
            f"write {spelt[near[0]]!r} where that is meant" if near else "write the model's own name for it"
        )
        known = ", ".join(labels[:SHOWN_NAMES]) + (", ..." if len(labels) > SHOWN_NAMES else "")
        raise TruthError(
            f"{path}: {name[:LONGEST_SHOWN]!r} ({count} boxes) is no class of the model, which has {known};"
            f" {meant}, or leave its boxes out"
        )
