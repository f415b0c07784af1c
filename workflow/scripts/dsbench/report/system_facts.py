"""The machine and the versions a report's numbers are from, and the wall time of every step."""

import csv
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from dsbench.core.records import AtLeastOne

SHARED_STEPS = ("check_toolchain", "inspect_video", "measure_decoding", "make_environment_export")
BEFORE_ENGINE = (
    "list_source",
    "fetch_source",
    "copy_config",
    "export_onnx",
    "prepare_onnx",
    "write_labels",
    "read_truth",
    "prove_preprocessing",
)
AFTER_ENGINE = (
    "write_parser",
    "compile_parser",
    "write_nvinfer_config",
    "write_nvinfer_config_ds",
    "write_app_config_kitti",
    "dump_kitti",
    "judge_kitti",
    "run_reference",
    "run_engine",
    "judge_agreement",
    "measure_accuracy",
    "check_batch_slots",
)
VIDEO_STEPS = ("record_video", "extract_frames")


@dataclass(frozen=True)
class SystemFacts:
    """The machine that measured, and the versions on it; None for what it has not."""

    kernel: str | None
    memory_gib: float
    os: str | None
    cpu: str
    cpu_cores: int
    gpu: str | None
    driver: str | None
    cuda: str | None
    tensorrt: str | None
    deepstream: str | None
    openvino: str | None
    gstreamer: str | None
    wkhtmltopdf: str | None
    compiler: str | None
    python: str
    snakemake: str


@dataclass(frozen=True)
class RuntimeFacts:
    """What measured; `trtexec_banner` is the bracketed part of trtexec's own banner."""

    kind: Literal["embedded", "nvidia"]
    name: str
    trtexec_banner: str | None
    deepstream_version: str | None


@dataclass(frozen=True)
class StepTime:
    """The wall time of a step and the most memory it had, None for what is not known."""

    step: str
    wall_s: float | None
    max_rss_mib: float | None


@dataclass(frozen=True)
class Timing:
    """The steps of a model in order, and the total of those times that are known."""

    steps: AtLeastOne[StepTime]
    total_s: float


def system_facts(facts: Mapping[str, Any]) -> SystemFacts:
    """Return the report's `system`: the facts recorded where the build measures."""
    gpus = facts.get("gpu")
    return SystemFacts(
        **facts["host"],
        cpu=facts["cpu"]["name"],
        cpu_cores=facts["cpu"]["cores"],
        gpu="; ".join(gpus) if gpus else None,
        driver=facts.get("driver"),
        cuda=facts.get("cuda"),
        tensorrt=facts["trtexec"].get("version"),
        deepstream=facts["deepstream"].get("version"),
        openvino=facts.get("openvino"),
        gstreamer=facts["encoder"]["gstreamer"],
        wkhtmltopdf=facts["wkhtmltopdf"],
        compiler=facts["compiler"],
        python=platform.python_version(),
        snakemake=metadata.version("snakemake"),
    )


def runtime_facts(kind: Literal["embedded", "nvidia"], banner: str, system: SystemFacts) -> RuntimeFacts:
    """Return the report's `runtime`."""
    if kind == "embedded":
        name = banner.split("] [", 1)[1].removesuffix("]") if "] [" in banner else banner
    else:
        name = f"TensorRT {system.tensorrt}, DeepStream {system.deepstream} on {system.gpu}"
    return RuntimeFacts(kind, name, banner, system.deepstream)


def timing(
    logs: Path,
    model: str,
    batches: list[int],
    runs: list[str],
    has_video: bool,
    has_half: bool = False,
    sweep: Sequence[str] = (),
) -> Timing:
    """Return the report's `timing`.

    `runs` are the names of the DeepStream logs without suffix, `has_half` says that engines are built from an ONNX
    in half precision, `sweep` are the steps of the batch sweep. A step whose file was deleted is None.
    """
    folder = logs / model / "wall_time"
    steps = [
        *BEFORE_ENGINE,
        *(sorted(file.stem for file in folder.glob("convert_to_half*.tsv")) if has_half else ()),
        *(f"{step}_b{batch}" for batch in batches for step in ("build_engine", "benchmark_engine")),
        "benchmark_engine_b1",
        *AFTER_ENGINE,
        *(VIDEO_STEPS if has_video else ()),
        *(run.replace("ds", "benchmark_streams", 1) for run in runs),
        "measure_latency",
        *sweep,
        "write_scripts",
    ]
    rows = [
        *(wall_time(logs / f"wall_time/{step}.tsv") for step in SHARED_STEPS),
        *(wall_time(folder / f"{step}.tsv") for step in steps),
    ]
    return Timing(rows, sum(row.wall_s or 0.0 for row in rows))


def wall_time(file: Path) -> StepTime:
    """Return what `file` tells of the step that wrote it."""
    # Snakemake writes it in place, so a kill or a full disk leaves it empty.
    lines = file.read_text().splitlines() if file.is_file() else []
    row = next(csv.DictReader(lines, delimiter="\t"), None)
    if row is None:
        return StepTime(file.stem, None, None)
    # A step shorter than Snakemake's first sample has no memory figure.
    rss = row["max_rss"]
    known = rss not in ("NA", "-")
    return StepTime(file.stem, float(row["s"]), float(rss) if known else None)
