"""Whether a frame's boxes depend on its slot in the batch or on what is in the other slots."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from dsbench.boxes.kitti import Detection, Frames, read_directory
from dsbench.boxes.matching import as_rows, best_first, ious_in_class, matches
from dsbench.checks.agreement import RIM_PX
from dsbench.checks.findings import BatchSlots, SlotDifferences
from dsbench.checks.verdict import Verdict
from dsbench.core.errors import BuildError
from dsbench.core.files import written_beside
from dsbench.deepstream.app_config import Clip, relative_to_config, render_app_config, uri_in_config
from dsbench.deepstream.run import dump_kitti
from dsbench.pixels.nvinfer_pixels import decoded_frames, evenly_spread
from dsbench.tools.doctor import limit_in

FRAMES_PER_S = 30
CODEC = "libx264"
# One thread, so that the bytes do not depend on how many cores the job has.
OPTIONS = {"crf": "18", "preset": "veryfast", "threads": "1"}
LEAST_SLOTS = 2
MIXED = ("clip", "mirrored clip")
LEAK_UNSEEN = (
    "The short clip and its mirror image give the same boxes in every frame, so a leak from one batch slot "
    "into another could not be seen; name a video with objects that are not symmetrical."
)


def write_slot_clips(video: Path, total: int, frames: int, clip: Path, mirrored: Path) -> None:
    """Write at most `frames` of the video's `total` frames, from all over it, to `clip`; mirrored to the other."""
    pictures = [
        _even(frame.to_ndarray(format="rgb24"))
        for _, frame in decoded_frames(video, evenly_spread(total, frames))
    ]
    with written_beside(clip) as partial:
        _encode(pictures, partial)
    with written_beside(mirrored) as partial:
        _encode([picture[:, ::-1] for picture in pictures], partial)


def _even(picture: np.ndarray) -> np.ndarray:
    """Return the picture without an odd last row or column, which 4:2:0 video cannot have."""
    height, width, _ = picture.shape
    return picture[: height & ~1, : width & ~1]


def _encode(pictures: Sequence[np.ndarray], file: Path) -> None:
    with av.open(str(file), "w") as container:
        stream = cast(
            av.VideoStream, container.add_stream(CODEC, rate=Fraction(FRAMES_PER_S), options=OPTIONS)
        )
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width, _ = pictures[0].shape
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@dataclass(frozen=True)
class SlotDumps:
    """The boxes by frame of each clip alone, of the clip in every slot, and of both in turn over the slots.

    `limit` is why there are fewer slots than asked for.
    """

    alone: Frames
    mirrored_alone: Frames
    same: Sequence[Frames]
    mixed: Sequence[Frames]
    limit: str | None = None


@dataclass(frozen=True)
class Tolerance:
    """When two boxes of a class are the same: overlap and score difference; scores near `threshold` come and go."""

    iou: float
    score: float
    threshold: float


@dataclass
class Comparison:
    """Counts of boxes compared with their counterparts, and the largest differences in pixels and in score."""

    boxes: int = 0
    undecided: int = 0
    corner_px: list[float] = field(default_factory=lambda: [0.0])
    score: list[float] = field(default_factory=lambda: [0.0])

    def differences(self) -> "SlotDifferences":
        """Return it as batch_slots.json holds it."""
        return SlotDifferences(
            boxes=self.boxes,
            undecided=self.undecided,
            largest_corner_difference_px=max(self.corner_px),
            largest_score_difference=max(self.score),
        )


def check_batch_slots(dumps: SlotDumps, frame_height: int, tolerance: Tolerance) -> Verdict[BatchSlots]:
    """Return whether every slot gives the boxes that it should; the reason names slot, frame and difference."""
    slots = _Slots(frame_height, tolerance)
    visible = slots.frames_that_differ(dumps.alone, dumps.mirrored_alone)
    same, mixed = Comparison(), Comparison()
    fault = slots.first_fault(_runs(dumps, same, mixed)) if visible else LEAK_UNSEEN
    found = BatchSlots(
        slots=len(dumps.same),
        frames=len(dumps.alone),
        frames_that_differ=visible,
        iou=tolerance.iou,
        score=tolerance.score,
        passed=fault is None,
        same_video=same.differences(),
        different_videos=mixed.differences(),
        limit=dumps.limit,
    )
    return Verdict(found, fault)


def _runs(dumps: SlotDumps, same: Comparison, mixed: Comparison) -> Iterator[tuple]:
    """Yield each slot's boxes, those expected, the slot in words, and where the comparison is counted."""
    for slot, found in enumerate(dumps.same[1:], 1):
        yield found, dumps.same[0], f"The same video in every batch slot: slot {slot}", same
    for slot, found in enumerate(dumps.mixed):
        alone = (dumps.alone, dumps.mirrored_alone)[slot % 2]
        yield (
            found,
            alone,
            f"Different videos in the batch slots: slot {slot}, with the {MIXED[slot % 2]},",
            mixed,
        )


class _Slots:
    def __init__(self, frame_height: int, tolerance: Tolerance):
        self._last_row = frame_height - RIM_PX
        self._tolerance = tolerance

    def frames_that_differ(self, one: Frames, other: Frames) -> int:
        """Return how many frames have other boxes in the second clip."""
        pairs = [(one[number], other[number]) for number in one.keys() & other.keys()]
        return sum(1 for found, expected in pairs if self._difference(found, expected, Comparison()))

    def first_fault(self, runs: Iterable[tuple]) -> str | None:
        """Return what is wrong with the first slot that differs, None where none does."""
        return next((fault for run in runs if (fault := self._fault(*run))), None)

    def _fault(self, found: Frames, expected: Frames, place: str, seen: Comparison) -> str | None:
        """Add one slot's boxes to `seen` and return in which frame they differ, and how."""
        if found.keys() != expected.keys():
            return (
                f"{place} has {len(found)} frames, expected {len(expected)}; look into the run's log for a stream"
                " that ended early."
            )
        for number, boxes in found.items():
            difference = self._difference(boxes, expected[number], seen)
            if difference:
                return (
                    f"{place} frame {number}: {difference}. The engine or the parser mixes the images of a batch; "
                    "export the model with a batch dimension that nothing reduces, reshapes or bakes in."
                )
        return None

    def _difference(
        self, found: Sequence[Detection], expected: Sequence[Detection], seen: Comparison
    ) -> str | None:
        ids: dict[str, int] = {}
        ranked = best_first(expected)
        pairs = matches(ious_in_class(as_rows(ranked, ids), as_rows(found, ids)), self._tolerance.iou)
        for index, box in enumerate(ranked):
            if index not in pairs:
                if self._is_certain(box):
                    return f"{_shown(box)} is missing"
                seen.undecided += 1
                continue
            same = found[pairs[index]]
            score = abs(same.confidence - box.confidence)
            if score > self._tolerance.score:
                return f"{_shown(same)}, expected a score of {box.confidence:.3f}"
            seen.boxes += 1
            seen.score.append(score)
            seen.corner_px.append(_corner_distance(box, same))
        taken = set(pairs.values())
        free = [box for index, box in enumerate(found) if index not in taken]
        extra = next((box for box in free if self._is_certain(box)), None)
        seen.undecided += len(free)
        return None if extra is None else f"{_shown(extra)} is there and should not be"

    def _is_certain(self, box: Detection) -> bool:
        """Return whether rounding cannot decide if this box is reported."""
        return (
            box.confidence > self._tolerance.threshold + self._tolerance.score and box.bottom < self._last_row
        )


def _corner_distance(one: Detection, other: Detection) -> float:
    sides = ("left", "top", "right", "bottom")
    return max(abs(getattr(one, side) - getattr(other, side)) for side in sides)


def _shown(box: Detection) -> str:
    return (
        f"a {box.label} of score {box.confidence:.3f} at {box.left:.1f}, {box.top:.1f} to {box.right:.1f}, "
        f"{box.bottom:.1f} px"
    )


@dataclass(frozen=True)
class SlotRuns:
    """What the runs need: the clip and its mirror image, the muxer's size in pixels, and the configurations for one
    stream and for a full batch; `is_static` is whether that batch is in the engine.

    Their own configurations and KITTI files are left in `folder`.
    """

    program: str
    clip: Path
    mirrored: Path
    size: tuple[int, int]
    nvinfer_single: Path
    nvinfer_batched: Path
    folder: Path
    timeout_s: float
    facts: dict[str, str]
    is_static: bool = False

    def play(self, slots: int, logs: Mapping[str, Path], alone: Path | None = None) -> SlotDumps:
        """Play all runs, each with its log by name, and return their boxes.

        `alone` is the folder of runs in which each clip was played alone already. Where the machine does not hold so
        many slots, half of them are played, and so on; an engine of a static batch takes no fewer, and is refused.
        """
        clips = {"alone": self.clip, "mirrored_alone": self.mirrored}
        single = {
            name: self._dump(name, [clip], logs)[0] if alone is None else _boxes_of(alone / name, 0)
            for name, clip in clips.items()
        }
        limit = None
        while True:
            try:
                return replace(self._together(slots, logs, single), limit=limit)
            except BuildError as error:
                reason = _limit_of(error, logs)
                if reason is None or slots <= LEAST_SLOTS:
                    raise
                if self.is_static:
                    raise BuildError(
                        f"{slots} batch slots cannot be played here: {reason}; the model's batch is static, so its"
                        " engine takes no fewer images. Let first_batch and largest_batch in the config be at most what"
                        " this machine holds, or export the model with a dynamic batch"
                    ) from error
                limit = f"{slots} slots: {reason}"
                slots //= 2

    def _together(self, slots: int, logs: Mapping[str, Path], single: Mapping[str, Frames]) -> SlotDumps:
        return SlotDumps(
            alone=single["alone"],
            mirrored_alone=single["mirrored_alone"],
            same=self._dump("same", [self.clip] * slots, logs),
            mixed=self._dump("mixed", [(self.clip, self.mirrored)[slot % 2] for slot in range(slots)], logs),
        )

    def _dump(self, name: str, files: Sequence[Path], logs: Mapping[str, Path]) -> list[Frames]:
        """Play one file in each slot and return the boxes by slot."""
        kitti, config = self.folder / name / "kitti", self.folder / name / "deepstream_app.txt"
        config.parent.mkdir(parents=True, exist_ok=True)
        nvinfer = self.nvinfer_single if len(files) == 1 else self.nvinfer_batched
        uris = [uri_in_config(file, config) for file in files]
        config.write_text(
            render_app_config(
                Clip(uris[0], *self.size),
                len(files),
                relative_to_config(nvinfer, config),
                kitti_directory=Path(kitti.name),
                uris=uris,
            )
        )
        dump_kitti(self.program, config, kitti, self.timeout_s, logs[name], self.facts)
        return [_boxes_of(config.parent, slot) for slot in range(len(files))]


def _limit_of(error: BuildError, logs: Mapping[str, Path]) -> str | None:
    """Return what the run of several slots that failed had too little of, None for another fault."""
    texts = (logs[name].read_text(errors="replace") for name in ("same", "mixed") if logs[name].is_file())
    return limit_in("\n".join([str(error), *texts]))


def _boxes_of(run: Path, slot: int) -> Frames:
    return read_directory(run / "kitti", slot)
