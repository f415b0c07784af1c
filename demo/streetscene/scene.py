"""A street scene from a seed: pictures at any time, with the box of what can be seen of each actor."""

from dataclasses import dataclass

import cv2
import numpy as np

from .actors import Actor, populate
from .backdrop import paint_backdrop
from .canvas import Canvas
from .street import HEIGHT_PX, WIDTH_PX, Street, sample_street

MIN_SIDE_PX = 12
MIN_VISIBLE = 0.3


@dataclass(frozen=True)
class Frame:
    """A BGR uint8 image [720, 1280, 3], labels int64 [N] and boxes float32 [N, 4] (l, t, r, b in px).

    A box bounds the pixels that are seen; actors seen to less than MIN_VISIBLE or smaller than
    MIN_SIDE_PX on a side have none.
    """

    image: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray


class Scene:
    """A street and its actors; equal seeds give equal pictures."""

    def __init__(self, seed: int):
        rng = np.random.default_rng(seed)
        self.street: Street = sample_street(rng)
        self.actors: list[Actor] = populate(self.street, rng)
        self.backdrop = paint_backdrop(self.street, rng)
        noise = rng.integers(-5, 6, (HEIGHT_PX + 64, WIDTH_PX + 64), np.int16)
        self.noise = cv2.merge([noise] * 3)

    def frame(self, time_s: float) -> Frame:
        """Return the scene at `time_s`."""
        canvas = Canvas(self.backdrop.copy())
        order = sorted(self.actors, key=lambda actor: -actor.place_m(time_s)[1])
        drawn = []
        for owner, actor in enumerate(order, start=1):
            extent = actor.paint(canvas, self.street, owner, time_s).extent_px
            window = _window(extent)
            drawn.append((window, np.count_nonzero(canvas.owner[window] == owner), _share_in_picture(extent)))
        truth = []
        for owner, (actor, (window, drawn_px, share)) in enumerate(zip(order, drawn, strict=True), start=1):
            box = _seen_box(canvas.owner[window] == owner, MIN_VISIBLE * drawn_px / max(share, 1e-9))
            if box is not None:
                truth.append((actor.label, *(box + np.tile([window[1].start, window[0].start], 2))))
        table = np.array(truth, np.float32).reshape(-1, 5)
        return Frame(self._finish(canvas.image, time_s), table[:, 0].astype(np.int64), table[:, 1:])

    def _finish(self, image: np.ndarray, time_s: float) -> np.ndarray:
        x, y = np.random.default_rng(int(time_s * 1000)).integers(0, 64, 2)
        grain = self.noise[y : y + HEIGHT_PX, x : x + WIDTH_PX]
        levels = np.arange(256)[:, None] * np.array(self.street.light.gain)
        lit = cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)[None])
        return cv2.add(lit, grain, dtype=cv2.CV_8U)


def _window(extent_px: list) -> tuple[slice, slice]:
    """Return the rows and columns that a figure can have touched."""
    left, top = (max(0, int(v) - 2) for v in extent_px[:2])
    right, bottom = (max(0, int(v) + 3) for v in extent_px[2:])
    return slice(top, bottom), slice(left, right)


def _share_in_picture(extent_px: list) -> float:
    left, top, right, bottom = extent_px
    width = min(right, WIDTH_PX) - max(left, 0)
    height = min(bottom, HEIGHT_PX) - max(top, 0)
    return max(0.0, width) * max(0.0, height) / ((right - left) * (bottom - top))


def _seen_box(seen: np.ndarray, least_px: float) -> np.ndarray | None:
    """Return (l, t, r, b) of the pixels seen, or None if fewer than `least_px` or too small a box."""
    if not seen.any() or np.count_nonzero(seen) < least_px:
        return None
    columns, rows = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return box if (box[2:] - box[:2]).min() >= MIN_SIDE_PX else None
