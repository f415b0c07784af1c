"""Who is in the street, where each one is at a time, and how each is drawn."""

from dataclasses import dataclass

import numpy as np

from .canvas import BACKGROUND, Canvas, Pen
from .people import PersonLook, draw_person, sample_person
from .signs import SignLook, draw_plate, draw_pole, sample_sign
from .street import Street
from .vehicles import (
    BicycleLook,
    CarLook,
    draw_bicycle,
    draw_car_end,
    draw_car_side,
    sample_bicycle,
    sample_car,
)

LABELS = ("car", "person", "bicycle", "road_sign")


@dataclass(frozen=True)
class Actor:
    """One figure: place (x, z) in metres at time 0, velocity along x or z in m/s, and its stretch.

    A moving actor that leaves its stretch, centred on `stretch_centre_m`, enters again at the other end.
    """

    look: CarLook | PersonLook | BicycleLook | SignLook
    x_m: float
    z_m: float
    velocity_m_s: float = 0.0
    along_z: bool = False
    stretch_m: float = 0.0
    stretch_centre_m: float = 0.0

    @property
    def label(self) -> int:
        """The index into LABELS."""
        return (CarLook, PersonLook, BicycleLook, SignLook).index(type(self.look))

    def travelled_m(self, time_s: float) -> float:
        """Return the way made since time 0, without sign, in metres."""
        return abs(self.velocity_m_s) * time_s + abs(self.x_m)

    def place_m(self, time_s: float) -> tuple[float, float]:
        """Return (x, z) in metres at `time_s`."""
        if not self.velocity_m_s:
            return self.x_m, self.z_m
        start = self.z_m if self.along_z else self.x_m
        low = self.stretch_centre_m - self.stretch_m / 2
        now = (start + self.velocity_m_s * time_s - low) % self.stretch_m + low
        return (self.x_m, now) if self.along_z else (now, self.z_m)

    def paint(self, canvas: Canvas, street: Street, owner: int, time_s: float) -> Pen:
        """Draw shadow and figure, pixels owned by `owner`; the pen returned knows the extent."""
        x_m, z_m = self.place_m(time_s)
        foot, scale = street.project(x_m, 0, z_m), street.px_per_m(z_m)
        half_m = {CarLook: 1.0 if self.along_z else 2.3, PersonLook: 0.4, BicycleLook: 0.9, SignLook: 0.15}
        canvas.darken_ellipse(foot, (half_m[type(self.look)] * scale, 0.14 * scale + 1), 0.55)
        if isinstance(self.look, SignLook):
            draw_pole(canvas.pen(BACKGROUND, foot, scale), self.look)
        pen = canvas.pen(owner, foot, scale, -1 if self.velocity_m_s < 0 and not self.along_z else 1)
        self.draw(pen, time_s)
        return pen

    def draw(self, pen: Pen, time_s: float) -> None:
        """Draw the figure alone."""
        travelled = self.travelled_m(time_s)
        if isinstance(self.look, SignLook):
            draw_plate(pen, self.look)
        elif isinstance(self.look, PersonLook):
            draw_person(pen, self.look, travelled)
        elif isinstance(self.look, BicycleLook):
            draw_bicycle(pen, self.look, travelled)
        elif self.along_z:
            draw_car_end(pen, self.look, coming=self.velocity_m_s < 0)
        else:
            draw_car_side(pen, self.look, travelled)


def populate(street: Street, rng: np.random.Generator) -> list[Actor]:
    """Return the actors of a street: traffic in the lanes, walkers on both pavements, signs."""
    return [
        *_lanes(street, rng),
        *_side_road(street, rng),
        *_walkers(street, rng),
        *_signs(street, rng),
    ]


def _row(
    street: Street, z_m: float, count: int, gap_m: float, rng: np.random.Generator
) -> tuple[list, float]:
    """Return `count` places along x at least `gap_m` apart, and the stretch that they repeat on."""
    stretch = max(2 * street.half_view_m(z_m) + 8.0, count * (gap_m + 1.0))
    slack = rng.dirichlet(np.ones(count)) * (stretch - count * gap_m)
    starts = np.cumsum(slack + gap_m) - gap_m + rng.uniform(0, stretch)
    return list(starts % stretch - stretch / 2), stretch


def _lanes(street: Street, rng: np.random.Generator) -> list[Actor]:
    actors = []
    for z, direction in zip(street.lanes_m(), (-1, 1), strict=True):
        speed = direction * rng.uniform(3.0, 7.0)
        count = int(rng.integers(0, 5))
        places, stretch = _row(street, z, count, 6.2, rng) if count else ([], 1.0)
        for x in places:
            sample = sample_bicycle if rng.random() < 0.4 else sample_car
            actors.append(Actor(sample(rng), x, z + rng.uniform(-0.2, 0.2), speed, stretch_m=stretch))
    middle = street.far_kerb_m - 0.5
    for _ in range(int(rng.integers(0, 4))):
        x, stretch = rng.uniform(-1, 1) * street.half_view_m(middle), 2 * street.half_view_m(middle) + 4
        speed = rng.choice((-1, 1)) * rng.uniform(2.5, 4.5)
        z = middle if rng.random() < 0.5 else street.near_kerb_m + 0.5
        actors.append(Actor(sample_bicycle(rng), x, z, speed, stretch_m=stretch))
    return actors


def _side_road(street: Street, rng: np.random.Generator) -> list[Actor]:
    actors, start = [], street.far_kerb_m + 2.0
    for side in (-1, 1):
        x, count = street.side_centre_m + side * street.side_half_m * 0.5, int(rng.integers(0, 3))
        offset, speed = rng.uniform(0, 8), side * rng.uniform(1.5, 4.0)
        for i in range(count):
            z = start + 3 + (offset + 9 * i) % 18
            centre = start + 9
            actors.append(Actor(sample_car(rng), x, z, speed, True, 24.0, centre + 3))
    return actors


def _walkers(street: Street, rng: np.random.Generator) -> list[Actor]:
    actors = []
    far = (street.far_kerb_m + 0.5, street.front_m - 0.5)
    near = (street.nearest_m() + 0.15, street.near_kerb_m - 0.2)
    for low, high in (far, far, near):
        for _ in range(int(rng.integers(0, 4))):
            z = rng.uniform(low, high)
            speed = rng.choice((-1, 1)) * rng.uniform(0.9, 1.6)
            stretch = 2 * street.half_view_m(z) + 2
            look, x = sample_person(rng), rng.uniform(-0.5, 0.5) * stretch
            actors.append(Actor(look, x, z, speed, stretch_m=stretch))
    if rng.random() < 0.4:
        x = street.side_centre_m + rng.choice((-1, 1)) * (street.side_half_m + 3.5) + rng.uniform(-1, 1)
        z = rng.uniform(street.near_kerb_m, street.far_kerb_m)
        actors.append(Actor(sample_person(rng), x, z))
    return actors


def _signs(street: Street, rng: np.random.Generator) -> list[Actor]:
    actors = []
    for _ in range(int(rng.integers(1, 6))):
        z = street.far_kerb_m + 0.4 if rng.random() < 0.75 else street.near_kerb_m - 0.3
        x = rng.uniform(-0.98, 0.98) * street.half_view_m(z)
        if z < street.far_kerb_m or abs(x - street.side_centre_m) > street.side_half_m + 0.6:
            actors.append(Actor(sample_sign(rng), x, z))
    return actors
