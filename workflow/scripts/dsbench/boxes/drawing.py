"""Detections drawn into a picture: boxes in the colour of their class, with label and confidence."""

import cv2
import numpy as np

from dsbench.boxes.fonts import text_mask
from dsbench.boxes.kitti import Detection, Frames

Colour = tuple[int, int, int]

# BGR, each clear of asphalt, sky and leaves.
PALETTE = (
    (36, 140, 255),
    (120, 220, 60),
    (240, 110, 180),
    (60, 210, 250),
    (240, 190, 40),
    (100, 90, 255),
    (200, 230, 120),
    (220, 80, 255),
)
FONT = cv2.FONT_HERSHEY_SIMPLEX
# A font's size is that of its line, OpenCV's height that of a capital.
FONT_SIZE_OF_HEIGHT = 1.5


def class_colours(frames: Frames) -> dict[str, Colour]:
    """Return one BGR colour per label that occurs in `frames`, the same for the same set of labels."""
    labels = sorted({detection.label for frame in frames.values() for detection in frame})
    return {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(labels)}


def draw_detections(
    image: np.ndarray, detections: list[Detection], muxer_size: tuple[int, int], colours: dict[str, Colour]
) -> None:
    """Draw `detections` into the BGR `image`; their boxes are in pixels of `muxer_size` (width, height)."""
    height, width = image.shape[:2]
    scale = np.array([width / muxer_size[0], height / muxer_size[1]] * 2)
    # The most confident box is drawn last, on top.
    for detection in sorted(detections, key=lambda box: box.confidence):
        corners = (detection.left, detection.top, detection.right, detection.bottom)
        _draw_box(image, detection, np.rint(scale * corners).astype(int).tolist(), colours[detection.label])


def _draw_box(image: np.ndarray, detection: Detection, corners: list[int], colour: Colour) -> None:
    left, top, right, bottom = corners
    line_px = max(2, image.shape[0] // 360)
    cv2.rectangle(image, (left, top), (right, bottom), colour, line_px, cv2.LINE_AA)
    text = f"{detection.label} {detection.confidence:.0%}".strip()
    font_scale = max(0.4, image.shape[0] / 1300)
    (text_width, text_height), baseline = cv2.getTextSize(text, FONT, font_scale, 1)
    # OpenCV's letters are ASCII; other scripts need a font.
    mask = None if text.isascii() else text_mask(text, round(text_height * FONT_SIZE_OF_HEIGHT))
    if mask is not None:
        text_width, text_height, baseline = mask.shape[1], mask.shape[0], 0
    margin = text_height // (2 if mask is None else 4)
    tag_height = text_height + baseline + margin
    # The tag stands on the box, or inside it where the picture ends.
    tag_top = top - tag_height if top >= tag_height else top
    tag_left = max(0, min(left - line_px // 2, image.shape[1] - text_width - 2 * margin))
    tag = (tag_left, tag_top), (tag_left + text_width + 2 * margin, tag_top + tag_height)
    cv2.rectangle(image, *tag, colour, cv2.FILLED)
    blue, green, red = colour
    ink = (20, 20, 20) if 0.114 * blue + 0.587 * green + 0.299 * red > 110 else (255, 255, 255)
    if mask is not None:
        _paint(image, mask, (tag_left + margin, tag_top + margin // 2), ink)
        return
    baseline_y = tag_top + margin // 2 + text_height
    cv2.putText(image, text, (tag_left + margin, baseline_y), FONT, font_scale, ink, 1, cv2.LINE_AA)


def _paint(image: np.ndarray, mask: np.ndarray, corner: tuple[int, int], ink: Colour) -> None:
    """Put `ink` where the mask is, its upper left corner at `corner` (x, y); what is outside the picture is cut."""
    left, top = corner
    first_row, first_column = max(0, -top), max(0, -left)
    seen = mask[first_row : image.shape[0] - top, first_column : image.shape[1] - left, None]
    height, width = seen.shape[:2]
    there = image[top + first_row :, left + first_column :][:height, :width]
    there[:] = np.rint(there * (1 - seen) + np.array(ink) * seen)
