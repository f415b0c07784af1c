"""The decision table's refusals: graphs that are told apart, and why each cannot be built."""

from collections.abc import Callable
from dataclasses import dataclass

from dsbench.families.boxes_beside_scores import background_is_last
from dsbench.graph_facts import GraphFacts
from dsbench.graph_signs import dense_p6, distance_cells, queries

SEGMENTERS = ("masks", "pred_masks", "keypoints", "pred_keypoints")


def _anchors(f: GraphFacts) -> set[int]:
    """Return how many anchors dense heads have for the image's size; what gave scores has matched before."""
    cells = (f.cells, dense_p6(f))
    return {count * anchors for count in cells for anchors in (1, 3)} | {distance_cells(f)}


@dataclass(frozen=True)
class Refusal:
    """One row of the table; `{task}` in the reason is the task in the metadata."""

    rank: int
    matches: Callable[[GraphFacts], bool]
    seen: str
    reason: str


REFUSALS = (
    Refusal(
        1,
        lambda f: f.metadata.get("task", "detect") != "detect",
        "task in the metadata",
        "its task is {task}",
    ),
    Refusal(
        5,
        lambda f: (
            any(name in SEGMENTERS for name in f.names)
            or (
                any(len(f.dims(n)) == 4 and f.dims(n)[1] == 32 for n in f.names)
                and any(len(f.dims(n)) == 3 for n in f.names)
            )
        ),
        "masks or key points among the outputs",
        "it is for segmentation or poses",
    ),
    Refusal(
        6,
        lambda f: (
            queries(f)
            and {"input_ids", "attention_mask"} & f.side_inputs != set()
            and f.dims("logits")[2] == 256
        ),
        "logits [B, Q, 256] and text inputs",
        "it is a Grounding DINO whose text is an input; import its safetensors with a prompt",
    ),
    Refusal(
        7,
        lambda f: queries(f) and "text_embeds" in f.names,
        "logits, pred_boxes, text_embeds",
        "it is an OWL-ViT whose text is an input; import its safetensors with a prompt",
    ),
    Refusal(
        16,
        lambda f: "scale_factor" in f.inputs and any(f.dims(n)[1:] == [6] for n in f.names),
        "rows of 6 and scale_factor",
        "its first axis counts detections, not images; export it with exclude_nms",
    ),
    Refusal(
        17,
        lambda f: len(f.only) == 2 and f.only[1] == 7,
        "rows of 7",
        "its first axis counts detections of all images; export it without the NMS",
    ),
    Refusal(
        18,
        lambda f: {"boxes", "scores", "labels"} <= f.names and len(f.dims("boxes")) == 2,
        "boxes [N, 4] without a batch axis",
        "its outputs have no batch axis (torchvision)",
    ),
    Refusal(
        25,
        background_is_last,
        "scores with a softmax whose last column is the background",
        "the parser knows a background in front of the classes; export it with the background first, or without",
    ),
    Refusal(
        27,
        lambda f: sum(len(f.dims(name)) in (4, 5) for name in f.names) >= 3,
        "three or more maps",
        "its heads are not decoded; export it with the decoding in the graph",
    ),
    Refusal(
        27,
        lambda f: f.rows is not None and f.rows.ndim == 2 and not _anchors(f).isdisjoint(f.rows.shape),
        "numbers beyond 0 to 1 where scores are expected",
        "its scores or boxes are not decoded, or it gives key points; export it with the decoding in the graph",
    ),
    Refusal(
        28,
        lambda f: len(f.only) == 2,
        "[B, C]",
        "one row of numbers for each image is a classifier",
    ),
)
