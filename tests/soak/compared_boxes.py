"""The boxes of a build against those of the model's own pipeline, as a row of the soak's table."""

import json

from dsbench.boxes.kitti import read_directory
from dsbench.boxes.matching import precision_recall

IOU = 0.9


def row_of_boxes(tree, own, least_matched):
    """Return the row for the finished tree of one model; `own` holds the boxes of its own pipeline by frame."""
    result = precision_recall(read_directory(tree / "samples/kitti_output"), own, IOU)
    inspected = json.loads((tree / "model/inspect.json").read_text())
    # With no box on either side nothing was compared.
    recall = result.recall or 0.0
    return {
        "family": inspected["family"],
        "input": "x".join(map(str, inspected["input"]["shape"][1:])),
        "frames": len(own),
        "own boxes": sum(map(len, own.values())),
        "matched": result.true_positives,
        "share": f"{recall:.1%}",
        "more": result.false_positives,
        "verdict": "report" if recall >= least_matched else "boxes differ",
    }
