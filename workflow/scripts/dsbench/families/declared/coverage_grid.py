"""TAO DetectNet_v2: a grid of coverage for each class, and four distances for each of its cells."""

from collections.abc import Mapping

import numpy as np

from dsbench.families.family import Family, FrameTensors, Head, RoleDims, Setting, Sign
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.reference_decoders import detection_rows

STRIDE = 16


def decode(frame: FrameTensors, settings: Mapping[str, Setting]) -> np.ndarray:
    """Return the box of every cell and class, as NVIDIA's own decoding places it before its clustering."""
    coverage, boxes = frame.tensors["coverage"], frame.tensors["boxes"]
    classes, rows, columns = coverage.shape
    x = np.arange(columns) * -(-frame.width // columns) + settings["centre"]
    y = np.arange(rows) * -(-frame.height // rows) + settings["centre"]
    left, top, right, bottom = (
        np.moveaxis(boxes.reshape(classes, 4, rows, columns), 1, 0) * settings["box_norm"]
    )
    corners = np.stack([x - left, y[:, None] - top, x + right, y[:, None] + bottom], axis=-1)
    numbers = np.repeat(np.arange(classes), rows * columns)
    return detection_rows(frame, numbers, coverage.ravel(), corners.reshape(-1, 4))


def example(random: np.random.Generator, classes: int, width: int, height: int) -> dict[str, np.ndarray]:
    """Return grids of 16 pixel cells of which one in fifty is inside an object."""
    rows, columns = -(-height // STRIDE), -(-width // STRIDE)
    coverage = random.uniform(0, 1, (classes, rows, columns)) ** 80
    return {"coverage": coverage, "boxes": random.uniform(-0.2, 3, (4 * classes, rows, columns))}


def planes_of_coverage(dims: RoleDims, settings: Mapping[str, Setting]) -> int | None:
    """Return the number of coverage's planes where it is known."""
    return dims["coverage"][1] if isinstance(dims["coverage"][1], int) else None


HEAD = Head(
    parser_source="coverage_grid.cpp",
    parser_symbol="NvDsInferParseCustomCoverageGrid",
    roles=("coverage", "boxes"),
    decode=decode,
    classes=planes_of_coverage,
    # Pixels for each unit of distance, and from a cell's corner to its centre as NVIDIA counts.
    settings={"box_norm": 35.0, "centre": 0.5},
)


def _tensors(facts: GraphFacts) -> Mapping[str, str]:
    [coverage] = [name for name in facts.outputs if name.startswith("output_cov")]
    [boxes] = [name for name in facts.outputs if name.startswith("output_bbox")]
    return {"coverage": coverage, "boxes": boxes}


def _grids(facts: GraphFacts) -> bool:
    return all(any(name.startswith(word) for name in facts.names) for word in ("output_cov", "output_bbox"))


FAMILIES = (
    Family(
        name="detectnet_v2",
        head=HEAD,
        tensors=_tensors,
        example=example,
        cluster_mode=2,
        nms_iou_threshold=0.5,
        default_threshold=0.2,
        signs=(Sign(14, "output_cov, output_bbox", _grids),),
    ),
)
