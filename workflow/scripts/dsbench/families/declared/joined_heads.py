"""Families of heads in separate outputs, which head_layouts.py knows and joins in the graph, each with its pixels."""

from functools import partial

from dsbench.families.declared import boxes_beside_scores
from dsbench.families.family import Family, PixelRule


def _family(name: str, pixels: PixelRule, threshold: float, overlap: float) -> Family:
    return Family(
        name=name,
        head=boxes_beside_scores.HEAD,
        tensors=boxes_beside_scores.tensors,
        example=partial(boxes_beside_scores.example, boxes_beside_scores.SETTINGS, False),
        cluster_mode=2,
        nms_iou_threshold=overlap,
        default_threshold=threshold,
        pixels=pixels,
    )


# RetinaFace is fed frames of any size in their own shape; OpenCV's order of colours, Caffe's mean.
RETINAFACE = PixelRule(color="BGR", scale=1.0, mean=(104.0, 117.0, 123.0), padding="corner")

# Thresholds and overlaps are those of the projects' own detect scripts: InsightFace's scrfd.py and retinaface.py,
# Pytorch_Retinaface's and Face-Detector-1MB's detect.py, MediaPipe's face detection, OpenCV's FaceDetectorYN.
FAMILIES = (
    _family("scrfd", PixelRule(scale=1.0, mean=(127.5,) * 3, std=(128.0,) * 3, padding="corner"), 0.5, 0.4),
    _family("retinaface", RETINAFACE, 0.6, 0.4),
    _family("face_1mb", RETINAFACE, 0.6, 0.4),
    _family("retinaface_insightface", PixelRule(scale=1.0, padding="corner"), 0.5, 0.4),
    _family("blazeface", PixelRule(scale=1 / 127.5, mean=(1.0,) * 3, padding="centre"), 0.5, 0.3),
    _family("yunet", PixelRule(color="BGR", scale=1.0, padding="corner"), 0.9, 0.3),
)
