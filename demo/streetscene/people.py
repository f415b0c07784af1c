"""People on foot, and the limbs that riders share with them."""

import math
from dataclasses import dataclass

import numpy as np

from .canvas import Colour, Pen, Point, shade

SKIN = ((140, 175, 225), (115, 150, 205), (70, 100, 150), (50, 70, 110))
HAIR = ((25, 30, 35), (40, 60, 95), (95, 160, 200), (140, 140, 145))
STRIDE_M = 1.45


@dataclass(frozen=True)
class PersonLook:
    """Height and colours of one person, skirt or trousers, bag or none."""

    height_m: float
    coat: Colour
    trousers: Colour
    skin: Colour
    hair: Colour
    skirt: bool
    bag: bool


def sample_person(rng: np.random.Generator) -> PersonLook:
    """Return a random person."""
    return PersonLook(
        height_m=rng.uniform(1.5, 1.95),
        coat=tuple(int(v) for v in rng.integers(25, 230, 3)),
        trousers=shade(tuple(int(v) for v in rng.integers(40, 200, 3)), 0.6),
        skin=SKIN[rng.integers(len(SKIN))],
        hair=HAIR[rng.integers(len(HAIR))],
        skirt=bool(rng.random() < 0.2),
        bag=bool(rng.random() < 0.35),
    )


def limb(
    pen: Pen, start: Point, end: Point, half_m: float, width_m: float, colour: Colour, bend: int
) -> None:
    """Draw a two-part limb whose joint bends to +x (`bend` 1) or -x (-1); parts are `half_m` long."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    reach = math.hypot(dx, dy)
    out = math.sqrt(max(0.0, half_m**2 - (reach / 2) ** 2)) / max(reach, 1e-6)
    joint = ((start[0] + end[0]) / 2 - bend * dy * out, (start[1] + end[1]) / 2 + bend * dx * out)
    pen.line([start, joint, end], width_m, colour)


def draw_person(pen: Pen, look: PersonLook, travelled_m: float) -> None:
    """Draw a person walking to +x, the step taken from the way travelled."""
    k = look.height_m / 1.75
    phase = 2 * math.pi * travelled_m / STRIDE_M
    hip, neck = (0.0, 0.88 * k), (0.03, 1.42 * k)
    for side, tone in ((-1, 0.72), (1, 1.0)):
        swing = side * math.sin(phase)
        lift = max(0.0, side * math.cos(phase)) * 0.1
        foot = (0.3 * k * swing, 0.05 + lift * k)
        limb(pen, hip, foot, 0.44 * k, 0.15 * k, shade(look.trousers, tone), 1)
        pen.line([foot, (foot[0] + 0.12 * k, foot[1] - 0.01)], 0.08 * k, (30, 30, 35))
        if side == -1:
            _arm(pen, look, k, -swing, 0.75)
    if look.skirt:
        skirt = [(-0.14, 0.95), (0.14, 0.95), (0.23, 0.5), (-0.23, 0.5)]
        pen.polygon([(x * k, y * k) for x, y in skirt], look.coat)
    torso = [(-0.15, 0.84), (0.15, 0.84), (0.19, 1.34), (0.1, 1.45), (-0.08, 1.45), (-0.19, 1.34)]
    pen.polygon([(x * k, y * k) for x, y in torso], look.coat)
    if look.bag:
        pen.box(-0.34 * k, 0.98 * k, -0.14 * k, 1.36 * k, shade(look.trousers, 1.4))
    _arm(pen, look, k, -math.sin(phase), 0.85)
    pen.line([neck, (0.03 * k, 1.52 * k)], 0.1 * k, look.skin)
    pen.disc((0.04 * k, 1.62 * k), 0.125 * k, look.skin)
    crown = [(-0.1, 1.56), (-0.1, 1.7), (0.0, 1.76), (0.1, 1.75), (0.16, 1.68), (0.02, 1.68), (-0.03, 1.56)]
    pen.polygon([(x * k, y * k) for x, y in crown], look.hair)


def _arm(pen: Pen, look: PersonLook, k: float, swing: float, tone: float) -> None:
    hand = (0.22 * k * swing, 0.86 * k + 0.05 * abs(swing))
    limb(pen, (0.0, 1.38 * k), hand, 0.29 * k, 0.1 * k, shade(look.coat, tone), -1)
    pen.disc(hand, 0.05 * k, look.skin)
