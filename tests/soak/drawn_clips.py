"""Short clips on which real detectors find something: pages of a document, letters, photographs."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FRAMES, FRAMES_PER_S = 40, 30
# Nearly without loss and on one thread, so that every machine makes the same pictures.
X264 = {"crf": "10", "preset": "veryfast", "threads": "1"}
FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"
PAPER, INK = (252, 252, 250), (20, 20, 24)
TEXT = (
    "the measured width of a page is compared with its height and every column of the table holds one "
    "quantity in its own unit so that a reader can follow the argument from the first line to the last"
)


def font(name: str, size_px: int) -> ImageFont.FreeTypeFont:
    """Return a face that matplotlib ships."""
    return ImageFont.truetype(str(FONTS / f"{name}.ttf"), size_px)


def paragraph(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], first_word: int) -> None:
    """Fill a box with justified-looking lines of text, the last one short."""
    left, top, right, bottom = box
    face, word, words = font("DejaVuSerif", 15), first_word, TEXT.split()
    for y in range(top, bottom - 18, 21):
        line, limit = "", right if y + 21 < bottom - 18 else (left + right) // 2
        while left + draw.textlength(line + words[word % len(words)], face) < limit:
            line, word = f"{line}{words[word % len(words)]} ", word + 1
        draw.text((left, y), line, INK, face)


def table(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int]) -> None:
    """Draw a ruled table of numbers, four columns with a head."""
    left, top, right, bottom = box
    face, width, height = font("DejaVuSans", 14), (right - left) // 4, 27
    rows = (bottom - top) // height
    for row in range(rows + 1):
        draw.line((left, top + row * height, right, top + row * height), INK, 2 if row < 2 else 1)
    for column in range(5):
        draw.line((left + column * width, top, left + column * width, top + rows * height), INK, 1)
    for row in range(rows):
        for column in range(4):
            text = (
                ("Sample", "Width", "Height", "Share")[column]
                if row == 0
                else f"{row * 7.3 + column * 11:.2f}"
            )
            draw.text((left + column * width + 12, top + row * height + 5), text, INK, face)


def page(photo: Path, size: tuple[int, int] = (900, 1200)) -> Image.Image:
    """Return a page with title, headings, text, a picture with its caption and a table with its own."""
    image = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((170, 70), "On the Size of Printed Pages", INK, font("DejaVuSerif-Bold", 36))
    paragraph(draw, (70, 150, 830, 290), 0)
    draw.text((70, 310), "1  Introduction", INK, font("DejaVuSerif-Bold", 22))
    paragraph(draw, (70, 350, 435, 660), 5)
    image.paste(Image.open(photo).convert("RGB").resize((365, 244)), (465, 350))
    draw.text((465, 604), "Figure 1: a cup beside a spoon", INK, font("DejaVuSerif-Italic", 14))
    draw.text((70, 690), "2  Measurements", INK, font("DejaVuSerif-Bold", 22))
    paragraph(draw, (70, 730, 830, 840), 11)
    draw.text((70, 850), "Table 1: widths and heights", INK, font("DejaVuSerif-Italic", 14))
    table(draw, (70, 880, 830, 1070))
    paragraph(draw, (70, 1090, 830, 1170), 17)
    return image


def document(photo: Path) -> Iterator[np.ndarray]:
    """Yield RGB frames of a page that slides and grows a little under the camera."""
    image = np.asarray(page(photo))
    height, width, _ = image.shape
    for index in range(FRAMES):
        zoom = 0.94 + 0.0012 * index
        move = np.float32([[zoom, 0, 30 - index * 0.7], [0, zoom, 20 + index * 0.5]])
        yield cv2.warpAffine(image, move, (width, height), borderValue=(150, 150, 146))


def letters(_: Path) -> Iterator[np.ndarray]:
    """Yield RGB frames of a captcha: six coloured letters on a noisy ground, each on its own path."""
    random = np.random.default_rng(14)
    face = font("DejaVuSans-Bold", 64)
    ground = cv2.GaussianBlur(random.integers(150, 255, (320, 640, 3), np.uint8), (0, 0), 5)
    glyphs = [(letter, tuple(map(int, random.integers(0, 130, 3)))) for letter in "KR7WE4"]
    angles, phases = random.uniform(-25, 25, 6), random.uniform(0, 6.28, 6)
    for index in range(FRAMES):
        image = Image.fromarray(ground)
        for number, (letter, colour) in enumerate(glyphs):
            tile = Image.new("RGBA", (100, 100))
            ImageDraw.Draw(tile).text((50, 50), letter, (*colour, 255), face, anchor="mm")
            tile = tile.rotate(angles[number] + index * 0.3, Image.Resampling.BICUBIC)
            place = (20 + number * 100, int(110 + 60 * np.sin(phases[number] + index / 9)))
            image.paste(tile, place, tile)
        yield np.asarray(image)


def photograph(photo: Path) -> Iterator[np.ndarray]:
    """Yield RGB frames of a photograph that a camera passes over."""
    image = np.asarray(Image.open(photo).convert("RGB"))
    for index in range(FRAMES):
        zoom = 1.3 + 0.004 * index
        move = np.float32([[zoom, 0, 60 - index * 1.5], [0, zoom, -10 - index]])
        yield cv2.warpAffine(image, move, (800, 640), borderMode=cv2.BORDER_REPLICATE)


def write_clip(frames: Iterator[np.ndarray], file: Path) -> None:
    """Write RGB frames as H.264."""
    pictures = list(frames)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAMES_PER_S), options=X264)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width, _ = pictures[0].shape
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def two_things() -> tuple[np.ndarray, np.ndarray]:
    """Return RGB frames of a red and a blue thing on their ways, and their boxes.

    The boxes [frames, things, 4] are centre, width and height as fractions of the frame.
    """
    ground = np.random.default_rng(0).integers(60, 140, (360, 640, 3), np.uint8)
    ground = cv2.GaussianBlur(ground, (0, 0), 6)
    angle = np.arange(FRAMES) * 2 * np.pi / FRAMES
    sizes = np.stack([0.2 + 0.04 * np.sin(angle), 0.3 + 0.05 * np.cos(angle)], axis=1)
    red = np.stack([0.28 + 0.12 * np.cos(angle), 0.4 + 0.15 * np.sin(angle)], axis=1)
    blue = np.stack([0.7 - 0.1 * np.cos(angle + 1), 0.6 + 0.2 * np.sin(angle + 1)], axis=1)
    boxes = np.stack([np.hstack([centre, sizes]) for centre in (red, blue)], axis=1)
    frames = np.repeat(ground[None], FRAMES, axis=0)
    for frame, things in zip(frames, boxes, strict=True):
        for (x, y, width, height), colour in zip(things, ((230, 60, 40), (40, 90, 235)), strict=True):
            corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
            left, top, right, bottom = (corners * (640, 360, 640, 360)).round().astype(int)
            frame[top:bottom, left:right] = colour
    return frames, boxes
