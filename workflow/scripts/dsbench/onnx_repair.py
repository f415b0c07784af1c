"""Named repairs of an ONNX that TensorRT reads but cannot build ("ForeignNode"): asked for in the config, recorded."""

import onnx
import onnxsim

from dsbench.errors import BuildError
from dsbench.export_recipes import Attempt, NoRecipeError, Recipe
from dsbench.onnx_compare import GraphError
from dsbench.onnx_graph import check

DYNAMO, ONNXSIM = "dynamo", "onnxsim"


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
    try:
        folded, equal = onnxsim.simplify(model)
    except (RuntimeError, ValueError, onnx.checker.ValidationError) as error:
        raise GraphError(f"onnxsim cannot simplify the ONNX: {str(error).splitlines()[0][:300]}") from error
    if not equal:
        raise GraphError("onnxsim's result answers otherwise than the ONNX it was given")
    check(folded)
    return folded
