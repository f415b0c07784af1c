"""Road signs: the plate is what is looked for, the pole belongs to the street."""

import math
from dataclasses import dataclass

import numpy as np

from .canvas import Pen

RED, BLUE, WHITE, YELLOW, BLACK = (35, 35, 200), (175, 85, 25), (240, 240, 240), (45, 195, 245), (30, 30, 30)
SHAPES = ("stop", "no_entry", "limit", "warning", "arrow", "priority", "parking")


@dataclass(frozen=True)
class SignLook:
    """Shape of the plate, its half width and the height of its middle, in metres."""

    shape: str
    radius_m: float
    height_m: float


def sample_sign(rng: np.random.Generator) -> SignLook:
    """Return a random sign."""
    return SignLook(SHAPES[rng.integers(len(SHAPES))], rng.uniform(0.4, 0.52), rng.uniform(2.1, 2.7))


def draw_pole(pen: Pen, look: SignLook) -> None:
    """Draw the pole from the ground to the middle of the plate."""
    pen.line([(0, 0), (0, look.height_m)], 0.07, (125, 125, 125))


def _corners(look: SignLook, count: int, turn: float, share: float = 1.0) -> list:
    angles = [turn + 2 * math.pi * i / count for i in range(count)]
    r = look.radius_m * share
    return [(r * math.cos(a), look.height_m + r * math.sin(a)) for a in angles]


def draw_plate(pen: Pen, look: SignLook) -> None:
    """Draw the plate."""
    r, y = look.radius_m, look.height_m
    if look.shape == "stop":
        pen.polygon(_corners(look, 8, math.pi / 8), WHITE)
        pen.polygon(_corners(look, 8, math.pi / 8, 0.9), RED)
        pen.box(-0.6 * r, y - 0.17 * r, 0.6 * r, y + 0.17 * r, WHITE)
    elif look.shape == "no_entry":
        pen.disc((0, y), r, RED)
        pen.box(-0.65 * r, y - 0.16 * r, 0.65 * r, y + 0.16 * r, WHITE)
    elif look.shape == "limit":
        pen.disc((0, y), r, RED)
        pen.disc((0, y), 0.74 * r, WHITE)
        for x in (-0.32 * r, 0.22 * r):
            pen.box(x - 0.12 * r, y - 0.36 * r, x + 0.2 * r, y + 0.36 * r, BLACK)
    elif look.shape == "warning":
        pen.polygon(_corners(look, 3, math.pi / 2), RED)
        pen.polygon(_corners(look, 3, math.pi / 2, 0.66), WHITE)
        pen.box(-0.07 * r, y - 0.12 * r, 0.07 * r, y + 0.4 * r, BLACK)
    elif look.shape == "arrow":
        pen.disc((0, y), r, BLUE)
        pen.line([(0, y - 0.55 * r), (0, y + 0.3 * r)], 0.24 * r, WHITE)
        pen.polygon([(-0.36 * r, y + 0.12 * r), (0.36 * r, y + 0.12 * r), (0, y + 0.64 * r)], WHITE)
    elif look.shape == "priority":
        pen.polygon(_corners(look, 4, 0), WHITE)
        pen.polygon(_corners(look, 4, 0, 0.72), YELLOW)
    else:
        pen.box(-0.85 * r, y - 0.85 * r, 0.85 * r, y + 0.85 * r, BLUE)
        pen.line([(-0.25 * r, y - 0.55 * r), (-0.25 * r, y + 0.5 * r)], 0.2 * r, WHITE)
        pen.disc((0.02 * r, y + 0.25 * r), 0.28 * r, WHITE)
