"""The decision table's second part: families told by the shape of one tensor, and what is refused."""

import numpy as np

from dsbench.graph_grid_signs import rows_are_final
from dsbench.graph_signs import LARGEST_FRACTION, Row, dense, dense_p6, end_to_end, pairs

DENSE_ROWS = (
    Row(
        19,
        lambda f: (
            any(dense(f, rows * cells(f), 1) for rows in (1, 3) for cells in (lambda f: f.cells, dense_p6))
            and end_to_end(f)
            and rows_are_final(f) is not False
        ),
        "[B, N, 6] of final rows",
        "deepstream_yolo_rows",
    ),
    Row(
        20,
        lambda f: (
            end_to_end(f)
            and isinstance(f.only[1], int)
            and 100 <= f.only[1] <= 1000
            and f.rows is not None
            and float(np.abs(f.rows[:, :4]).max()) <= LARGEST_FRACTION
        ),
        "[B, k, 6], boxes as fractions",
        "ultralytics_rt_detr",
    ),
    Row(
        20,
        lambda f: end_to_end(f) and isinstance(f.only[1], int) and 100 <= f.only[1] <= 1000,
        "[B, k, 6]",
        "yolo_end_to_end",
    ),
    Row(25, pairs, "boxes [B, N, 4] beside scores", "boxes_and_scores"),
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
