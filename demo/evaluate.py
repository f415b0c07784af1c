"""Measures the demonstration detector on held-out frames and on the demonstration clip."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import torch
from streetscene.actors import LABELS
from streetscene.scene import Frame
from streetscene.street import HEIGHT_PX, WIDTH_PX
from training.samples import held_out_frame, shrink
from transformers import RTDetrForObjectDetection

from dsbench.boxes.average_precision import accuracy
from dsbench.boxes.kitti import Detection
from dsbench.boxes.matching import precision_recall

HERE = Path(__file__).parent
LEAST_IOU, LEAST_SCORE = 0.5, 0.5


def clip_frames(clip: Path, kitti: Path) -> Iterator[Frame]:
    """Yield the decoded frames of `clip` with the truth in folder `kitti`."""
    with av.open(str(clip)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            lines = (kitti / f"00_000_{index:06d}.txt").read_text().splitlines()
            fields = [line.split() for line in lines]
            labels = np.array([LABELS.index(field[0]) for field in fields], np.int64)
            boxes = np.array([field[4:8] for field in fields], np.float32).reshape(-1, 4)
            yield Frame(picture.to_ndarray(format="bgr24"), labels, boxes)


@torch.inference_mode()
def detect(model: RTDetrForObjectDetection, image: np.ndarray) -> list[Detection]:
    """Return the model's 100 queries on a picture, each with its best label, as DeepStream's parser does."""
    pixels = torch.from_numpy(shrink(image)).permute(2, 0, 1)[None].float() / 255
    output = model(pixels)
    scores, labels = output.logits[0].sigmoid().max(-1)
    centre, half = output.pred_boxes[0, :, :2], output.pred_boxes[0, :, 2:] / 2
    boxes = torch.cat([centre - half, centre + half], -1) * torch.tensor([WIDTH_PX, HEIGHT_PX] * 2)
    return detections(labels.numpy(), boxes.numpy(), scores.numpy())


def detections(labels: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> list[Detection]:
    """Return boxes (left, top, right, bottom) with their labels and scores as detections."""
    return [
        Detection(LABELS[label], *map(float, box), float(score))
        for label, box, score in zip(labels, boxes, scores, strict=True)
    ]


def summary(model: RTDetrForObjectDetection, frames: Iterable[Frame]) -> dict:
    """Return the measures that the model card quotes, all in 0..1."""
    found, truth = {}, {}
    for number, frame in enumerate(frames):
        found[number] = detect(model, frame.image)
        truth[number] = detections(frame.labels, frame.boxes, np.ones(len(frame.labels)))
    sure = {
        number: [box for box in boxes if box.confidence >= LEAST_SCORE] for number, boxes in found.items()
    }
    rates = precision_recall(sure, truth, LEAST_IOU)
    measured = accuracy(found, truth, (1, 1))
    return {
        "frames": len(truth),
        "true_boxes": measured.every.objects,
        "map_50": round(measured.every.ap_50, 4),
        "map_50_95": round(measured.every.ap, 4),
        "ap_50": {scores.name: round(scores.ap_50, 4) for scores in measured.classes},
        "ap_50_95": {scores.name: round(scores.ap, 4) for scores in measured.classes},
        "precision_iou50_score50": round(rates.precision or 0.0, 4),
        "recall_iou50_score50": round(rates.recall or 0.0, 4),
    }


def main() -> None:
    """Print the measures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=HERE / "checkpoint")
    parser.add_argument("--frames", type=int, default=1000, help="held-out frames")
    parser.add_argument("--clip", action="store_true", help="also measure on the demonstration clip")
    options = parser.parse_args()
    model = RTDetrForObjectDetection.from_pretrained(options.checkpoint, dtype=torch.float32).eval()
    sets: dict[str, Iterable[Frame]] = {"held_out": map(held_out_frame, range(options.frames))}
    if options.clip:
        sets["clip"] = clip_frames(HERE / "sample_720p.mp4", HERE / "sample_720p_kitti")
    result = {name: summary(model, frames) for name, frames in sets.items()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
