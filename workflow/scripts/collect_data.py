"""Collect every number of the report in benchmark_data.json."""

from dataclasses import replace
from pathlib import Path

import dsbench.report.benchmark_data as numbers
from dsbench.chain.measured_chain import EngineDecision, RunSummary
from dsbench.chain.sweep import Sweep
from dsbench.checks.findings import Agreement, BatchSlots, Gate, KeptAccuracy, PreprocessProof
from dsbench.core.files import read_json, sha256_of
from dsbench.core.records import as_json, read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.decoding import Decoding
from dsbench.families.declared import family_named
from dsbench.intake.labels import read_labels
from dsbench.machine.clip import PlayedClip, TargetRate
from dsbench.machine.toolchain import read_facts
from dsbench.onnx.class_names import LabelsOrigin
from dsbench.onnx.export_recipes import ExportAttempts
from dsbench.onnx.inspection import Inspection
from dsbench.report.report_data import SCHEMA_VERSION, check_data
from dsbench.report.report_records import (
    BenchmarkData,
    CheckedSlots,
    ModelFacts,
    NvinferPreprocessing,
    ProvenExport,
    ReferenceCommand,
    ReportedChecks,
    SideBySide,
    VideoWithBoxes,
)
from dsbench.report.scripts import TITLES, pasted
from dsbench.report.sources import sources_of
from dsbench.report.system_facts import Timing, runtime_facts, system_facts, timing
from dsbench.sources.source import FetchedFile, Provenance
from dsbench.trtexec.log import banner_facts


def model_facts(tree: Path, files) -> ModelFacts:
    """Return the report's `model`."""
    onnx = Path(files.onnx)
    inspect = read_record(files.inspect, Inspection)
    config = read_json(files.config)
    provenance = read_record(files.provenance, Provenance)
    attempts = read_record(files.attempts, ExportAttempts)
    named = read_record(files.labels_origin, LabelsOrigin)
    return ModelFacts(
        source=provenance.source,
        architecture=next(iter(config.get("architectures") or []), None),
        model_type=config.get("model_type"),
        family=inspect.family,
        onnx=onnx.relative_to(tree).as_posix(),
        onnx_bytes=onnx.stat().st_size,
        onnx_sha256=sha256_of(onnx),
        license=provenance.license or inspect.license,
        revision=provenance.revision,
        files=[FetchedFile(file.name, file.bytes, file.sha256) for file in provenance.files],
        classes=read_labels(Path(files.labels)),
        classes_from=named.origin,
        class_notes=named.notes,
        export=ProvenExport(attempts.method, attempts.attempts, inspect.max_abs_error, inspect.tolerance),
        notes=[note for note in inspect.notes if note not in inspect.preprocessing.notes],
        opset=inspect.opset,
        nodes=inspect.nodes,
        input=inspect.input,
        outputs=inspect.outputs,
    )


def nvinfer_preprocessing(files, threshold: float | None) -> NvinferPreprocessing:
    """Return the report's `preprocessing`."""
    inspect = read_record(files.inspect, Inspection)
    family = family_named(inspect.family)
    found = inspect.preprocessing
    return NvinferPreprocessing(
        derived_from=found.derived_from,
        net_scale_factor=found.net_scale_factor,
        offsets=found.offsets,
        model_color_format=found.model_color_format,
        maintain_aspect_ratio=found.maintain_aspect_ratio,
        symmetric_padding=found.symmetric_padding,
        network_width=found.width,
        network_height=found.height,
        cluster_mode=family.cluster_mode,
        pre_cluster_threshold=family.default_threshold if threshold is None else threshold,
        parser=family.head.parser_source,
        symbol=family.head.parser_symbol,
        notes=found.notes,
        proof=read_record(files.preprocess, PreprocessProof),
    )


def reported_checks(tree: Path, files, encoder: str) -> ReportedChecks:
    """Return the report's `validation`: the gates' results and what became of the video."""
    video, *frames = [Path(file).relative_to(tree).as_posix() for file in files.get("pictures", [])] or [None]
    runs = sorted(read_record(file, BatchSlots).slots for file in files.get("run_slots", []))
    return ReportedChecks(
        **vars(read_record(files.gate, Gate)),
        agreement=read_record(files.agreement, Agreement),
        accuracy=read_record(files.accuracy, KeptAccuracy),
        batch_slots=CheckedSlots(**vars(read_record(files.batch_slots, BatchSlots)), of_runs=runs),
        video=VideoWithBoxes(encoder, video, frames),
    )


def commands(tree: Path, scripts: list[str]) -> list[ReferenceCommand]:
    """Return the report's `commands`: each script's text."""
    return [
        ReferenceCommand(
            title=TITLES[Path(script).stem],
            script=Path(script).relative_to(tree).as_posix(),
            text=pasted(Path(script).read_text()),
        )
        for script in scripts
    ]


def measured_of(model: str, max_bs: str, run1: str, run2: str) -> numbers.Measured:
    """Return the decisions that the steps of a model wrote into these files."""
    runs = (read_record(file, RunSummary) for file in (run1, run2))
    return numbers.Measured(Path("models", model), read_record(max_bs, EngineDecision), *runs)


def figures(model: str, inspect: str, accuracy: str, *decisions: str, target_fps: float) -> SideBySide:
    """Return what the report shows of a model beside another one."""
    return numbers.figures_beside(
        measured_of(model, *decisions),
        read_record(inspect, Inspection),
        read_record(accuracy, KeptAccuracy),
        target_fps,
    )


def side_by_side(
    model: str, files, other: str | None, target_fps: float
) -> tuple[SideBySide, SideBySide] | None:
    """Return the report's `side_by_side`: this model and the other one; None where its entry names none."""
    if other is None:
        return None
    own = (files.inspect, files.accuracy, files.max_bs, files.run1, files.run2)
    return (
        figures(model, *own, target_fps=target_fps),
        figures(other, *files.beside, target_fps=target_fps),
    )


def sweep_steps(sweep: Sweep) -> list[str]:
    """Return the steps that a sweep took beyond the main job's, in their order."""
    held = [run.streams for run in sweep.runs if run.log.endswith("_run3.log")]
    tried = [*held, *(limit.size for limit in sweep.unheld)]
    return [
        *(
            f"benchmark_engine_probe_b{probe.batch}"
            for probe in sweep.prediction.probes
            if "/sweep/" in probe.log
        ),
        "predict_batch",
        *(f"benchmark_streams_s{streams}_run3" for streams in tried),
        "confirm_batch",
    ]


def timing_facts(measured: numbers.Measured, logs: list[str], params, sweep: Sweep | None) -> Timing:
    """Return the report's `timing`: the wall time of each step that the model took."""
    return timing(
        Path("logs"),
        measured.tree.name,
        [*measured.batches, *(limit.size for limit in measured.decision.limits)],
        [Path(log).stem for log in logs if "/ds/" in log],
        params.has_video,
        params.has_half,
        sweep_steps(sweep) if sweep else (),
    )


def collect(files, params, model: str) -> BenchmarkData:
    """Return the whole benchmark_data.json."""
    tree = Path("models", model)
    measured = measured_of(model, files.max_bs, files.run1, files.run2)
    settings, target = params.settings, read_record(files.target_fps, TargetRate)
    facts = read_facts(files.facts)
    system = system_facts(facts)
    banner = banner_facts(measured.b1_log.read_text(errors="replace"), measured.b1_log)
    trt = numbers.trtexec(measured, settings["trtexec"], target.target_fps)
    peak = trt.doubling[-1].peak_gpu_streams
    decoding = read_record(files.decoding, Decoding)
    runs = numbers.deepstream(measured, settings["deepstream"], peak, target.target_fps, decoding)
    engines = numbers.engines(measured, model)
    sweep = read_record(files.sweep, Sweep) if files.get("sweep") else None
    data = BenchmarkData(
        schema_version=SCHEMA_VERSION,
        model_name=model,
        engine=Path(engines[-1].file).name,
        max_bs=measured.batches[-1],
        measured_utc=numbers.measured_utc(measured),
        runtime=runtime_facts(facts["runtime"], banner, system),
        model=model_facts(tree, files),
        system=system,
        video=read_record(files.clip, PlayedClip),
        preprocessing=nvinfer_preprocessing(files, params.threshold),
        engines=engines,
        trtexec=trt,
        peak_gpu_streams=peak,
        doubling_stopped_by=measured.decision.stopped_by,
        target_fps=target.target_fps,
        target_fps_from=target.origin,
        validation=reported_checks(tree, files, facts["encoder"]["encoder"]),
        deepstream=runs,
        efficiency=numbers.efficiency(trt, runs),
        side_by_side=side_by_side(model, files, params.beside, target.target_fps),
        sweep=sweep,
        timing=timing_facts(measured, files.measured, params, sweep),
        commands=commands(tree, files.scripts),
    )
    return replace(data, sources=sources_of(data, measured, files, files.get("run_slots", [])))


with explained(snakemake.log[0]):
    data = as_json(collect(snakemake.input, snakemake.params, snakemake.wildcards.model))
    check_data(data)
    write_record(snakemake.output[0], data)
