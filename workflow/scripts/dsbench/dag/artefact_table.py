"""The tables of docs/architecture.md: which rules file, script and library module each artefact comes from."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

from dsbench.dag.code_version import PACKAGE, files_behind, imported_modules, meaning

SCRIPTS = PACKAGE.parent
# Files of a model are named from here on.
MODEL_FOLDER = "models/{model}/"
# More files of one kind in one folder than these are named together.
LISTED = 3
# Where a script calls no function of its own name, or others make as much of the content: the modules that make it.
MAKERS = {
    "bake_batch": ["onnx.batch"],
    "benchmark_streams": ["deepstream.run", "deepstream.log"],
    "build_engine": ["trtexec.run", "trtexec.command"],
    "choose_max_batch": ["chain.measured_chain"],
    "collect_data": ["report.report_records", "report.benchmark_data", "report.system_facts"],
    "compare_reports": ["report.comparison"],
    "confirm_batch": ["chain.sweep"],
    "convert_to_half": ["onnx.half_precision"],
    "copy_config": ["sources.source_files", "intake.json_files"],
    "cut_slot_clips": ["checks.batch_slots"],
    "draw_charts": ["report.charts"],
    "dump_kitti": ["deepstream.run", "boxes.kitti"],
    "export_onnx": ["onnx.model_onnx", "onnx.export", "onnx.variants"],
    "install_diagram_tools": ["report.diagram_tools"],
    "judge_agreement": ["checks.agreement"],
    "judge_kitti": ["checks.gate", "checks.scene_limits"],
    "keep_engine": ["trtexec.run", "trtexec.passport"],
    "keep_history": ["report.history"],
    "measure_accuracy": ["checks.accuracy", "checks.findings"],
    "note_graph_kind": ["onnx.inspection", "dag.names"],
    "note_target_fps": ["machine.clip"],
    "preflight": ["machine.preflight"],
    "prepare_onnx": ["onnx.prepare", "onnx.inspection"],
    "print_comparison": ["report.pdf"],
    "print_document": ["report.documents", "report.pdf"],
    "print_pdf": ["report.pdf"],
    "record_fact": ["machine.toolchain"],
    "record_video": ["deepstream.video"],
    "run_engine": ["checks.reference_run", "trtexec.answers"],
    "save_reference_image": ["machine.video"],
    "shards": ["dag.shards"],
    "tabulate_comparison": ["report.comparison"],
    "write_app_config": ["deepstream.app_config"],
    "write_labels": ["intake.labels", "onnx.class_names"],
    "write_nvinfer_config": ["deepstream.nvinfer_config"],
    "write_parser": ["deepstream.parser_build"],
    "write_software_bill": ["report.software_bill"],
}
HEAD = "| Artefact | Rules | Script | Library |\n|---|---|---|---|\n"


def artefact_tables(rules: Iterable[dict], scripts: Path = SCRIPTS) -> tuple[str, str]:
    """Return the table of a model's artefacts and that of all others, from `dag_rules`; `scripts` has the scripts.

    Raises LookupError where MAKERS and the scripts do not fit together.
    """
    made: dict[tuple[Path, str], list[str]] = {}
    for rule in rules:
        if rule["script"]:
            # A rule without output tells its result in its log.
            files = made.setdefault((Path(rule["file"]), rule["script"]), [])
            files += map(_without_constraints, rule["output"] or rule["log"])
    if unknown := MAKERS.keys() - {script for _, script in made}:
        raise LookupError(f"{sorted(unknown)}: no rule has these scripts; take them out of MAKERS")
    of_model, others = HEAD, HEAD
    for (file, script), files in made.items():
        beside = [scripts / f"{other}.py" for of, other in made if of == file]
        modules = makers(scripts / f"{script}.py", [file, *beside])
        row = f"| {_shown(files)} | `{file.name}` | `{script}` | {_quoted(modules)} |\n"
        if any("{model}" in each for each in files):
            of_model += row
        else:
            others += row
    return of_model, others


def makers(script: Path, beside: Iterable[Path]) -> list[str]:
    """Return the library modules that make what `script` writes: those of MAKERS, else that with its function.

    `beside` are its rules file and the scripts of that file. Raises LookupError where none of them uses the module.
    """
    named = MAKERS.get(script.stem) or [
        module
        for module in sorted(imported_modules(script))
        if (code := PACKAGE / f"{module.replace('.', '/')}.py").is_file()
        and f"def {script.stem}(" in meaning(code)
    ]
    used = files_behind(*(module for file in beside for module in imported_modules(file)))
    if not named or not all(PACKAGE / f"{module.replace('.', '/')}.py" in used for module in named):
        raise LookupError(f"{script.name}: {named} is not what makes its artefacts; say in MAKERS what does")
    return named


def _shown(files: list[str]) -> str:
    kinds = Counter(map(_kind, files))
    shown = [_kind(file) if kinds[_kind(file)] > LISTED else file for file in files]
    return _quoted(file.removeprefix(MODEL_FOLDER) for file in dict.fromkeys(shown))


def _kind(file: str) -> str:
    """Return the pattern of the files with this ending in the file's folder."""
    path = PurePath(file)
    return f"{path.parent}/*{path.suffix}"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _without_constraints(pattern: str) -> str:
    """Return a file's pattern with the names of its wildcards, and not what they may be."""
    return re.sub(r"\{(\w+),(?:[^{}]|\{[^{}]*\})*\}", r"{\1}", pattern)
