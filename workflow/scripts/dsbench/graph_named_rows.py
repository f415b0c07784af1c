"""The decision table's first part: what is refused by names, metadata or dtypes of the tensors."""

from dsbench.graph_signs import SEGMENTERS, Row, queries

NAMED_ROWS = (
    Row(
        1,
        lambda f: f.metadata.get("task", "detect") != "detect",
        "task in the metadata",
        refusal="its task is {task}",
    ),
    Row(
        5,
        lambda f: (
            any(name in SEGMENTERS for name in f.names)
            or (
                any(len(f.dims(n)) == 4 and f.dims(n)[1] == 32 for n in f.names)
                and any(len(f.dims(n)) == 3 for n in f.names)
            )
        ),
        "masks or key points among the outputs",
        refusal="it is for segmentation or poses",
    ),
    Row(
        6,
        lambda f: (
            queries(f)
            and {"input_ids", "attention_mask"} & f.side_inputs != set()
            and f.dims("logits")[2] == 256
        ),
        "logits [B, Q, 256] and text inputs",
        refusal="it is a Grounding DINO whose text is an input; import its safetensors with a prompt",
    ),
    Row(
        7,
        lambda f: queries(f) and "text_embeds" in f.names,
        "logits, pred_boxes, text_embeds",
        refusal="it is an OWL-ViT whose text is an input; import its safetensors with a prompt",
    ),
    Row(
        16,
        lambda f: "scale_factor" in f.inputs and any(f.dims(n)[1:] == [6] for n in f.names),
        "rows of 6 and scale_factor",
        refusal="its first axis counts detections, not images; export it with exclude_nms",
    ),
    Row(
        17,
        lambda f: len(f.only) == 2 and f.only[1] == 7,
        "rows of 7",
        refusal="its first axis counts detections of all images; export it without the NMS",
    ),
    Row(
        18,
        lambda f: {"boxes", "scores", "labels"} <= f.names and len(f.dims("boxes")) == 2,
        "boxes [N, 4] without a batch axis",
        refusal="its outputs have no batch axis (torchvision)",
    ),
)
