"""The machine and the versions a report's numbers are from."""

import json
import platform
from importlib import metadata
from pathlib import Path


def system_facts(fact_files: list[str]) -> dict:
    """Return the report's `system`: what was recorded where the build measures; absent tools are None."""
    facts = {Path(file).stem: json.loads(Path(file).read_text()) for file in fact_files}
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
