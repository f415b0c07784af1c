"""The decision table's second part: families told by the shape of one tensor, and what is refused."""

import numpy as np

from dsbench.graph_signs import (
    DISTANCE_BINS,
    Row,
    column,
    dense,
    dense_p6,
    distance_cells,
    end_to_end,
)

DENSE_ROWS = (
    Row(19, lambda f: end_to_end(f) and dense(f, 3 * f.cells, 1), "[B, 3 x cells, 5 + 1]", "yolo_v5"),
    Row(21, lambda f: dense(f, f.cells, 2) or dense(f, dense_p6(f), 2), "[B, 4 + classes, cells]", "yolo_v8"),
    Row(
        22,
        lambda f: dense(f, 3 * f.cells, 1) or dense(f, 3 * dense_p6(f), 1),
        "[B, 3 x cells, 5 + classes]",
        "yolo_v5",
    ),
    Row(
        23,
        lambda f: dense(f, f.cells, 1) and f.class_count is not None and f.only[2] == 4 + f.class_count,
        "[B, cells, 4 + classes]",
        "yolo_v8_transposed",
    ),
    Row(
        23,
        lambda f: dense(f, f.cells, 1) and column(f, 4, lambda column: (column == 1).all()),
        "[B, cells, 5 + classes], objectness always 1",
        "yolo_v6",
    ),
    Row(
        23,
        lambda f: (
            dense(f, f.cells, 1)
            and f.rows is not None
            and float(np.abs(f.rows[:, :2]).max()) < min(f.image_size) / 4
        ),
        "[B, cells, 5 + classes], boxes not decoded",
        "yolox_raw",
    ),
    Row(23, lambda f: dense(f, f.cells, 1), "[B, cells, 5 + classes]", "yolox"),
    Row(
        24,
        lambda f: dense(f, distance_cells(f), 1) and f.only[2] > DISTANCE_BINS,
        "[B, cells of 4 strides, classes + 32]",
        "nanodet",
    ),
    Row(
        26,
        lambda f: {"boxes", "confs"} == f.names and len(f.dims("boxes")) == 4,
        "boxes [B, N, 1, 4], confs [B, N, C]",
        "yolo_v4",
    ),
    Row(
        27,
        lambda f: sum(len(f.dims(name)) in (4, 5) for name in f.names) >= 3,
        "three or more maps",
        refusal="its heads are not decoded; export it with the decoding in the graph",
    ),
    Row(
        28,
        lambda f: len(f.only) == 2,
        "[B, C]",
        refusal="one row of numbers for each image is a classifier",
    ),
)
