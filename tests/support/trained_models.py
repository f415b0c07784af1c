"""Trains tiny models until they find the things of one scene; runs in the export environment.

PYTHONPATH=workflow/scripts python tests/support/trained_models.py SCENE.npz FOLDER...

SCENE.npz has `frames`, uint8 RGB [n, h, w, 3]; `boxes`, [n, things, 4] of centre, width and height as fractions of the
frame; `phrases`, what a text-prompted model is asked for; and the `threshold` of a detection. Thing k has class k, or
phrase k. The model of each FOLDER is written back there. FOLDER.json gets what transformers' own processor then finds:
for each frame a list of class, left, top, right, bottom (pixels of the frame) and score.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers as hf

from dsbench.onnx.inside_export.torch_models import phrase_columns, phrase_logits, repeated
from reference_detections import Detections

MOST_STEPS, CHECK_EVERY, BATCH, LEARNING_RATE = 600, 50, 8, 2e-3
# What a model with an encoder that proposes queries calls that encoder's answer.
PROPOSED = [("enc_topk_logits", "enc_topk_bboxes"), ("encoder_logits", "encoder_pred_boxes")]
# Trained enough: each thing has a query of this score in each frame, and their boxes this overlap on average.
SCORE, OVERLAP = 0.5, 0.8


def overlap(boxes, others):
    """Return the IoU of boxes [..., 4] of centre and size, pair by pair."""
    first, second = (
        (box[..., :2] - box[..., 2:] / 2, box[..., :2] + box[..., 2:] / 2) for box in (boxes, others)
    )
    shared = (torch.minimum(first[1], second[1]) - torch.maximum(first[0], second[0])).clamp(min=0).prod(-1)
    return shared / (boxes[..., 2:].prod(-1) + others[..., 2:].prod(-1) - shared)


def of_many_sharpnesses(pixels):
    """Return pictures [B, 3, H, W], each smoothed or sharpened by chance.

    A real model has seen pictures that many programs have scaled. One that has seen a single filter's finds nothing in
    another's.
    """
    smooth = torch.nn.functional.avg_pool2d(pixels, 3, 1, 1, count_include_pad=False)
    return pixels + (2 * torch.rand(len(pixels), 1, 1, 1) - 1) * (smooth - pixels)


class Learner(Detections):
    """A tiny model with its own pre- and post-processing, and how it learns one scene."""

    def __init__(self, folder, frames, phrases):
        self.model_type = json.loads((folder / "config.json").read_text())["model_type"]
        super().__init__({"folder": folder, "model_type": self.model_type, "phrases": phrases})
        images = getattr(self.processor, "image_processor", self.processor)
        self.pads_to_square = isinstance(images, hf.Owlv2ImageProcessor)
        if self.pads_to_square:
            # The slow one asks for scipy.
            images = hf.Owlv2ImageProcessorFast(**images.to_dict())
        self.pixels = images(images=list(frames), return_tensors="pt")["pixel_values"]
        self.columns = phrase_columns(folder, self.tokens, phrases) if self.grounded else None
        classes = self.answers(self.pixels[:1])[0][0].shape[-1]
        self.background = not self.tokens and classes > self.model.config.num_labels

    def answers(self, pixels):
        """Return logits [B, Q, C] and boxes [B, Q, 4] of the decoder, then of an encoder that proposes queries."""
        answer = self.model(pixel_values=pixels, **repeated(self.tokens, len(pixels)))
        names = [("logits", "pred_boxes"), *PROPOSED]
        pairs = [(answer[logits], answer[boxes]) for logits, boxes in names if answer.get(logits) is not None]
        if self.columns is None:
            return pairs
        return [(phrase_logits(logits, self.columns), boxes) for logits, boxes in pairs]

    def scores(self, logits):
        """Return the scores [B, Q, classes], background not among them."""
        return logits.softmax(-1)[..., :-1] if self.background else logits.sigmoid()

    def loss(self, logits, boxes, truth):
        """Return how far the best query of each thing is from it, and the others from the background."""
        frames, scores = torch.arange(len(boxes)), self.scores(logits).detach()
        classes = torch.full(boxes.shape[:2], -1)
        loss = torch.zeros(())
        for thing, wanted in enumerate(truth.unbind(1)):
            apart = (boxes - wanted[:, None]).abs().sum(-1)
            near = overlap(boxes, wanted[:, None].expand_as(boxes))
            cost = 5 * apart - 2 * near - 2 * scores[..., thing] + 1e3 * (classes >= 0)
            query = cost.argmin(1)
            classes[frames, query] = thing
            loss = loss + (5 * apart - 2 * near)[frames, query].mean()
        return loss + 2 * self.class_loss(logits, classes)

    def class_loss(self, logits, classes):
        """Return the classification loss of queries with classes [B, Q], -1 for background."""
        if self.background:
            weight = torch.ones(logits.shape[-1])
            weight[-1] = 0.1
            wanted = torch.where(classes < 0, logits.shape[-1] - 1, classes)
            return torch.nn.functional.cross_entropy(logits.transpose(1, 2), wanted, weight)
        wanted = torch.nn.functional.one_hot(classes + 1, logits.shape[-1] + 1)[..., 1:].to(logits.dtype)
        wrong = (wanted - logits.sigmoid()).abs() ** 2
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return (wrong * entropy).sum() / (classes >= 0).sum()

    def found(self, truth):
        """Return the lowest score of a thing's best query over all frames, and the mean IoU of its box."""
        with torch.no_grad():
            pairs = [self.answers(part)[0] for part in self.pixels.split(BATCH)]
        logits, boxes = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        best, query = self.scores(logits)[..., : truth.shape[1]].max(1)
        taken = boxes.gather(1, query[..., None].expand(-1, -1, 4))
        return float(best.min()), float(overlap(taken, truth).mean())

    def learn(self, truth):
        """Train until the things are found; return the steps taken with what was found."""
        parameters = list(self.model.parameters())
        optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, MOST_STEPS)
        for step in range(1, MOST_STEPS + 1):
            chosen = torch.randperm(len(self.pixels))[:BATCH]
            answers = self.answers(of_many_sharpnesses(self.pixels[chosen]))
            loss = sum(self.loss(*pair, truth[chosen]) for pair in answers)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            if step % CHECK_EVERY == 0:
                score, iou = self.found(truth)
                if score >= SCORE and iou >= OVERLAP:
                    break
        return step, score, iou


def main():
    # Small tensors: a second thread would spend its time waiting for the first.
    torch.set_num_threads(1)
    scene = np.load(sys.argv[1])
    truth, size = torch.from_numpy(scene["boxes"]).float(), scene["frames"].shape[1:3]
    # A model of padded squares tells its boxes as fractions of the square.
    square = torch.tensor([size[1], size[0]] * 2) / max(size)
    for folder in map(Path, sys.argv[2:]):
        torch.manual_seed(0)
        learner = Learner(folder, scene["frames"], scene["phrases"].tolist())
        step, score, iou = learner.learn(truth * square if learner.pads_to_square else truth)
        in_shards = (folder / "model.safetensors.index.json").is_file()
        learner.model.save_pretrained(
            folder, safe_serialization=True, **({"max_shard_size": "100KB"} if in_shards else {})
        )
        found = [
            rows.tolist()
            for part in learner.pixels.split(BATCH)
            for rows in learner.rows(learner.outputs(part), size, float(scene["threshold"]))
        ]
        Path(f"{folder}.json").write_text(json.dumps(found))
        print(
            f"{folder.name}: {step} steps, every thing's score at least {score:.2f}, mean IoU {iou:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
