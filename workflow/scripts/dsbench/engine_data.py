"""The engines of benchmark_data.json: what build logs, passports and the conversion to half precision state."""

import json
from collections import Counter
from pathlib import Path

from dsbench.benchmark_data import Measured
from dsbench.build_attempts import attempt_of
from dsbench.engine_passport import passport_of
from dsbench.trtexec_build_log import MIB_BYTES, read_build


def engines(measured: Measured, model: str) -> list[dict]:
    """Return the report's `engines`, the last that of MAX_BS."""
    return [_engine(measured, model, batch) for batch in measured.batches]


def _engine(measured: Measured, model: str, batch: int) -> dict:
    file = measured.tree / f"benchmarks/engines/{model}_dynamic_b{batch}.engine"
    log = measured.tree / f"benchmarks/engines/build_b{batch}.log"
    build, passport = read_build(log), json.loads(passport_of(file).read_text())
    return {
        "batch": batch,
        "file": measured.relative(file),
        # TensorRT 8 does not print it.
        "size_mib": passport["engine"]["bytes"] / MIB_BYTES,
        "build_s": build.build_s,
        "precision": build.precision,
        "layers": _layers_by_precision(passport["layers"]),
        "half_precision": _conversion(Path(passport["onnx"]["file"])),
        "compute": build.plan,
        "workspace_mib": build.workspace_mib,
        "profile": dict(zip(("min", "opt", "max"), build.profile, strict=True)),
        "attempt": attempt_of(log),
        "log": measured.relative(log),
    }


def _layers_by_precision(layers: dict[str, str] | None) -> dict[str, int] | None:
    """Return how many layers have each precision, most first."""
    return None if layers is None else dict(Counter(layers.values()).most_common())


def _conversion(onnx: Path) -> dict | None:
    """Return what was measured of an ONNX that was converted to half precision, None for another one."""
    accuracy = onnx.with_suffix(".json")
    if not onnx.stem.endswith("_fp16") or not accuracy.is_file():
        return None
    return {"onnx": onnx.name} | json.loads(accuracy.read_text())
