"""Which of a source's ONNX files is taken: by the contract's order, the first that TensorRT can parse."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from msgspec import UNSET, UnsetType

from dsbench.intake.file_choice import different_models, is_part, which_model
from dsbench.onnx.compare import GraphError
from dsbench.onnx.source_graph import inline_functions

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
QUANTISERS = ("QuantizeLinear", "DequantizeLinear")
ZERO_POINT = 2
SIGNED_KINDS = tuple(
    getattr(onnx.TensorProto, name) for name in ("INT8", "INT4", "FLOAT8E4M3FN", "FLOAT4E2M1")
)
SYMMETRIC = (
    "TensorRT reads symmetric quantisation to signed numbers alone; quantise again with QInt8 and symmetric (in ONNX"
    " Runtime ActivationSymmetric and WeightSymmetric), or give the file as it was before"
)
# Domains TensorRT parses: the standard one, and names its plugins are found by.
PARSED_DOMAINS = ("", "ai.onnx", "TRT", "trt.plugins", "mmdeploy")
NO_IMAGE = "no 4-D image among its inputs"


class VariantError(GraphError):
    """A source whose ONNX files are all unusable, with the reason for each."""


@dataclass(frozen=True)
class Candidate:
    """One ONNX file of a source: its place in the order, and why it was not taken, empty for the chosen one."""

    file: str
    variant: str
    bytes: int
    refused: str


@dataclass(frozen=True, kw_only=True)
class Variants:
    """What variants.json says: the order of choice, the file taken, None with a `reason` where none is, and all."""

    order: list[str] | UnsetType = UNSET
    choice: str | None
    candidates: list[Candidate]
    reason: str | UnsetType = UNSET


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
    return sorted(
        found, key=lambda file: (is_part(file.name), ORDER.index(variant_of(file)), file.name, str(file))
    )


def choose_variant(folder: Path, names: tuple[str, ...] | None = None) -> tuple[Path, Variants]:
    """Return the ONNX file to import, and every candidate with its reason.

    Raises VariantError when TensorRT can parse none of them, or several that are no forms of one model.
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
    _refuse_several(folder, chosen, [candidate.file for candidate in candidates])
    choice = chosen.relative_to(folder).as_posix()
    return chosen, Variants(order=list(ORDER), choice=choice, candidates=candidates)


def _refuse_several(folder: Path, chosen: Path, names: list[str]) -> None:
    """Raise VariantError where another model than the chosen one takes an image too: nothing tells which is meant."""
    first = chosen.relative_to(folder).as_posix()
    others = different_models([first, *(name for name in names if not is_part(name))])[1:]
    rivals = [name for name in others if not is_part(first) and refusal(folder / name) != NO_IMAGE]
    if rivals:
        raise VariantError(which_model(str(folder), [first, *rivals], str(chosen)))


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
        return NO_IMAGE
    try:
        inline_functions(model)
    except GraphError as error:
        return str(error)
    return unsupported_ops(model.graph.node) or unsupported_quantisation(model, file.parent)


def unsupported_ops(nodes: Iterable[onnx.NodeProto]) -> str:
    """Return a sentence part naming the operators that TensorRT has no counterpart for, empty without any."""
    nodes = list(nodes)
    named = {node.op_type for node in nodes if node.op_type in UNSUPPORTED_OPS}
    foreign = {f"{n.domain}.{n.op_type}" for n in nodes if n.domain not in PARSED_DOMAINS}
    found = sorted(named | foreign)
    return f"TensorRT has no {', '.join(found[:4])}" if found else ""


def unsupported_quantisation(model: onnx.ModelProto, folder: Path) -> str:
    """Return what TensorRT cannot read of the model's QuantizeLinear and DequantizeLinear; empty where it can read all.

    It is for signed numbers around zero. `folder` has the model's external data.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    weights |= {
        node.output[0]: attribute.t
        for node in model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    for node in model.graph.node:
        if node.op_type in QUANTISERS and (fault := _quantiser_fault(node, weights, folder)):
            return f"its {node.op_type} {node.name!r} {fault}, and {SYMMETRIC}"
    return ""


def _quantiser_fault(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto], folder: Path) -> str:
    zero = weights.get(node.input[ZERO_POINT]) if len(node.input) > ZERO_POINT else None
    kind = zero.data_type if zero is not None else _kind_without_zero_point(node, weights)
    # Biases are made floating-point numbers as they are imported.
    if kind == onnx.TensorProto.INT32:
        return ""
    if kind is not None and kind not in SIGNED_KINDS:
        return f"is of {onnx.TensorProto.DataType.Name(kind).lower()}"
    if zero is not None and np.any(onnx.numpy_helper.to_array(zero, str(folder)).astype(np.float32)):
        return "has a zero point other than 0"
    return ""


def _kind_without_zero_point(node: onnx.NodeProto, weights: Mapping[str, onnx.TensorProto]) -> int | None:
    """Return the type that a quantiser without a constant zero point is of, None where its input tells at run time."""
    if len(node.input) > ZERO_POINT and node.input[ZERO_POINT]:
        return None
    if node.op_type == "QuantizeLinear":
        stated = next((attribute.i for attribute in node.attribute if attribute.name == "output_dtype"), 0)
        return stated or onnx.TensorProto.UINT8
    return weights[node.input[0]].data_type if node.input[0] in weights else None
