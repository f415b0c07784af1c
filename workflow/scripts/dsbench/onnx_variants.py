"""Which of a source's ONNX files is taken: by the contract's order, the first that TensorRT can parse."""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from dsbench.onnx_compare import GraphError

ORDER = ("fp16", "fp32", "int8", "int4", "quantized", "other")
# By the names transformers.js and optimum give; model.onnx is theirs for full precision.
NAMES = (
    ("quantized", re.compile(r"quantized")),
    ("int4", re.compile(r"int4|q4|bnb4|4bit")),
    ("int8", re.compile(r"int8|q8|8bit")),
    ("fp16", re.compile(r"fp16|float16|half")),
    ("fp32", re.compile(r"fp32|float32|^model$")),
)
UNSUPPORTED_OPS = (
    "DynamicQuantizeLinear",
    "DynamicQuantizeLSTM",
    "MatMulInteger",
    "ConvInteger",
    "QLinearConv",
    "QLinearMatMul",
)
# Domains TensorRT parses: the standard one, and names its plugins are found by.
PARSED_DOMAINS = ("", "ai.onnx", "TRT", "trt.plugins", "mmdeploy")


class VariantError(GraphError):
    """A source whose ONNX files are all unusable, with the reason for each."""


@dataclass(frozen=True)
class Candidate:
    """One ONNX file of a source: its place in the order, and why it was not taken, empty for the chosen one."""

    file: str
    variant: str
    bytes: int
    refused: str


def variant_of(file: Path) -> str:
    """Return which of ORDER the file's name says it is."""
    stem = file.stem.lower()
    return next((variant for variant, pattern in NAMES if pattern.search(stem)), "other")


def onnx_files(folder: Path, names: tuple[str, ...] | None = None) -> list[Path]:
    """Return the ONNX files of a source and of its folder `onnx`, in the order of choice.

    `names` are the files taken from the folder, None takes all.
    """
    found = [*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")]
    if names is not None:
        found = [folder / name for name in names if name.lower().endswith(".onnx")]
    return sorted(found, key=lambda file: (ORDER.index(variant_of(file)), file.name, str(file)))


def choose_variant(folder: Path, names: tuple[str, ...] | None = None) -> tuple[Path, dict]:
    """Return the ONNX file to import, and every candidate with its reason, for variants.json.

    Raises VariantError when TensorRT can parse none of them.
    """
    candidates: list[Candidate] = []
    chosen = None
    for file in onnx_files(folder, names):
        reason = f"comes after {chosen.name}" if chosen else refusal(file)
        if not reason:
            chosen = file
        name = file.relative_to(folder).as_posix()
        candidates.append(Candidate(name, variant_of(file), file.stat().st_size, reason))
    if chosen is None:
        reasons = "; ".join(f"{candidate.file}: {candidate.refused}" for candidate in candidates)
        raise VariantError(
            f"{folder}: no ONNX that TensorRT can parse ({reasons or 'there is none'}); give a file of full or half"
            " precision, or a folder with safetensors and no ONNX"
        )
    return chosen, {
        "order": list(ORDER),
        "choice": chosen.relative_to(folder).as_posix(),
        "candidates": [asdict(candidate) for candidate in candidates],
    }


def refusal(file: Path) -> str:
    """Return why TensorRT cannot parse the file, empty when nothing is known against it; weights stay unread."""
    try:
        model = onnx.load(file, load_external_data=False)
    except (OSError, DecodeError) as error:
        return f"not a readable ONNX ({error})"
    if not model.graph.output:
        return "not a readable ONNX (it has no output)"
    initializers = {weight.name for weight in model.graph.initializer}
    dims = [
        len(value.type.tensor_type.shape.dim) for value in model.graph.input if value.name not in initializers
    ]
    if 4 not in dims:
        return "no 4-D image among its inputs"
    return unsupported_ops(model.graph.node)


def unsupported_ops(nodes: Iterable[onnx.NodeProto]) -> str:
    """Return a sentence part naming the operators that TensorRT has no counterpart for, empty without any."""
    nodes = list(nodes)
    named = {node.op_type for node in nodes if node.op_type in UNSUPPORTED_OPS}
    foreign = {f"{n.domain}.{n.op_type}" for n in nodes if n.domain not in PARSED_DOMAINS}
    found = sorted(named | foreign)
    return f"TensorRT has no {', '.join(found[:4])}" if found else ""
