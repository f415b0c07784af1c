"""What transformers itself detects, and an ONNX of the same model, for many jobs; runs in the export environment.

PYTHONPATH=workflow/scripts python tests/support/reference_detections.py JOBS.json

A job is one of torch_export's with `passing`, the parts of all candidates that shall pass a threshold, and
`detections`, the npz to write: `threshold`, one for each part and 0, and for batch b, threshold number t and
image i the rows "b{b}/t{t}/{i}" [N, 6] of class, left, top, right, bottom (network pixels, not clipped), score.
"""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import transformers as hf

from dsbench.onnx.inside_export import torch_attempt
from dsbench.onnx.inside_export.torch_export import import_torchvision
from dsbench.onnx.inside_export.torch_models import (
    PROMPTED,
    load_detector,
    phrase_columns,
    repeated,
    tokenize,
)

import_torchvision()

PROCESSES = 2
BATCHES = (1, 3)


class Detections:
    """One model with its own post-processing, that of its slow image processor."""

    def __init__(self, job):
        self.folder = Path(job["folder"])
        self.phrases = job["phrases"]
        self.model = load_detector(self.folder, job["model_type"])
        kind = json.loads((self.folder / "preprocessor_config.json").read_text())["image_processor_type"]
        self.processor = getattr(hf, kind).from_pretrained(self.folder, local_files_only=True)
        self.grounded = job["model_type"] == "grounding-dino"
        prompted = job["model_type"] in PROMPTED
        self.tokens = tokenize(self.folder, job["model_type"], self.phrases) if prompted else {}
        if self.grounded:
            tokenizer = hf.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
            self.processor = hf.GroundingDinoProcessor(self.processor, tokenizer)

    def outputs(self, pixels):
        with torch.no_grad():
            return self.model(pixel_values=pixels, **repeated(self.tokens, len(pixels)))

    def rows(self, outputs, size, threshold):
        """Return [N, 6] for each image of `size` (height, width) in pixels."""
        sizes = torch.tensor([size] * len(outputs.logits))
        if self.grounded:
            return self.grounded_rows(outputs, sizes, threshold)
        found = self.processor.post_process_object_detection(outputs, threshold, sizes)
        return [rows_of(image["labels"], image) for image in found]

    def grounded_rows(self, outputs, sizes, threshold):
        """Ask for each phrase alone and give each query its best one.

        The processor's score is the largest over all tokens, [CLS] and the full stops between the phrases
        among them, which name no class; its label is whatever words pass a second threshold.
        """
        columns = phrase_columns(self.folder, self.tokens, self.phrases)
        by_phrase = []
        for group in columns:
            logits = torch.full_like(outputs.logits, -torch.inf)
            logits[:, :, group] = outputs.logits[:, :, group]
            alone = SimpleNamespace(logits=logits, pred_boxes=outputs.pred_boxes)
            tokens = self.tokens["input_ids"].expand(len(logits), -1)
            by_phrase.append(
                self.processor.post_process_grounded_object_detection(alone, tokens, -1.0, 2.0, sizes)
            )
        images = []
        for answers in zip(*by_phrase, strict=True):
            scores, labels = torch.stack([answer["scores"] for answer in answers]).max(dim=0)
            kept = scores > threshold
            images.append(rows_of(labels[kept], {"boxes": answers[0]["boxes"][kept], "scores": scores[kept]}))
        return images


def rows_of(labels, image):
    columns = (labels[:, None], image["boxes"], image["scores"][:, None])
    return torch.hstack([column.to(torch.float64) for column in columns]).numpy()


def threshold_between(scores, part):
    """Return a score that about `part` of them exceed, in the middle of the widest gap nearby.

    Rounding on either side then cannot decide whether a candidate passes.
    """
    falling = np.sort(scores)[::-1]
    first, last = int(len(falling) * part * 0.8), int(len(falling) * part * 1.2) + 1
    gaps = falling[first:last] - falling[first + 1 : last + 1]
    widest = first + int(gaps.argmax())
    return float(falling[widest] + falling[widest + 1]) / 2


def write_detections(job):
    """Write the npz of the job; it is complete when this returns."""
    detector = Detections(job)
    pixels = torch.from_numpy(np.load(job["pixels"]))
    outputs = {batch: detector.outputs(pixels[:batch]) for batch in BATCHES}
    size = tuple(pixels.shape[2:])
    scores = np.concatenate([rows[:, 5] for rows in detector.rows(outputs[3], size, -1.0)])
    thresholds = [threshold_between(scores, part) for part in job["passing"]] + [0.0]
    arrays = {"threshold": np.array(thresholds)}
    for batch, output in outputs.items():
        for number, threshold in enumerate(thresholds):
            for image, rows in enumerate(detector.rows(output, size, threshold)):
                arrays[f"b{batch}/t{number}/{image}"] = rows
    np.savez(job["detections"], **arrays)


def run(job):
    torch.set_num_threads(1)
    write_detections(job)
    status = torch_attempt.run(job)
    if status != 0:
        raise SystemExit(f"{job['model_type']}: {job['method']} ended with {status}")


def in_processes(jobs):
    """Run each job in a process of its own: an export changes classes for good, and imports take seconds."""
    # What the jobs need is imported before the first fork.
    from optimum.exporters.onnx import main_export  # noqa: F401

    running, failed = set(), 0
    for job in jobs:
        if len(running) == PROCESSES:
            ended, status = os.wait()
            running.discard(ended)
            failed += status != 0
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run(job)
                status = 0
            except BaseException as error:
                print(f"{job['detections']}: {error!r}", file=sys.stderr, flush=True)
            finally:
                sys.stdout.flush()
                os._exit(status)
        running.add(child)
    for _ in range(len(running)):
        failed += os.wait()[1] != 0
    return failed


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.exit(in_processes(json.loads(Path(sys.argv[1]).read_text())))
