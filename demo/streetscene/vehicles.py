"""Cars from the side and from either end, and bicycles with their riders."""

import math
from dataclasses import dataclass

import numpy as np

from .canvas import Colour, Pen, Point, shade
from .people import HAIR, SKIN, limb

TYRE, RIM, GLASS, LAMP, TAIL = (24, 24, 24), (165, 165, 165), (120, 100, 80), (205, 245, 255), (40, 40, 215)
PAINT = (
    (40, 40, 190), (190, 90, 40), (60, 60, 64), (225, 225, 228), (170, 172, 175),
    (35, 140, 60), (30, 160, 225), (110, 70, 50), (130, 50, 120), (150, 150, 60),
)  # fmt: skip
# Outlines of the upper body as fractions of length and height: rear to front.
ROOFS = (
    ((0.13, 0.52), (0.25, 0.97), (0.32, 1.0), (0.58, 1.0), (0.64, 0.97), (0.80, 0.55)),
    ((0.03, 0.55), (0.07, 0.95), (0.13, 1.0), (0.56, 1.0), (0.62, 0.97), (0.79, 0.57)),
    ((0.02, 0.50), (0.03, 0.97), (0.06, 1.0), (0.70, 1.0), (0.75, 0.97), (0.90, 0.56)),
)
LENGTHS_M, HEIGHTS_M = (4.5, 4.0, 4.8), (1.45, 1.5, 2.0)


@dataclass(frozen=True)
class CarLook:
    """Paint and kind (0 saloon, 1 hatchback, 2 van) of one car."""

    kind: int
    paint: Colour


def sample_car(rng: np.random.Generator) -> CarLook:
    """Return a random car."""
    paint = shade(PAINT[rng.integers(len(PAINT))], rng.uniform(0.8, 1.15))
    return CarLook(int(rng.choice(3, p=(0.45, 0.35, 0.2))), paint)


def draw_car_side(pen: Pen, look: CarLook, travelled_m: float) -> None:
    """Draw a car seen from the side, its front towards +x; wheels turned by the way travelled."""
    length, height = LENGTHS_M[look.kind], HEIGHTS_M[look.kind]
    roof = [((u - 0.5) * length, v * height) for u, v in ROOFS[look.kind]]
    pen.polygon(roof, shade(look.paint, 0.92))
    belt, left, right = 0.56 * height, -length / 2, length / 2
    hull = [(left, 0.3), (left + 0.02, belt * 0.9), (left + 0.15, belt), (right - 0.75, belt)]
    pen.polygon([*hull, (right - 0.1, belt * 0.85), (right, belt * 0.6), (right, 0.28)], look.paint)
    pen.polygon([(left, 0.24), (right, 0.24), (right, 0.38), (left, 0.38)], shade(look.paint, 0.6))
    middle = sum(x for x, _ in roof) / len(roof)
    pane = [(middle + (x - middle) * 0.86, belt + (y - belt) * 0.86 + 0.02) for x, y in roof]
    pen.polygon(pane, GLASS)
    for x in (middle - 0.05 * length, middle + 0.17 * length):
        pen.line([(x, 0.4), (x, height * 0.93)], 0.05, shade(look.paint, 0.75))
    pen.box(right - 0.3, belt * 0.62, right - 0.02, belt * 0.84, LAMP)
    pen.box(left + 0.01, belt * 0.66, left + 0.16, belt * 0.9, TAIL)
    for x in (left + 0.19 * length, right - 0.19 * length):
        _wheel(pen, x, 0.33, travelled_m)


def _wheel(pen: Pen, x_m: float, radius_m: float, travelled_m: float) -> None:
    pen.disc((x_m, radius_m), radius_m, TYRE)
    pen.disc((x_m, radius_m), radius_m * 0.62, RIM)
    for spoke in range(3):
        turn = spoke * math.pi / 3 - travelled_m / radius_m
        dx, dy = 0.55 * radius_m * math.cos(turn), 0.55 * radius_m * math.sin(turn)
        pen.line([(x_m - dx, radius_m - dy), (x_m + dx, radius_m + dy)], 0.04, (95, 95, 95))


def _mirrored(right_m: list[Point]) -> list[Point]:
    return [*((-x, y) for x, y in right_m), *reversed(right_m)]


def draw_car_end(pen: Pen, look: CarLook, coming: bool) -> None:
    """Draw a car seen from its front where `coming`, else from behind."""
    height, half = HEIGHTS_M[look.kind], 0.9
    for side in (-1, 1):
        pen.box(side * 0.72 - 0.13, 0.0, side * 0.72 + 0.13, 0.5, TYRE)
    belt = 0.58 * height
    pen.polygon(_mirrored([(0.82, belt), (0.64, height * 0.96), (0.5, height)]), shade(look.paint, 0.88))
    pen.polygon(_mirrored([(0.68, belt + 0.04), (0.55, height * 0.92)]), GLASS)
    hull = [(-half, 0.25), (half, 0.25), (half, belt * 0.8), (0.8, belt), (-0.8, belt), (-half, belt * 0.8)]
    pen.polygon(hull, look.paint)
    pen.box(-half, 0.22, half, 0.42, shade(look.paint, 0.6))
    for side in (-1, 1):
        pen.box(side * 0.68 - 0.17, belt * 0.68, side * 0.68 + 0.17, belt * 0.86, LAMP if coming else TAIL)
    pen.box(-0.26, 0.43, 0.26, 0.54, (225, 230, 230))
    if coming:
        pen.box(-0.42, belt * 0.62, 0.42, belt * 0.8, (45, 45, 45))


@dataclass(frozen=True)
class BicycleLook:
    """Colours of one bicycle and its rider."""

    frame: Colour
    coat: Colour
    trousers: Colour
    hair: Colour


def sample_bicycle(rng: np.random.Generator) -> BicycleLook:
    """Return a random bicycle."""
    coat, trousers = (tuple(int(v) for v in rng.integers(30, 220, 3)) for _ in range(2))
    frame, hair = PAINT[rng.integers(len(PAINT))], HAIR[rng.integers(len(HAIR))]
    return BicycleLook(frame, coat, shade(trousers, 0.6), hair)


def draw_bicycle(pen: Pen, look: BicycleLook, travelled_m: float) -> None:
    """Draw a bicycle and rider from the side, heading to +x, pedals turned by the way travelled."""
    rear, front, radius = (-0.52, 0.34), (0.54, 0.34), 0.33
    crank, saddle, bars = (-0.03, 0.3), (-0.2, 0.92), (0.38, 1.0)
    for hub in (rear, front):
        pen.disc(hub, radius, TYRE, ring_m=0.055)
        for spoke in range(3):
            turn = spoke * math.pi / 3 - travelled_m / radius
            dx, dy = radius * math.cos(turn), radius * math.sin(turn)
            pen.line([(hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy)], 0.012, (120, 120, 120))
    turn = -travelled_m / 0.9
    feet = [(crank[0] + s * 0.16 * math.cos(turn), crank[1] + s * 0.16 * math.sin(turn)) for s in (1, -1)]
    hip = (-0.17, 1.0)
    limb(pen, hip, feet[1], 0.47, 0.12, shade(look.trousers, 0.7), 1)
    pen.line([rear, crank, (0.33, 0.82), (-0.16, 0.8), rear], 0.05, look.frame)
    pen.line([crank, saddle], 0.05, look.frame)
    pen.line([front, bars, (0.5, 1.02)], 0.05, look.frame)
    pen.line([(-0.3, 0.93), (-0.08, 0.93)], 0.07, TYRE)
    limb(pen, hip, feet[0], 0.47, 0.13, look.trousers, 1)
    pen.polygon([(-0.3, 0.98), (-0.02, 0.95), (0.26, 1.42), (0.06, 1.5)], look.coat)
    pen.line([(0.14, 1.4), (0.24, 1.16), (0.44, 1.05)], 0.09, shade(look.coat, 0.85))
    pen.disc((0.23, 1.64), 0.125, SKIN[1])
    pen.polygon([(0.09, 1.64), (0.1, 1.76), (0.22, 1.8), (0.35, 1.74), (0.36, 1.68)], look.hair)
