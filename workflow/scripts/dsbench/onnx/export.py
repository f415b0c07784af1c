"""Safetensors to a proven ONNX: the family's attempts in order, each a process of the export environment with a log."""

import json
import os
import re
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from dsbench.core.errors import BuildError
from dsbench.core.files import scratch_beside
from dsbench.core.secret_words import environment_without_tokens
from dsbench.onnx.compare import GraphError, compare_with_reference
from dsbench.onnx.export_recipes import Attempt, ExportAttempts, Outcome, Recipe, prompt_phrases, recipe_of
from dsbench.onnx.graph import attempts_of, fix_spatial_dims
from dsbench.sources.source import SourceFolder
from dsbench.tools.confined import confined, environment_files
from dsbench.tools.tool_run import die_with_parent, report_progress, status_name

NOT_REGISTERED, SIGNALS = 3, 128
INSIDE = "onnx.inside_export"
PROTECTIONS = "# run "
NO_MEMORY = re.compile("MemoryError|bad_alloc|not enough memory|Cannot allocate memory")
LINKED = (".safetensors", ".json", ".txt", ".model")
CONFIG = "config.json"
# What holds the settings of a part, such as a backbone, in a config.
NESTED = "_config"
# A timm backbone would otherwise be fetched, only to be overwritten by the checkpoint.
NO_FETCH = {"use_pretrained_backbone": False}
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")


class ExportEnvironmentError(BuildError):
    """An export environment that lost a part of itself."""


class ExportEndedError(BuildError):
    """An export that something outside ended, so that it says nothing about the model."""


@dataclass(frozen=True)
class Job:
    """What every attempt on one model shares; `scratch` is a folder of its own."""

    python: Path
    model_type: str
    phrases: list[str]
    pixels: np.ndarray
    scratch: Path

    @property
    def reference(self) -> Path:
        """The untouched model's answers, written by the first attempt that gets that far."""
        return self.scratch / "reference.npz"


def loading_folder(source: SourceFolder, recipe: Recipe, destination: Path) -> Path:
    """Make the folder the exporters load: links to the source's weights and texts, the recipe's config values.

    Nothing is in it that is not among the source's checked files, or could be a pickle or code, and no backbone in the
    config asks for weights of its own.
    """
    destination.mkdir(parents=True)
    names = [file.name for file in source.path.iterdir()] if source.names is None else source.names
    for name in names:
        file = source.file(name)
        if file and file.parent == source.path and file.suffix in LINKED and name != CONFIG:
            (destination / name).symlink_to(file.resolve())
    config = json.loads((source.path / CONFIG).read_text(encoding="utf-8"))
    (destination / CONFIG).write_text(json.dumps(_without_fetches(config) | NO_FETCH | recipe.overrides))
    return destination


def _without_fetches(value: Any) -> Any:
    """Return the settings with use_pretrained_backbone false wherever it is set, and in each config within them.

    Where it is not set, transformers takes it for true in some of its configs.
    """
    if isinstance(value, list):
        return [_without_fetches(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    inner = {
        key: entry | NO_FETCH if key.endswith(NESTED) and isinstance(entry, dict) else entry
        for key, entry in value.items()
    }
    settings = {key: _without_fetches(entry) for key, entry in inner.items()}
    return settings | NO_FETCH if NO_FETCH.keys() <= value.keys() else settings


def run_attempt(job: Job, folder: Path, recipe: Recipe, attempt: Attempt, log: Path) -> tuple:
    """Export, fix and slim, compare with torch; return the Outcome and the ONNX, None unless accepted.

    Raises ExportEndedError where the exporter was ended or ran out of memory: the machine's fault, not the model's.
    """
    onnx_path = job.scratch / f"{attempt.method}.onnx"
    started = time.monotonic()
    status = _run(job, folder, recipe, attempt, onnx_path, log)
    outcome = Outcome(
        method=attempt.method,
        opset=attempt.opset,
        verdict="failed",
        reason=f"exit status {status}: {last_line(log)}",
        seconds=round(time.monotonic() - started, 1),
        log=str(log),
    )
    if status < 0 or NO_MEMORY.search(last_line(log)):
        raise ExportEndedError(
            f"{log}: {attempt.method} ended with {status_name(status)} ({last_line(log)}), which says nothing about"
            " the model; most often the memory was used up. Give the step more memory (mem_mb of export_onnx on a"
            " cluster) and run the same command again"
        )
    if status == NOT_REGISTERED:
        return replace(outcome, verdict="not tried", reason=last_line(log)), None
    if status != 0:
        return outcome, None
    try:
        exported = onnx.load(onnx_path)
        model = fix_spatial_dims(exported, *job.pixels.shape[2:])
        errors = compare_with_reference(model, job.reference)
    except GraphError as error:
        return replace(outcome, verdict="wrong", reason=str(error)), None
    accepted = replace(
        outcome,
        verdict="accepted",
        reason=f"equals torch at batch 1 and 3 within {max(errors.values()):.2g}",
        exported_nodes=len(exported.graph.node),
        nodes=len(model.graph.node),
    )
    return accepted, model


def check_environment(python: Path) -> None:
    """Raise ExportEnvironmentError where the export environment has no Python."""
    if not python.exists():
        raise ExportEnvironmentError(
            f"{python}: no such program, so the export environment is incomplete;"
            f" delete {python.parents[1]} and try again"
        )


def _run(job: Job, folder: Path, recipe: Recipe, attempt: Attempt, destination: Path, log: Path) -> int:
    pixels = job.scratch / "pixels.npy"
    if not pixels.exists():
        np.save(pixels, job.pixels)
    description = job.scratch / f"{attempt.method}.json"
    description.write_text(
        json.dumps(
            {
                "folder": str(folder),
                "model_type": job.model_type,
                "phrases": job.phrases,
                "pixels": str(pixels),
                "mask": recipe.mask,
                "reference": str(job.reference),
                "onnx": str(destination),
            }
            | asdict(attempt)
        )
    )
    # Of this package the exporter imports nothing else.
    code = Path(__file__).parents[1] / INSIDE.replace(".", "/")
    return run_confined(
        [os.path.abspath(job.python), "-m", f"dsbench.{INSIDE}.torch_export", str(description)],
        _readable(job.python, folder, code),
        job.scratch,
        log,
        PYTHONPATH=str(code.parents[2]),
        PYTHONNOUSERSITE="1",
        HF_HUB_DISABLE_IMPLICIT_TOKEN="1",
    )


def _readable(python: Path, folder: Path, code: Path) -> list[Path] | None:
    """Return what the exporter reads: its environment, its code, and the files that `folder` links to."""
    environment = environment_files(python)
    if environment is None:
        return None
    packages = [file for parent in code.parents[:2] if (file := parent / "__init__.py").is_file()]
    return [*environment, code, *packages, *(link.resolve() for link in folder.iterdir())]


def run_confined(
    command: list[str], readable: list[Path] | None, scratch: Path, log: Path, **variables: str
) -> int:
    """Return the exit status of `command`, a signal as a negative number; it may write to `scratch` alone.

    `log` begins with the protections that hold here, and has its output. `readable` is as in tools.confined.
    """
    box = confined(command, readable, [scratch])
    with log.open("w") as stream:
        stream.write(f"{PROTECTIONS}{box.protections}\n")
        stream.flush()
        status = subprocess.run(
            box.command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            # Its caches and temporary files too stay where it may write.
            env=environment_without_tokens() | {"HOME": str(scratch), "TMPDIR": str(scratch)} | variables,
            # One system call: no lock that another thread holds can stop it.
            preexec_fn=die_with_parent,
            check=False,
        ).returncode
    # bubblewrap and shells say so of a program that a signal ended.
    return SIGNALS - status if status > SIGNALS else status


def last_line(log: Path) -> str:
    """Return the last line of a log that is not blank."""
    lines = [
        line
        for line in log.read_text(errors="replace").splitlines()
        if line.strip() and not line.startswith(PROTECTIONS)
    ]
    return lines[-1].strip()[:400] if lines else "no output"


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

    def record(self) -> ExportAttempts:
        """Return the content of export_attempts.json."""
        return ExportAttempts(self.method, self.outcomes, list(self.repairs), self.phrases)


def export_onnx(
    python: Path,
    source: SourceFolder,
    model_type: str,
    prompt: str | None,
    repair: str | None,
    pixels: np.ndarray,
    reference: Path,
    log: Path,
) -> Export:
    """Return the export of `source`, in Hugging Face layout; torch's answers for `pixels` go to `reference`.

    `pixels` are float32 [3, 3, H, W], normalised as the model expects; `log` gets an index, and each attempt a
    log beside it; `repair` may ask for one exporter. Raises ExportError when no attempt gives what torch gives.
    """
    check_environment(python)
    recipe = recipe_of(model_type)
    attempts = attempts_of(recipe, model_type, repair)
    phrases = prompt_phrases(model_type, prompt)
    if phrases and not any(map(source.file, TOKENIZERS)):
        raise ExportError(
            f"{source.path}: {model_type} is asked with text, but it has no tokenizer; expected one of"
            f" {', '.join(TOKENIZERS)} beside the weights"
        )
    outcomes = [
        Outcome(method=method, verdict="not tried", reason=reason)
        for method, reason in recipe.skipped.items()
    ]
    with scratch_beside(reference) as scratch:
        job = Job(python, model_type, phrases, pixels, scratch.resolve())
        folder = loading_folder(source, recipe, job.scratch / model_type)
        for attempt in attempts:
            attempt_log = log.with_name(f"{log.stem}_{attempt.method}.log")
            outcome, model = run_attempt(job, folder, recipe, attempt, attempt_log)
            outcomes.append(outcome)
            if model is not None:
                os.replace(job.reference, reference)
                return Export(model, outcomes, phrases, recipe.repairs)
            report_progress(
                f"{model_type}: {attempt.method} {outcome.verdict}, {outcome.reason}; its output is in {attempt_log}"
            )
    tried = "; ".join(f"{o.method}: {o.verdict}, {o.reason}" for o in outcomes if o.log)
    raise ExportError(
        f"{source.path}: no export of {model_type} is right ({tried}); the logs lie beside {log}"
    )
