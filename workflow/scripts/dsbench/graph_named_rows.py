"""The decision table's first part: families that names, metadata or dtypes of the tensors give away."""

from dsbench.graph_signs import SEGMENTERS, Row, counted, end_to_end, queries, ultralytics

NAMED_ROWS = (
    Row(
        1,
        lambda f: f.metadata.get("task", "detect") != "detect",
        "task in the metadata",
        refusal="its task is {task}",
    ),
    Row(
        2,
        lambda f: (
            ultralytics(f)
            and end_to_end(f)
            and (
                "RTDETR" in f.metadata.get("head", "")
                or "RT-DETR" in f.metadata.get("description", "").upper()
            )
        ),
        "Ultralytics RT-DETR, [B, k, 6]",
        "ultralytics_rt_detr",
    ),
    Row(
        3,
        lambda f: (
            ultralytics(f)
            and end_to_end(f)
            and f.metadata.get("end2end", f.metadata.get("head")) in ("True", "true", "v10Detect")
        ),
        "Ultralytics end-to-end, [B, k, 6]",
        "yolo_end_to_end",
    ),
    Row(
        4,
        lambda f: (
            ultralytics(f)
            and len(f.only) == 3
            and f.class_count is not None
            and f.only[1] == 4 + f.class_count
        ),
        "Ultralytics, [B, 4 + classes, N]",
        "yolo_v8",
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
        10,
        lambda f: {"labels", "boxes", "scores"} == f.names and "orig_target_sizes" in f.side_inputs,
        "images, orig_target_sizes -> labels, boxes, scores",
        "rt_detr_original",
    ),
    Row(
        11,
        lambda f: {"dets", "labels"} <= f.names and f.dims("dets")[-1:] == [5] and "int" in f.dtype("labels"),
        "dets [B, N, 5], labels of whole numbers",
        "mmdetection",
    ),
    Row(13, counted, "a count, boxes, scores, classes", "nms_in_graph"),
    Row(
        14,
        lambda f: (
            any(n.startswith("output_cov") for n in f.names)
            and any(n.startswith("output_bbox") for n in f.names)
        ),
        "output_cov, output_bbox",
        "detectnet_v2",
    ),
    Row(
        15,
        lambda f: {"BatchedNMS"} <= f.names or {"NMS", "NMS_1"} <= f.names,
        "BatchedNMS or NMS outputs",
        "tao_nms",
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
