"""Detectors whose NMS plugin was taken out of their graph: what it got, boxes beside scores, clustered by nvinfer."""

from functools import partial

from dsbench.families.declared import boxes_beside_scores, counted_detections, scored_boxes_labels
from dsbench.families.family import Family
from dsbench.families.graph_facts import GraphFacts
from dsbench.families.reference_decoders import FRACTIONS, PIXELS, answered, possible_units

BOXES, SCORES = "boxes_before_nms", "scores_before_nms"
# The overlap that the exporters' scripts begin with; a plugin that states its own keeps it.
NMS_IOU = 0.45
IN_GRAPH, PLUGIN = "nms_in_graph", "nms_plugin"
OF_TAO, OF_MMDETECTION = "tao_nms", "mmdetection"


def _before(family: Family) -> Family:
    """Return the family whose detections a plugin would have made into those of `family`."""
    return Family(
        name=family.name.replace(IN_GRAPH, PLUGIN) if IN_GRAPH in family.name else f"{family.name}_plugin",
        head=boxes_beside_scores.HEAD,
        tensors=boxes_beside_scores.tensors,
        example=partial(
            boxes_beside_scores.example, boxes_beside_scores.SETTINGS | dict(family.settings), False
        ),
        cluster_mode=2,
        nms_iou_threshold=NMS_IOU,
        default_threshold=family.default_threshold,
        settings=family.settings,
        pixels=family.pixels,
    )


# By the name of the family that the graph has with its plugin.
BEFORE = {
    family.name: _before(family) for family in (*counted_detections.FAMILIES, *scored_boxes_labels.FAMILIES)
}
FAMILIES = tuple(BEFORE.values())


def families_before_nms(plugin: GraphFacts, facts: GraphFacts) -> list[Family]:
    """Return what a graph may be whose plugin was taken out: one family, or several where nothing tells.

    `plugin` is what the graph says with the plugin, `facts` what it says and answers without it.
    """
    if "BatchedNMS" in plugin.names:
        return [BEFORE[OF_TAO]]
    if {"dets", "labels"} <= plugin.names:
        return [BEFORE[OF_MMDETECTION]]
    scores = answered(facts, SCORES)
    units = possible_units(answered(facts, BOXES), None if scores is None else scores.max(axis=1))
    orders = counted_detections.axis_orders(plugin)
    return [
        family
        for name, family in BEFORE.items()
        if name.startswith(IN_GRAPH)
        and (family.settings["boxes"] == "corners_y_first") in orders
        and (FRACTIONS if family.settings["fractions"] else PIXELS) in units
    ]
