"""ONNX graphs: sizes fixed, the batch kept symbolic, slimmed, and repaired by name where TensorRT cannot build them."""

import re

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from dsbench.core.errors import BuildError
from dsbench.onnx.compare import GraphError, answers, session
from dsbench.onnx.export_recipes import Attempt, NoRecipeError, Recipe
from dsbench.tools.bounded_job import processor_time

BATCH = "batch"
IMAGE_CHANNELS = 3
FOLDING_S = 900.0
NO_OPERATOR = re.compile(r"No Op registered for (\S{1,80}) with domain_version of (\d+)")
DYNAMO, ONNXSIM = "dynamo", "onnxsim"


def fix_spatial_dims(
    model: onnx.ModelProto, height: int, width: int, batch: int | str = BATCH
) -> onnx.ModelProto:
    """Return the model with H and W constant and axis 0 of input and outputs `batch`, slimmed and checked.

    nvinfer needs every output dimension but the batch concrete.
    """
    graph = gs.import_onnx(model)
    if len(graph.inputs) != 1:
        raise GraphError(f"the ONNX has inputs {[i.name for i in graph.inputs]}, expected one image")
    declared = graph.inputs[0].shape[0]
    graph.inputs[0].shape = [batch, IMAGE_CHANNELS, height, width]
    images = declared if isinstance(declared, int) else 1
    shapes = output_shapes(model, height, width, images)
    for output in graph.outputs:
        shape = shapes[output.name]
        if not shape:
            raise GraphError(f"output {output.name} is a single number, expected the batch as its first axis")
        if shape[0] != images:
            raise GraphError(
                f"output {output.name} has the shape {list(shape)} at batch {images}, expected the batch as its first"
                " axis; export the model with a batch axis at each output, or without its NMS"
            )
        output.shape = [batch, *shape[1:]]
    # Only the jobs that change a graph load the slimmers: with sympy they take a second.
    import onnxslim

    with processor_time(FOLDING_S, "onnxslim's folding of the ONNX"):
        slimmed = onnxslim.slim(gs.export_onnx(graph.cleanup().toposort()))
    check(slimmed)
    return slimmed


def output_shapes(model: onnx.ModelProto, height: int, width: int, images: int) -> dict[str, tuple[int, ...]]:
    """Return each output's dims for a batch of black images, read from a run."""
    black = np.zeros((images, IMAGE_CHANNELS, height, width), np.float32)
    return {name: value.shape for name, value in answers(session(model), black).items()}


def check(model: onnx.ModelProto) -> None:
    """Raise GraphError where onnx.checker, with full shape inference, finds a fault."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        said = str(error).strip().splitlines()[0]
        if unknown := NO_OPERATOR.search(said):
            raise GraphError(
                f"its operator {unknown[1]} is none of ONNX's own in opset {unknown[2]}: a plugin, or of another opset"
                " than the file states; export the model with ONNX's own operators"
            ) from error
        raise GraphError(f"onnx.checker refuses the ONNX: {said}") from error


def attempts_of(recipe: Recipe, model_type: str, repair: str | None) -> tuple[Attempt, ...]:
    """Return the attempts to export with: the recipe's own, only dynamo's where that is the repair asked for.

    Raises NoRecipeError where the family has no such export.
    """
    if repair != DYNAMO:
        return recipe.attempts
    chosen = tuple(attempt for attempt in recipe.attempts if attempt.method == DYNAMO)
    if not chosen:
        reason = recipe.skipped.get(DYNAMO, "it has no such export")
        raise NoRecipeError(
            f"repair: dynamo is not for {model_type} ({reason}); use repair: onnxsim, or none, in the model's entry."
        )
    return chosen


def refuse_dynamo_without_weights(repair: str | None, source: object) -> None:
    """Raise a BuildError where dynamo is asked for and there is nothing to export."""
    if repair == DYNAMO:
        raise BuildError(
            f"{source}: repair: dynamo exports safetensors anew, but its source is an ONNX; use repair: onnxsim,"
            " or give the safetensors."
        )


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model as onnxsim folds it, checked; raise GraphError where onnxsim cannot."""
    import onnxsim

    try:
        with processor_time(FOLDING_S, "onnxsim's folding of the ONNX"):
            folded, equal = onnxsim.simplify(model)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise GraphError(f"onnxsim cannot simplify the ONNX: {str(error).splitlines()[0][:300]}") from error
    if not equal:
        raise GraphError("onnxsim's result answers otherwise than the ONNX it was given")
    check(folded)
    return folded
