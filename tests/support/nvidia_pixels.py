"""NvBufSurfTransform's arithmetic in NumPy (filters 0 and 1), what NVIDIA's library was given, and a plain network."""

import lzma
from pathlib import Path

import numpy as np

from dsbench.pixels.preprocessing import Preprocessing

DATA = Path(__file__).resolve().parents[1] / "data"
LEVELS = [16, 70, 128, 180, 240]


def plain_preprocessing(width, height, padding="none", scaling_filter=1):
    """Return a preprocessing of that size with `padding` none, corner or centre, and no arithmetic."""
    return Preprocessing(
        net_scale_factor=1.0,
        offsets=None,
        model_color_format="RGB",
        maintain_aspect_ratio=padding != "none",
        symmetric_padding=padding == "centre",
        height=height,
        width=width,
        notes=(),
        scaling_filter=scaling_filter,
    )


def measured_inputs() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return luma, Cb and Cr, uint8, of each input of tests/data/nvbufsurftransform.json by its name."""
    random = np.random.default_rng(7)

    def noise(width: int, height: int) -> tuple:
        shape = (height // 2, width // 2)
        return random.integers(16, 236, (height, width)), *(random.integers(30, 226, shape) for _ in range(2))

    noises = {
        f"noise_{width}x{height}": noise(width, height) for width, height in ((96, 64), (128, 72), (64, 64))
    }
    y, cb, cr = noise(96, 64)
    picture = np.frombuffer(lzma.decompress((DATA / "picture_256x144.nv12.xz").read_bytes()), np.uint8)
    chroma = picture[256 * 144 :].reshape(72, 128, 2)
    found = noises | {
        "luma_96x64": (y, np.full_like(cb, 128), np.full_like(cr, 128)),
        "chroma_96x64": (np.full_like(y, 126), cb, cr),
        "flat_100x20": (
            np.repeat([16, 60, 126, 190, 235], 4)[:, None].repeat(100, 1),
            np.repeat(LEVELS, 10)[None].repeat(10, 0),
            np.tile(np.repeat(LEVELS, 2), 5)[None].repeat(10, 0),
        ),
        "picture_256x144": (picture[: 256 * 144].reshape(144, 256), chroma[..., 0], chroma[..., 1]),
    }
    return {name: tuple(plane.astype(np.uint8) for plane in planes) for name, planes in found.items()}


def scaled(planes: list, width: int, height: int, scaling_filter: int) -> list[np.ndarray]:
    """Return the even part of luma, Cb and Cr scaled to `width` x `height` without its odd last row and column."""
    rows, columns = (side & ~1 for side in planes[0].shape)
    parts = [planes[0][:rows, :columns], *(plane[: rows // 2, : columns // 2] for plane in planes[1:])]
    plane_of = _bilinear if scaling_filter == 1 else _nearest
    sizes = [(height & ~1, width & ~1), *[(height // 2, width // 2)] * 2]
    return [
        plane_of(part, size, rows / height, columns / width) for part, size in zip(parts, sizes, strict=True)
    ]


def _nearest(plane: np.ndarray, size: tuple[int, int], y_scale: float, x_scale: float) -> np.ndarray:
    places = [
        np.floor(np.arange(n) * scale + 1e-9).astype(int)
        for n, scale in zip(size, (y_scale, x_scale), strict=True)
    ]
    return plane[np.ix_(*places)].astype(int)


def _bilinear(plane: np.ndarray, size: tuple[int, int], y_scale: float, x_scale: float) -> np.ndarray:
    def axis(count: int, scale: float, samples: int) -> tuple:
        place = np.floor((np.arange(count) * scale - 0.5) * 256 + 0.5 + 1e-9).astype(int)
        near = place >> 8
        return np.clip(near, 0, samples - 1), np.clip(near + 1, 0, samples - 1), place & 255

    top, bottom, down = axis(size[0], y_scale, plane.shape[0])
    left, right, along = axis(size[1], x_scale, plane.shape[1])
    down, along, samples = down[:, None], along[None], plane.astype(int)
    both = (down * along + 128) >> 8
    total = (256 - down - along + both) * samples[np.ix_(top, left)] + both * samples[np.ix_(bottom, right)]
    total += (along - both) * samples[np.ix_(top, right)] + (down - both) * samples[np.ix_(bottom, left)]
    return total >> 8


def rgb_of(planes: list, bt709: bool, full_range: bool) -> np.ndarray:
    """Return the 8-bit levels [H, W, 3], as float64; each chroma sample is that of 2x2 pixels."""
    red, blue = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    green = 1 - red - blue
    y, cb, cr = (plane.astype(np.float64) for plane in planes)
    cb, cr = (np.kron(plane - 128, np.ones((2, 2)))[: y.shape[0], : y.shape[1]] for plane in (cb, cr))
    y = y if full_range else (y - 16) * 255 / 219
    gain = 1 if full_range else 255 / 224
    r, b = y + 2 * (1 - red) * gain * cr, y + 2 * (1 - blue) * gain * cb
    g = y - (2 * blue * (1 - blue) * cb + 2 * red * (1 - red) * cr) * gain / green
    levels = np.stack([r, g, b], axis=-1)
    levels = levels * 255.985 / 255 - 0.0005 if full_range else levels
    return np.floor(np.clip(levels, 0, 255))


def through_rgb(planes: list, bt709: bool = False) -> list[np.ndarray]:
    """Return limited-range planes as they come back from 8-bit RGB, which is how NV12 is scaled to NV12."""
    red, blue = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    rgb = rgb_of(planes, bt709, False)
    y = rgb @ [red, 1 - red - blue, blue]
    first, first_y = rgb[::2, ::2], y[::2, ::2]
    cb = (first[..., 2] - first_y) / (2 * (1 - blue))
    cr = (first[..., 0] - first_y) / (2 * (1 - red))
    back = (y * 219 / 255 + 16, *(plane * 224 / 255 + 128 for plane in (cb, cr)))
    return [np.floor(plane + 1e-4).astype(np.uint8) for plane in back]
