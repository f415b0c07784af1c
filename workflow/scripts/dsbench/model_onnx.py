"""A source folder to its clean ONNX, by import where it has one and by export where it has weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx

from dsbench.class_names import Columns, choose_names
from dsbench.detector import Detector
from dsbench.errors import BuildError
from dsbench.family import Family
from dsbench.graph_completion import completed
from dsbench.graph_facts import graph_facts, stated_license
from dsbench.graph_families import family_facts, recognise
from dsbench.graph_trial import judge_before_size
from dsbench.model_folder import ModelFolder
from dsbench.onnx_compare import GraphError
from dsbench.onnx_export import export_onnx
from dsbench.onnx_import import graph_size, import_onnx, write_import_reference
from dsbench.onnx_interface import representable, takes_levels
from dsbench.onnx_repair import refuse_dynamo_without_weights
from dsbench.onnx_source import load_checked
from dsbench.onnx_variants import choose_variant
from dsbench.own_pixels import stated_size
from dsbench.preprocessing import as_levels
from dsbench.reference_pixels import source_pixels
from dsbench.source_labels import names_by_key
from dsbench.tool_run import report_progress


@dataclass(frozen=True)
class CleanOnnx:
    """The ONNX with H and W fixed, and what export_attempts.json, variants.json and inspect.json say of it."""

    model: onnx.ModelProto
    attempts: dict
    variants: dict
    origin: dict


def clean_onnx(
    folder: ModelFolder,
    python: Path | None,
    prompt: str | None,
    image: Path,
    reference: Path,
    log: Path,
    family: str | None = None,
    repair: str | None = None,
) -> CleanOnnx:
    """Return the folder's ONNX, proven on `image`; the source's answers go to `reference`.

    `python` is the export environment's, None where an ONNX needs none; `family` is the one that the config
    names for a graph that does not tell. Raises a BuildError that says why not.
    """
    if folder.has_onnx:
        refuse_dynamo_without_weights(repair, folder.path)
        if prompt:
            raise BuildError(
                f"{folder.path}: prompt {prompt!r} can be frozen only when exporting from safetensors;"
                " remove the prompt, or give a source without ONNX files"
            )
        return _imported(folder, family, image, reference)
    if family is not None:
        raise BuildError(
            f"{folder.path}: family {family!r} is for a ready-made ONNX, but safetensors are exported, whose"
            " config.json tells it; remove family: from the model's entry"
        )
    if python is None:
        raise BuildError(f"{folder.path}: has no ONNX, and there is no export environment to make one")
    return _exported(folder, python, prompt, repair, image, reference, log)


def _exported(folder, python, prompt, repair, image, reference, log) -> CleanOnnx:
    detector = folder.detector()
    pixels = source_pixels(image, folder.preprocessing())
    export = export_onnx(python, folder.path, detector.model_type, prompt, repair, pixels, reference, log)
    accepted = next(outcome for outcome in export.outcomes if outcome.verdict == "accepted")
    return CleanOnnx(
        export.model,
        export.facts(),
        {"choice": None, "candidates": [], "reason": "the source has no ONNX, its safetensors were exported"},
        {
            "family": detector.family.name,
            **family_facts(detector.family, graph_facts(export.model)),
            "names": {},
            "license": None,
            "why": f"{detector.architecture} in config.json",
            "origin": f"safetensors, exported with {export.method}",
            "exported_nodes": accepted.exported_nodes,
            "dynamic": True,
            "nms_iou_threshold": None,
            "notes": [f"The prompt is baked in: {', '.join(export.phrases)}."] if export.phrases else [],
        },
    )


def _imported(folder: ModelFolder, named: str | None, image: Path, reference: Path) -> CleanOnnx:
    detector = folder.detector()
    file, variants = choose_variant(folder.path, folder.names)
    report_progress(f"{variants['choice']} is taken from {len(variants['candidates'])} ONNX files")
    with _named(file):
        source, made_sound = load_checked(file)
        if named is None:
            judge_before_size(source)
        # Metadata has the size of the export, which free sides need not keep.
        size = graph_size(source, in_metadata=not all(stated_size(folder.block)))
        _refuse_text_inputs(source)
        levels = takes_levels(source)
    rule = folder.preprocessing(size)
    pixels = representable(source, source_pixels(image, as_levels(rule) if levels else rule))
    metadata = {entry.key: entry.value for entry in source.metadata_props}
    class_names = folder.class_names(metadata)
    with _named(file):
        complete = completed(source, pixels, class_names, named)
        imported = import_onnx(complete.model, pixels, class_names=class_names)
        verdict = complete.verdict(imported.facts, named, detector and detector.family)
        family, notes = _settled(detector, verdict.family, named)
        facts = family_facts(
            family, graph_facts(imported.model, imported.facts.class_count, imported.alone[0])
        )
        # Judged before anything is made of the ONNX, since names are among what tells its family.
        if class_names:
            choose_names(folder.name_sources(metadata), Columns.of(facts))
    write_import_reference(imported, pixels, reference)
    return CleanOnnx(
        imported.model,
        {"method": "ready-made ONNX", "attempts": [], "repairs": ["onnxsim"], "prompt_phrases": []},
        variants,
        {
            "family": family.name,
            **facts,
            "names": names_by_key(metadata),
            "license": stated_license(metadata),
            "why": verdict.why,
            "origin": f"{variants['choice']}, a ready-made ONNX",
            "exported_nodes": len(source.graph.node),
            "dynamic": imported.dynamic,
            "takes_levels": levels,
            "nms_iou_threshold": complete.nms_iou_threshold,
            "notes": [*made_sound, *complete.notes, *imported.notes, *notes],
        },
    )


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Put the ONNX's name before the sentence of a BuildError, which knows only the graph."""
    try:
        yield
    except BuildError as error:
        raise GraphError(f"{file}: {error}") from error


def _refuse_text_inputs(source: onnx.ModelProto) -> None:
    """Raise UnknownGraphError where the inputs are a text detector's; the table says what to do about it."""
    facts = graph_facts(source)
    if {"input_ids", "attention_mask"} & facts.side_inputs:
        recognise(facts)


def _settled(detector: Detector | None, told: Family, named: str | None) -> tuple[Family, list[str]]:
    """Return the family, and a note where config.json says another; a family `named` wins, then the graph."""
    if detector is None or told is detector.family:
        return told, []
    if named is not None:
        return told, [f"config.json says {detector.architecture}; family: {named} in the config wins."]
    if told.head is detector.family.head:
        return detector.family, []
    return told, [
        f"config.json says {detector.architecture}, but the tensors are those of {told.name}; the tensors win."
    ]
