"""The place: camera, lanes, pavements and light of one street corner, drawn from a seed."""

from dataclasses import dataclass

import numpy as np

from .canvas import Colour, Point

WIDTH_PX, HEIGHT_PX = 1280, 720


@dataclass(frozen=True)
class Light:
    """Sky colours (BGR), the gain of each channel, and whether lamps are lit."""

    zenith: Colour
    skyline: Colour
    gain: tuple[float, float, float]
    lamps_lit: bool


DAY = Light((225, 160, 95), (245, 225, 200), (1.0, 1.0, 1.0), False)
OVERCAST = Light((190, 180, 170), (215, 212, 208), (0.92, 0.9, 0.88), False)
EVENING = Light((150, 105, 95), (120, 175, 245), (0.78, 0.86, 1.0), True)
DUSK = Light((95, 55, 45), (130, 115, 165), (0.72, 0.6, 0.6), True)
LIGHTS = (DAY, OVERCAST, EVENING, DUSK)


@dataclass(frozen=True)
class Street:
    """A junction in camera coordinates: x to the right, z ahead, both in metres.

    A street crosses the view between `near_kerb_m` and `far_kerb_m`; behind the far pavement stand
    houses at `front_m`, with a side road of half width `side_half_m` around `side_centre_m`.
    """

    focal_px: float
    camera_height_m: float
    horizon_px: float
    near_kerb_m: float
    far_kerb_m: float
    front_m: float
    side_centre_m: float
    side_half_m: float
    light: Light

    def px_per_m(self, z_m: float) -> float:
        """Return the scale at depth `z_m`."""
        return self.focal_px / z_m

    def project(self, x_m: float, y_m: float, z_m: float) -> Point:
        """Return the pixel (x, y) of a point `y_m` above the ground (pinhole camera, level)."""
        scale = self.px_per_m(z_m)
        return WIDTH_PX / 2 + x_m * scale, self.horizon_px + (self.camera_height_m - y_m) * scale

    def half_view_m(self, z_m: float) -> float:
        """Return half the width in metres that the picture shows at depth `z_m`."""
        return WIDTH_PX / 2 / self.px_per_m(z_m)

    def nearest_m(self) -> float:
        """Return the depth of the ground at the picture's lower edge."""
        return self.focal_px * self.camera_height_m / (HEIGHT_PX - self.horizon_px)

    def lanes_m(self) -> tuple[float, float]:
        """Return the depths of the far and the near lane's middle."""
        width = self.far_kerb_m - self.near_kerb_m
        return self.far_kerb_m - 0.27 * width, self.near_kerb_m + 0.2 * width


def sample_street(rng: np.random.Generator) -> Street:
    """Return a street corner with random camera, widths and light."""
    focal, height, horizon = rng.uniform(760, 1080), rng.uniform(2.2, 4.2), rng.uniform(210, 320)
    near = focal * height / (HEIGHT_PX - horizon) + rng.uniform(0.8, 2.6)
    far = near + rng.uniform(6.5, 9.0)
    return Street(
        focal_px=focal,
        camera_height_m=height,
        horizon_px=horizon,
        near_kerb_m=near,
        far_kerb_m=far,
        front_m=far + rng.uniform(2.5, 4.5),
        side_centre_m=rng.uniform(-5, 5),
        side_half_m=rng.uniform(3.2, 4.6),
        light=LIGHTS[rng.choice(4, p=(0.45, 0.25, 0.15, 0.15))],
    )
