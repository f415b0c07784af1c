"""Measures the demonstration detector on held-out frames and on the demonstration clip."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import torch
from metrics import THRESHOLDS, Found, average_precision, precision_recall
from streetscene.actors import LABELS
from streetscene.scene import Frame
from streetscene.street import HEIGHT_PX, WIDTH_PX
from training.samples import held_out_frame, shrink
from transformers import RTDetrForObjectDetection

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
def detect(model: RTDetrForObjectDetection, frame: Frame) -> Found:
    """Return the model's 100 queries on a frame, each with its best label, as DeepStream's parser does."""
    image = torch.from_numpy(shrink(frame.image)).permute(2, 0, 1)[None].float() / 255
    output = model(image)
    scores, labels = output.logits[0].sigmoid().max(-1)
    centre, half = output.pred_boxes[0, :, :2], output.pred_boxes[0, :, 2:] / 2
    boxes = torch.cat([centre - half, centre + half], -1) * torch.tensor([WIDTH_PX, HEIGHT_PX] * 2)
    return Found(labels.numpy(), scores.numpy(), boxes.numpy(), frame.labels, frame.boxes)


def summary(images: list[Found]) -> dict:
    """Return the measures that the model card quotes, all in 0..1."""
    table = np.array(
        [[average_precision(images, label, t) for t in THRESHOLDS] for label in range(len(LABELS))]
    )
    precision, recall = precision_recall(images, LEAST_IOU, LEAST_SCORE)
    return {
        "frames": len(images),
        "true_boxes": sum(len(image.true_labels) for image in images),
        "map_50": round(float(np.nanmean(table[:, 0])), 4),
        "map_50_95": round(float(np.nanmean(table)), 4),
        "ap_50": dict(zip(LABELS, np.round(table[:, 0], 4).tolist(), strict=True)),
        "ap_50_95": dict(zip(LABELS, np.round(table.mean(1), 4).tolist(), strict=True)),
        "precision_iou50_score50": round(precision, 4),
        "recall_iou50_score50": round(recall, 4),
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
    result = {name: summary([detect(model, frame) for frame in frames]) for name, frames in sets.items()}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
