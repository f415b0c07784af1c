"""trtexec's layer information: what precision each layer of an engine has."""

import json
import re
from pathlib import Path

from dsbench.trtexec_command import Precision
from dsbench.trtexec_log import TrtexecLogError

# TensorRT 8 writes "Channel major FP16 format where ...", 10 writes "Half".
DATATYPES = {
    "fp16": r"\b(FP16|Half)\b",
    "bf16": r"\b(BF16|BFloat16)\b",
    "fp32": r"\b(FP32|Float)\b",
    "fp8": r"\bFP8\b",
    "int8": r"\bInt8\b",
    "int32": r"\bInt32\b",
    "int64": r"\bInt64\b",
    "bool": r"\bBool\b",
}


def read_layers(file: Path) -> dict[str, str] | None:
    """Return layer -> precision of its outputs, several joined by "+"; None where the file does not tell."""
    if not file.is_file():
        return None
    try:
        rows = json.loads(file.read_text(errors="replace")).get("Layers", [])
    except ValueError:
        # The engine inspector's text is closed and its numbers are printed raw.
        return None
    return {
        row["Name"]: _precision(row.get("Outputs", []))
        for row in rows
        if isinstance(row, dict) and "Name" in row
    } or None


def _precision(outputs: list[dict]) -> str:
    texts = [str(output.get("Format/Datatype", "")) for output in outputs]
    found = {name for text in texts for name, word in DATATYPES.items() if re.search(word, text, re.I)}
    return "+".join(sorted(found)) or "unsaid"


def check_layers(layers: dict[str, str] | None, precision: Precision, log: Path | str) -> None:
    """Refuse an engine asked for in half precision of which no layer is, and one in float32 of which some are."""
    halves = [kind for kind in (layers or {}).values() if {"fp16", "bf16"} & set(kind.split("+"))]
    if precision.name == "fp32" and halves:
        raise TrtexecLogError(
            f"{log}: the engine was asked for in fp32, but {len(halves)} of its {len(layers)} layers are in half"
            " precision, as the ONNX has them; set precision: fp16, or start from an ONNX in float32"
        )
    if layers and precision.name == "fp16" and not any("fp16" in kind for kind in halves):
        raise TrtexecLogError(
            f"{log}: the engine was asked for in fp16, but none of its {len(layers)} layers is; set precision: fp32,"
            " or look in the log for why TensorRT kept to float32"
        )
