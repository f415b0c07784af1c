"""The decision table's second part: what is refused by the shape of its tensors."""

from dsbench.graph_signs import Row

DENSE_ROWS = (
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
