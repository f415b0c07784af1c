"""Training and evaluation samples: rendered frames as a detector gets them, 320x320 RGB."""

import cv2
import numpy as np
from streetscene.scene import MIN_VISIBLE, Frame, Scene
from streetscene.street import HEIGHT_PX, WIDTH_PX

INPUT_PX = 320
MAX_BOXES = 20
FRAMES_PER_SCENE = 2
TRAINING_SEED, HELD_OUT_SEED = 0, 50_000_000

Sample = tuple[np.ndarray, np.ndarray, np.ndarray]


def held_out_frame(index: int) -> Frame:
    """Return frame `index` of the held-out set: one frame of a scene of its own."""
    seed = HELD_OUT_SEED + index
    return Scene(seed).frame(np.random.default_rng(seed).uniform(0, 60))


def shrink(image: np.ndarray, interpolation: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Return a BGR image as RGB uint8 [320, 320, 3], by default bilinear without a low-pass."""
    small = cv2.resize(image, (INPUT_PX, INPUT_PX), interpolation=interpolation)
    return cv2.cvtColor(small, cv2.COLOR_BGR2RGB)


def training_samples(index: int) -> list[Sample]:
    """Return degraded and cropped frames of training scene `index`.

    Each is (RGB uint8 [320, 320, 3], labels int64 [N], boxes float32 [N, 4] as cx, cy, w, h in 0..1).
    """
    cv2.setNumThreads(1)
    scene, rng = Scene(TRAINING_SEED + index), np.random.default_rng([TRAINING_SEED + index, 1])
    return [_sample(scene.frame(rng.uniform(0, 60)), rng) for _ in range(FRAMES_PER_SCENE)]


def _sample(frame: Frame, rng: np.random.Generator) -> Sample:
    image, (labels, boxes) = _degrade(frame.image, rng), (frame.labels, frame.boxes)
    window = np.array([0, 0, WIDTH_PX, HEIGHT_PX])
    if rng.random() < 0.4:
        window = _window(rng)
        image = image[window[1] : window[3], window[0] : window[2]]
    kernel = cv2.INTER_AREA if rng.random() < 0.35 else cv2.INTER_LINEAR
    labels, boxes = _clip(labels, boxes, window)
    return shrink(image, kernel), labels[:MAX_BOXES], boxes[:MAX_BOXES]


def _window(rng: np.random.Generator) -> np.ndarray:
    size = rng.uniform(0.6, 1.0) * np.array([WIDTH_PX, HEIGHT_PX])
    corner = rng.uniform(0, 1, 2) * ((WIDTH_PX, HEIGHT_PX) - size)
    return np.concatenate([corner, corner + size]).astype(int)


def _clip(labels: np.ndarray, boxes: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = (window[2:] - window[:2]).astype(np.float32)
    inside = np.clip(boxes.reshape(-1, 2, 2) - window[:2], 0, size).reshape(-1, 4)
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = (inside[:, 2:] - inside[:, :2]).prod(1) >= MIN_VISIBLE * whole
    low, high = inside[kept, :2] / size, inside[kept, 2:] / size
    return labels[kept], np.concatenate([(low + high) / 2, high - low], 1).astype(np.float32)


def _degrade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lose what a camera and a video codec lose: sharpness, chroma resolution, fine coefficients."""
    if rng.random() < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.3))
    if rng.random() < 0.7:
        quality = int(rng.integers(35, 95))
        image = cv2.imdecode(
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR
        )
    return image


def padded(labels: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return labels [20] and boxes [20, 4] filled up with zeros, and the count that is real."""
    count = len(labels)
    full_labels, full_boxes = np.zeros(MAX_BOXES, np.int64), np.zeros((MAX_BOXES, 4), np.float32)
    full_labels[:count], full_boxes[:count] = labels, boxes
    return full_labels, full_boxes, count
