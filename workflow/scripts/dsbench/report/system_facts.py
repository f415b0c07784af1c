"""The machine and the versions a report's numbers are from, and the wall time of every step."""

import csv
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

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


def system_facts(facts: Mapping[str, Any]) -> dict:
    """Return the report's `system`: the facts recorded where the build measures; absent tools are None."""
    gpus = facts.get("gpu")
    return facts["host"] | {
        "cpu": facts["cpu"]["name"],
        "cpu_cores": facts["cpu"]["cores"],
        "gpu": "; ".join(gpus) if gpus else None,
        "driver": facts.get("driver"),
        "cuda": facts.get("cuda"),
        "tensorrt": facts["trtexec"].get("version"),
        "deepstream": facts["deepstream"].get("version"),
        "openvino": facts.get("openvino"),
        "gstreamer": facts["encoder"]["gstreamer"],
        "wkhtmltopdf": facts["wkhtmltopdf"],
        "compiler": facts["compiler"],
        "python": platform.python_version(),
        "snakemake": metadata.version("snakemake"),
    }


def runtime_facts(kind: str, banner: str, system: dict) -> dict:
    """Return the report's `runtime`; `banner` is the bracketed part of trtexec's own banner."""
    if kind == "embedded":
        name = banner.split("] [", 1)[1].removesuffix("]") if "] [" in banner else banner
    else:
        name = f"TensorRT {system['tensorrt']}, DeepStream {system['deepstream']} on {system['gpu']}"
    return {
        "kind": kind,
        "name": name,
        "trtexec_banner": banner,
        "deepstream_version": system["deepstream"],
    }


def timing(
    logs: Path,
    model: str,
    batches: list[int],
    runs: list[str],
    has_video: bool,
    has_half: bool = False,
    sweep: Sequence[str] = (),
) -> dict:
    """Return the report's `timing`: each step in order, in s and MiB, and the total of those that are known.

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
    return {"steps": rows, "total_s": sum(row["wall_s"] or 0.0 for row in rows)}


def wall_time(file: Path) -> dict:
    """Return `wall_s` and `max_rss_mib` of the step that wrote `file`, None for what is not known."""
    # Snakemake writes it in place, so a kill or a full disk leaves it empty.
    lines = file.read_text().splitlines() if file.is_file() else []
    row = next(csv.DictReader(lines, delimiter="\t"), None)
    if row is None:
        return {"step": file.stem, "wall_s": None, "max_rss_mib": None}
    # A step shorter than Snakemake's first sample has no memory figure.
    rss = row["max_rss"]
    known = rss not in ("NA", "-")
    return {"step": file.stem, "wall_s": float(row["s"]), "max_rss_mib": float(rss) if known else None}
