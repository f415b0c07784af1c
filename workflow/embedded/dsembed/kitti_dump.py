"""Writes deepstream-app's KITTI files: one per frame, boxes in mux surface pixels."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

LINE = "%s 0.0 0 0.0 %f %f %f %f 0.0 0.0 0.0 0.0 0.0 0.0 0.0 %f\n"


class KittiError(Exception):
    """A directory that is not there or a file that cannot be written."""


class KittiDump:
    """The files of one `gie-kitti-output-dir`."""

    def __init__(self, directory: Path, labels: Sequence[str]):
        """Take `labels` by class id; raises KittiError if the directory does not exist."""
        if not directory.is_dir():
            raise KittiError(f"gie-kitti-output-dir={directory}: no such directory, make it first")
        self._directory = directory
        self._labels = labels

    def write(self, stream: int, frame_number: int, detections: Iterable[tuple[float, ...]]) -> None:
        """Write one frame's file anew, empty without detections; raises KittiError.

        A detection is (left, top, width, height, confidence, class id).
        """
        path = self._directory / f"00_{stream:03d}_{frame_number:06d}.txt"
        text = "".join(self._line(*detection) for detection in detections)
        try:
            path.write_text(text, encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise KittiError(f"{path}: {error.strerror}") from error

    def _line(
        self, left: float, top: float, width: float, height: float, confidence: float, class_id: int
    ) -> str:
        box = (left, top, np.float32(left) + np.float32(width), np.float32(top) + np.float32(height))
        return LINE % (self._labels[class_id], *box, confidence)
