"""A picture with an owner per pixel, and a pen that draws figures given in metres on it."""

import cv2
import numpy as np

SHIFT_BITS = 4
SUBPIXELS = 1 << SHIFT_BITS
BACKGROUND = 0

Colour = tuple[int, int, int]
Point = tuple[float, float]


def shade(colour: Colour, factor: float) -> Colour:
    """Return a BGR colour, each channel times `factor` and clipped to 0..255."""
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)


class Canvas:
    """A BGR uint8 image [H, W, 3] and a uint8 map [H, W] of the figure that owns each pixel."""

    def __init__(self, image: np.ndarray):
        self.image = image
        self.owner = np.zeros(image.shape[:2], np.uint8)

    def pen(self, owner: int, foot_px: Point, px_per_m: float, facing: int = 1) -> "Pen":
        """Return a pen whose origin is the ground point `foot_px`, x mirrored where `facing` is -1."""
        return Pen(self, owner, foot_px, px_per_m, facing)

    def darken_ellipse(self, centre_px: Point, radii_px: Point, factor: float) -> None:
        """Multiply the image by `factor` inside an ellipse: a ground shadow, owned by nobody."""
        height, width = self.owner.shape
        left, right = (int(np.clip(centre_px[0] + s * radii_px[0], 0, width)) for s in (-1, 1))
        top, bottom = (int(np.clip(centre_px[1] + s * radii_px[1], 0, height)) for s in (-1, 1))
        if right <= left or bottom <= top:
            return
        y, x = np.ogrid[top:bottom, left:right]
        inside = ((x - centre_px[0]) / radii_px[0]) ** 2 + ((y - centre_px[1]) / radii_px[1]) ** 2
        soft = factor + (1 - factor) * np.clip(inside, 0, 1) ** 2
        patch = self.image[top:bottom, left:right]
        patch[:] = (patch * soft[..., None]).astype(np.uint8)


class Pen:
    """Draws one figure on both layers; coordinates in metres, y upwards from the ground point.

    `extent_px` is the figure's whole extent (left, top, right, bottom) in pixels, also what lies
    outside the picture.
    """

    def __init__(self, canvas: Canvas, owner: int, foot_px: Point, px_per_m: float, facing: int):
        self.canvas, self.owner = canvas, owner
        self.foot_px, self.px_per_m, self.facing = foot_px, px_per_m, facing
        self.extent_px = [np.inf, np.inf, -np.inf, -np.inf]

    def polygon(self, points_m: list[Point], colour: Colour) -> None:
        """Fill a polygon."""
        corners = self._pixels(points_m, 0.0)
        fixed = [np.round(corners * SUBPIXELS).astype(np.int32)]
        cv2.fillPoly(self.canvas.image, fixed, colour, cv2.LINE_AA, SHIFT_BITS)
        cv2.fillPoly(self.canvas.owner, fixed, self.owner, cv2.LINE_8, SHIFT_BITS)

    def box(self, left_m: float, bottom_m: float, right_m: float, top_m: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left_m, bottom_m), (right_m, bottom_m), (right_m, top_m), (left_m, top_m)], colour)

    def disc(self, centre_m: Point, radius_m: float, colour: Colour, ring_m: float = 0.0) -> None:
        """Fill a disc, or draw a ring of width `ring_m` centred on the radius."""
        centre = self._pixels([centre_m], radius_m + ring_m / 2)[0]
        fixed = tuple(round(v * SUBPIXELS) for v in centre)
        radius = max(1, round(radius_m * self.px_per_m * SUBPIXELS))
        width_px = max(1, round(ring_m * self.px_per_m)) if ring_m else cv2.FILLED
        cv2.circle(self.canvas.image, fixed, radius, colour, width_px, cv2.LINE_AA, SHIFT_BITS)
        cv2.circle(self.canvas.owner, fixed, radius, self.owner, width_px, cv2.LINE_8, SHIFT_BITS)

    def line(self, points_m: list[Point], width_m: float, colour: Colour) -> None:
        """Draw a chain of strokes."""
        chain = self._pixels(points_m, width_m / 2)
        fixed = [np.round(chain * SUBPIXELS).astype(np.int32)]
        width_px = max(1, round(width_m * self.px_per_m))
        cv2.polylines(self.canvas.image, fixed, False, colour, width_px, cv2.LINE_AA, SHIFT_BITS)
        cv2.polylines(self.canvas.owner, fixed, False, self.owner, width_px, cv2.LINE_8, SHIFT_BITS)

    def _pixels(self, points_m: list[Point], reach_m: float) -> np.ndarray:
        metres = np.asarray(points_m, np.float64)
        pixels = metres * (self.facing * self.px_per_m, -self.px_per_m) + self.foot_px
        reach = reach_m * self.px_per_m
        self.extent_px[:2] = np.minimum(self.extent_px[:2], pixels.min(0) - reach)
        self.extent_px[2:] = np.maximum(self.extent_px[2:], pixels.max(0) + reach)
        return pixels
