"""What the records of a made-up ONNX say, for tests that need a part of it."""

from dataclasses import fields

from dsbench.families.decision_table import family_facts
from dsbench.families.declared import family_named
from dsbench.families.graph_facts import graph_facts
from dsbench.onnx.inspection import Inspection, Origin, Recognised
from dsbench.onnx.prepare import graph_summary

MADE = {"names": {}, "license": None, "why": "a test", "origin": "a test", "exported_nodes": 1}


def origin_of(model, family):
    """Return the origin of a model with a free batch, made of nothing, whose head is of `family`."""
    head = vars(family_facts(family_named(family), graph_facts(model)))
    return Origin(**head, **MADE, nms_iou_threshold=None, dynamic=True, notes=[])


def inspection_of(model, family, preprocessing=None):
    """Return the inspection of a model that answers as its source does."""
    origin = origin_of(model, family)
    return Inspection(
        **vars(graph_summary(model)),
        **{field.name: getattr(origin, field.name) for field in fields(Recognised)},
        preprocessing=preprocessing,
        takes_levels=False,
        repair=None,
        batch="dynamic",
        largest_batch=None,
        max_abs_error={"batch_1": 1e-5},
        tolerance=1e-3,
        notes=[],
    )
