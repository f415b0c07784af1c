"""How each family gets from safetensors to ONNX: the attempts in order, why that order, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from dsbench.core.errors import BuildError

TORCHSCRIPT_OPSET = 17
DYNAMO_OPSET = 18


class NoRecipeError(BuildError):
    """A detector that nothing here can turn into an ONNX."""


@dataclass(frozen=True)
class Attempt:
    """One way to export: optimum, torchscript or dynamo, with the opset."""

    method: str
    opset: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One attempt in export_attempts.json: verdict is accepted, failed, wrong or not tried; UNSET what it lacks."""

    method: str
    opset: int | UnsetType = UNSET
    verdict: str
    reason: str
    seconds: float | UnsetType = UNSET
    log: str | UnsetType = UNSET
    exported_nodes: int | UnsetType = UNSET
    nodes: int | UnsetType = UNSET


@dataclass(frozen=True)
class ExportAttempts:
    """What export_attempts.json says: the accepted method, every attempt, the repairs, and a prompt's phrases."""

    method: str
    attempts: list[Outcome]
    repairs: list[str]
    prompt_phrases: list[str]


@dataclass(frozen=True)
class Recipe:
    """The attempts of one model_type.

    `mask` says how the pixel mask leaves the graph: "constant" (position embedding recorded), "broadcast"
    (a mask of ones for one image) or None where there is no mask. `overrides` are values of config.json under
    which the same weights compute the same, but load or export.
    """

    attempts: tuple[Attempt, ...]
    mask: str | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    needs_prompt: bool = False

    @property
    def repairs(self) -> tuple[str, ...]:
        """What can be asked for on the ForeignNode fault; none is tried by itself."""
        return ("dynamo", "onnxsim") if DYNAMO in self.attempts else ("onnxsim",)


OPTIMUM = Attempt("optimum", TORCHSCRIPT_OPSET)
TORCHSCRIPT = Attempt("torchscript", TORCHSCRIPT_OPSET)
# Opset 17 from dynamo is invalid for Deformable DETR: Split has num_outputs from opset 18 on.
DYNAMO = Attempt("dynamo", DYNAMO_OPSET)
BATCH_FROZEN = {"dynamo": "its export of this family keeps the example's batch"}
WITH_TEXT = {"optimum": "its export has the text as inputs"}
# With a value here transformers 4.57 fails or bakes the anchors; without, it computes the same ones.
COMPUTED_ANCHORS = {"eval_size": None, "anchor_image_size": None}
# The custom kernel is CUDA code with no ONNX counterpart; without it, it is GridSample.
NO_KERNELS = {"disable_custom_kernels": True}
_ANCHORED = Recipe((OPTIMUM, TORCHSCRIPT), overrides=COMPUTED_ANCHORS, skipped=BATCH_FROZEN)
_MASKED = Recipe((OPTIMUM, TORCHSCRIPT, DYNAMO), mask="constant")
_OWL = Recipe((TORCHSCRIPT, DYNAMO), skipped=WITH_TEXT, needs_prompt=True)

RECIPES: Mapping[str, Recipe] = {
    "rt_detr": _ANCHORED,
    "rt_detr_v2": _ANCHORED,
    "d_fine": _ANCHORED,
    "detr": _MASKED,
    "table-transformer": _MASKED,
    "conditional_detr": _MASKED,
    "dab-detr": _MASKED,
    "yolos": Recipe((OPTIMUM, TORCHSCRIPT, DYNAMO)),
    "deformable_detr": Recipe(
        (OPTIMUM, TORCHSCRIPT, DYNAMO),
        mask="broadcast",
        overrides=NO_KERNELS,
    ),
    "owlvit": _OWL,
    "owlv2": _OWL,
    "grounding-dino": Recipe(
        (TORCHSCRIPT,),
        overrides=NO_KERNELS,
        skipped=WITH_TEXT | {"dynamo": "it cannot trace a shape that depends on data"},
        needs_prompt=True,
    ),
}
NEEDS_TRANSFORMERS_5 = ("rf_detr", "lw_detr", "deimv2")


def recipe_of(model_type: str) -> Recipe:
    """Return the recipe of a model_type; raise NoRecipeError saying why there is none."""
    if model_type in NEEDS_TRANSFORMERS_5:
        raise NoRecipeError(
            f"{model_type} needs transformers 5, but the export environment has 4.57, the last that optimum-onnx"
            " 0.1.0 works with; give an ONNX of it as the source."
        )
    if model_type not in RECIPES:
        raise NoRecipeError(
            f"no way to export {model_type!r} is known, expected one of {', '.join(RECIPES)};"
            " give an ONNX of it as the source."
        )
    return RECIPES[model_type]


def phrases_of(prompt: str | None) -> list[str]:
    """Return the phrases of a prompt, those between its full stops, in lower case."""
    phrases = [" ".join(phrase.split()).lower() for phrase in (prompt or "").split(".")]
    return [phrase for phrase in phrases if phrase]


def prompt_phrases(model_type: str, prompt: str | None) -> list[str]:
    """Return the phrases that become the classes: those of `prompt` between full stops, none without need.

    Raises NoRecipeError when a text-prompted detector has no prompt, or another one has.
    """
    phrases = phrases_of(prompt)
    needed = recipe_of(model_type).needs_prompt
    if needed and not phrases:
        raise NoRecipeError(
            f'{model_type} detects what a text asks for, and nvinfer feeds images only; add prompt: "person . car"'
            " to the model's entry in the config to export it with that text baked in."
        )
    if phrases and not needed:
        raise NoRecipeError(
            f"prompt {prompt!r} is set, but {model_type} has its own classes; remove it from the model's entry."
        )
    if len(set(phrases)) != len(phrases):
        raise NoRecipeError(f"prompt {prompt!r} names a phrase twice; each phrase is a class of its own.")
    return phrases
