"""Safetensors to a proven ONNX: the family's attempts in order, each with its reason and log kept."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from dsbench.errors import BuildError
from dsbench.export_attempt import Job, Outcome, check_environment, loading_folder, run_attempt
from dsbench.export_recipes import prompt_phrases, recipe_of
from dsbench.onnx_repair import attempts_of
from dsbench.tool_run import report_progress
from dsbench.whole_file import scratch_beside

TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")


class ExportError(BuildError):
    """A model that no attempt exported right, with every attempt's reason."""


@dataclass(frozen=True)
class Export:
    """The accepted ONNX (H and W fixed, batch symbolic, slimmed) and what was tried for it."""

    model: onnx.ModelProto
    outcomes: list[Outcome]
    phrases: list[str]
    repairs: tuple[str, ...]

    @property
    def method(self) -> str:
        """The method whose ONNX was accepted."""
        return next(outcome.method for outcome in self.outcomes if outcome.verdict == "accepted")

    def facts(self) -> dict:
        """Return the content of export_attempts.json."""
        return {
            "method": self.method,
            "attempts": [outcome.facts() for outcome in self.outcomes],
            "repairs": list(self.repairs),
            "prompt_phrases": self.phrases,
        }


def export_onnx(
    python: Path,
    source: Path,
    model_type: str,
    prompt: str | None,
    repair: str | None,
    pixels: np.ndarray,
    reference: Path,
    log: Path,
) -> Export:
    """Return the export of the Hugging Face folder `source`; torch's answers for `pixels` go to `reference`.

    `pixels` are float32 [3, 3, H, W], normalised as the model expects; `log` gets an index, and each attempt a
    log beside it; `repair` may ask for one exporter. Raises ExportError when no attempt gives what torch gives.
    """
    check_environment(python)
    recipe = recipe_of(model_type)
    attempts = attempts_of(recipe, model_type, repair)
    phrases = prompt_phrases(model_type, prompt)
    if phrases and not any((source / name).is_file() for name in TOKENIZERS):
        raise ExportError(
            f"{source}: {model_type} is asked with text, but it has no tokenizer; expected one of"
            f" {', '.join(TOKENIZERS)} beside the weights"
        )
    outcomes = [Outcome(method, None, "not tried", reason) for method, reason in recipe.skipped.items()]
    with scratch_beside(reference) as scratch:
        job = Job(python, source, model_type, phrases, pixels, scratch.resolve())
        folder = loading_folder(source, recipe, job.scratch / model_type)
        for attempt in attempts:
            attempt_log = log.with_name(f"{log.stem}_{attempt.method}.log")
            report_progress(f"{model_type}: {attempt.method}, opset {attempt.opset}; output in {attempt_log}")
            outcome, model = run_attempt(job, folder, recipe, attempt, attempt_log)
            outcomes.append(outcome)
            report_progress(f"{model_type}: {attempt.method} {outcome.verdict}, {outcome.reason}")
            if model is not None:
                os.replace(job.reference, reference)
                return Export(model, outcomes, phrases, recipe.repairs)
    tried = "; ".join(f"{o.method}: {o.verdict}, {o.reason}" for o in outcomes if o.log)
    raise ExportError(f"{source}: no export of {model_type} is right ({tried}); the logs lie beside {log}")
