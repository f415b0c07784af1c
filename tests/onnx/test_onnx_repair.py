"""The named repairs: what each does, where it is not possible, and that the answers stay."""

import numpy as np
import onnx
import pytest

import tiny_graphs as graphs
from dsbench.core.errors import BuildError
from dsbench.onnx.compare import GraphError, answers, largest_difference, session
from dsbench.onnx.export_recipes import RECIPES, NoRecipeError
from dsbench.onnx.graph import attempts_of, refuse_dynamo_without_weights, simplified


def test_onnxsim_folds_the_graph_and_keeps_answers_and_batch():
    model = graphs.queries()
    constant = onnx.helper.make_node("Add", ["shift", "shift"], ["twice"])
    shifted = onnx.helper.make_node("Add", ["pixel_values", "twice"], ["shifted"])
    model.graph.node[0].input[0] = "shifted"
    for node in (shifted, constant):
        model.graph.node.insert(0, node)
    model.graph.initializer.append(graphs.constant("shift", [0.25], np.float32))
    folded = simplified(model)
    assert len(folded.graph.node) < len(model.graph.node)
    for batch in (1, 3):
        pixels = np.random.default_rng(batch).random((batch, 3, graphs.HEIGHT, graphs.WIDTH), np.float32)
        assert largest_difference(answers(session(folded), pixels), answers(session(model), pixels)) < 1e-5


def test_onnxsim_s_failure_is_one_sentence():
    model = graphs.queries()
    model.graph.node[0].input[1] = "no such weight"
    with pytest.raises(GraphError, match="onnxsim cannot simplify the ONNX"):
        simplified(model)


def test_only_dynamo_changes_the_attempts():
    detr = RECIPES["detr"]
    assert attempts_of(detr, "detr", None) == attempts_of(detr, "detr", "onnxsim") == detr.attempts
    assert [attempt.method for attempt in attempts_of(detr, "detr", "dynamo")] == ["dynamo"]


def test_dynamo_is_refused_where_it_exports_wrong_or_has_nothing_to_export():
    with pytest.raises(NoRecipeError, match=r"keeps the example's batch.*use repair: onnxsim"):
        attempts_of(RECIPES["rt_detr"], "rt_detr", "dynamo")
    with pytest.raises(BuildError, match="its source is an ONNX; use repair: onnxsim"):
        refuse_dynamo_without_weights("dynamo", "folder")
    refuse_dynamo_without_weights("onnxsim", "folder")


def test_named_repairs_are_those_that_can_be_asked_for():
    assert RECIPES["detr"].repairs == ("dynamo", "onnxsim")
    assert RECIPES["rt_detr"].repairs == ("onnxsim",)
