"""What stands still and is not looked for: sky, houses, trees, ground, road marks, lamp posts."""

from itertools import pairwise

import cv2
import numpy as np

from .canvas import Colour, shade
from .street import HEIGHT_PX, WIDTH_PX, Street

FAR_M = 400.0
WALLS = (
    (120, 140, 175), (165, 180, 195), (105, 115, 150), (150, 150, 150), (170, 200, 215), (140, 120, 105),
)  # fmt: skip


def paint_backdrop(street: Street, rng: np.random.Generator) -> np.ndarray:
    """Return the empty street as a BGR uint8 image [720, 1280, 3]."""
    image = _sky(street)
    _ground(image, street, rng)
    _side_houses(image, street, rng)
    _front_houses(image, street, rng)
    _street_marks(image, street, rng)
    for _ in range(int(rng.integers(1, 4))):
        _tree(image, street, rng)
    for _ in range(int(rng.integers(0, 3))):
        _lamp_post(image, street, rng)
    return image


def _sky(street: Street) -> np.ndarray:
    depth = np.linspace(0, 1, HEIGHT_PX)[:, None] * HEIGHT_PX / street.horizon_px
    blend = np.clip(depth, 0, 1) ** 1.4
    column = np.array(street.light.zenith) * (1 - blend) + np.array(street.light.skyline) * blend
    return np.repeat(column.astype(np.uint8)[:, None], WIDTH_PX, axis=1)


def _quad(image: np.ndarray, street: Street, corners_m: list[tuple], colour: Colour) -> None:
    points = np.array([street.project(*corner) for corner in corners_m])
    cv2.fillPoly(image, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def _flat(image: np.ndarray, street: Street, x_m: tuple, z_m: tuple, colour: Colour) -> None:
    (left, right), (near, far) = x_m, z_m
    _quad(image, street, [(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)], colour)


def _wall(image: np.ndarray, street: Street, box_m: tuple, z_m: float, colour: Colour) -> None:
    left, foot, right, top = box_m
    _quad(image, street, [(left, foot, z_m), (right, foot, z_m), (right, top, z_m), (left, top, z_m)], colour)


def _flank(image: np.ndarray, street: Street, x_m: float, z_m: tuple, y_m: tuple, colour: Colour) -> None:
    (near, far), (foot, top) = z_m, y_m
    _quad(image, street, [(x_m, foot, near), (x_m, foot, far), (x_m, top, far), (x_m, top, near)], colour)


def _ground(image: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    grey = int(rng.integers(62, 100))
    asphalt, paving = (grey + 4, grey, grey), shade((176, 182, 188), rng.uniform(0.75, 1.05))
    image[int(street.horizon_px) :] = paving
    wide = (-FAR_M, FAR_M)
    side = (street.side_centre_m - street.side_half_m, street.side_centre_m + street.side_half_m)
    _flat(image, street, wide, (street.near_kerb_m, street.far_kerb_m), asphalt)
    _flat(image, street, side, (street.far_kerb_m, FAR_M), asphalt)
    for kerb in (street.near_kerb_m, street.far_kerb_m):
        for reach in ((-FAR_M, side[0]), (side[1], FAR_M)) if kerb == street.far_kerb_m else (wide,):
            _flat(image, street, reach, (kerb, kerb + 0.25), shade(paving, 1.15))
    seam = shade(paving, 0.9)
    for x in np.arange(-60, 60, 1.5):
        for near, far in ((2.0, street.near_kerb_m), (street.far_kerb_m + 0.3, street.front_m)):
            if near < street.near_kerb_m or not side[0] - 0.1 < x < side[1] + 0.1:
                _flat(image, street, (x, x + 0.03), (near, far), seam)


def _street_marks(image: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    white = shade((235, 238, 240), rng.uniform(0.8, 1.0))
    middle = (street.near_kerb_m + street.far_kerb_m) / 2
    for x in np.arange(-60, 60, 5.0) + rng.uniform(0, 5):
        _flat(image, street, (x, x + 2.6), (middle - 0.08, middle + 0.08), white)
    for z in np.arange(street.far_kerb_m + 1.5, 90, 5.0):
        _flat(image, street, (street.side_centre_m - 0.07, street.side_centre_m + 0.07), (z, z + 2.5), white)
    if rng.random() < 0.6:
        start = street.side_centre_m + rng.choice((-1, 1)) * (street.side_half_m + rng.uniform(2, 5))
        for z in np.arange(street.near_kerb_m + 0.4, street.far_kerb_m - 0.6, 1.0):
            _flat(image, street, (start - 1.4, start + 1.4), (z, z + 0.5), white)


def _windows(image: np.ndarray, box_px: tuple, wall: Colour, lit: bool, rng: np.random.Generator) -> None:
    left, top, right, bottom = box_px
    step_x, step_y = rng.uniform(26, 46), rng.uniform(36, 56)
    tint = shade(wall, rng.uniform(0.45, 0.7))
    for y in np.arange(top + 10, bottom - step_y, step_y):
        for x in np.arange(left + 8, right - step_x * 0.7, step_x):
            glow = lit and rng.random() < 0.45
            pane = (150, 215, 250) if glow else shade(tint, rng.uniform(0.85, 1.15))
            corner = (int(x + step_x * 0.55), int(y + step_y * 0.6))
            cv2.rectangle(image, (int(x), int(y)), corner, pane, cv2.FILLED)
            cv2.rectangle(image, (int(x), int(y)), corner, shade(wall, 1.15), 1)


def _wall_colour(rng: np.random.Generator) -> Colour:
    return shade(WALLS[rng.integers(len(WALLS))], rng.uniform(0.75, 1.1))


def _front_houses(image: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    gap = (street.side_centre_m - street.side_half_m - 1.8, street.side_centre_m + street.side_half_m + 1.8)
    reach = street.half_view_m(street.front_m) + 4
    for edge, direction in ((gap[0], -1), (gap[1], 1)):
        x = edge
        while abs(x) < reach or x * direction < 0:
            width, height, wall = rng.uniform(5, 12), rng.uniform(5, 13), _wall_colour(rng)
            ends = sorted((x, x + direction * width))
            _wall(image, street, (ends[0], 0, ends[1], height), street.front_m, wall)
            left, top = street.project(ends[0], height, street.front_m)
            right, bottom = street.project(ends[1], 2.9, street.front_m)
            _windows(image, (left, top, right, bottom), wall, street.light.lamps_lit, rng)
            _shop(image, street, ends, wall, rng)
            x += direction * width


def _shop(image: np.ndarray, street: Street, ends_m: list, wall: Colour, rng: np.random.Generator) -> None:
    z = street.front_m
    glass = (140, 200, 235) if street.light.lamps_lit else shade((120, 105, 90), rng.uniform(0.6, 1.2))
    x = ends_m[0] + 0.6
    while x + 1.6 < ends_m[1]:
        door = rng.random() < 0.3
        foot = 0.0 if door else 0.6
        right = x + (1.1 if door else 1.6)
        colour = shade(wall, 0.5) if door else glass
        _wall(image, street, (x, foot, right, 2.3), z, colour)
        x = right + rng.uniform(0.4, 1.0)
    if rng.random() < 0.5:
        band = tuple(int(v) for v in rng.integers(60, 220, 3))
        _wall(image, street, (ends_m[0] + 0.3, 2.45, ends_m[1] - 0.3, 2.95), z, band)


def _side_houses(image: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    for direction in (-1, 1):
        x = street.side_centre_m + direction * (street.side_half_m + 1.8)
        depths = street.front_m + np.concatenate([[0], np.cumsum(rng.uniform(7, 14, 9))])
        for near, far in reversed(list(pairwise(depths))):
            height, wall = rng.uniform(6, 14), shade(_wall_colour(rng), 0.8)
            _flank(image, street, x, (near, far), (0, height), wall)
            for level in np.arange(1.2, height - 1.8, 2.8):
                for z in np.arange(near + 0.8, far - 1.2, 2.4):
                    _flank(image, street, x, (z, z + 1.2), (level, level + 1.5), shade(wall, 0.6))


def _tree(image: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    z = street.far_kerb_m + rng.uniform(0.6, 1.4)
    x = rng.uniform(-1, 1) * street.half_view_m(z)
    if abs(x - street.side_centre_m) < street.side_half_m + 1.5:
        return
    scale, height = street.px_per_m(z), rng.uniform(2.4, 3.4)
    trunk = [(x - 0.12, 0, z), (x + 0.12, 0, z), (x + 0.1, height, z), (x - 0.1, height, z)]
    _quad(image, street, trunk, (50, 70, 90))
    leaf = shade((60, 120, 70), rng.uniform(0.6, 1.2))
    for _ in range(26):
        angle, reach = rng.uniform(0, 6.28), 1.3 * np.sqrt(rng.random())
        px, py = street.project(x + reach * np.cos(angle), height + 0.9 + 0.9 * reach * np.sin(angle), z)
        centre, radius = (int(px), int(py)), int(scale * rng.uniform(0.25, 0.55))
        cv2.circle(image, centre, radius, shade(leaf, rng.uniform(0.8, 1.2)), cv2.FILLED, cv2.LINE_AA)


def _lamp_post(image: np.ndarray, street: Street, rng: np.random.Generator) -> None:
    z = street.far_kerb_m + 0.5
    x, steel = rng.uniform(-1, 1) * street.half_view_m(z), (70, 70, 72)
    foot, head = street.project(x, 0, z), street.project(x, 5.2, z)
    arm = street.project(x + 0.9, 5.2, z)
    width = max(2, int(0.12 * street.px_per_m(z)))
    for start, end in ((foot, head), (head, arm)):
        cv2.line(image, tuple(map(int, start)), tuple(map(int, end)), steel, width, cv2.LINE_AA)
    lamp = (170, 235, 255) if street.light.lamps_lit else (205, 210, 210)
    cv2.circle(image, tuple(map(int, arm)), 2 * width, lamp, cv2.FILLED, cv2.LINE_AA)
