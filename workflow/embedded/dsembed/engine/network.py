"""An ONNX model as the builder sees it: one image input, outputs that carry the batch first."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx
import openvino as ov
from google.protobuf.message import DecodeError

from dsembed.engine.engine_file import EngineError

DTYPES = {"f32": "fp32", "f16": "fp16", "i64": "int64", "i32": "int32", "u8": "uint8"}


@dataclass(frozen=True)
class Tensor:
    """A network input or output: `dims` with the batch first, -1 where dynamic; `dtype` as trtexec names it."""

    name: str
    dims: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ParsedNetwork:
    """A parsed ONNX model: `facts` from its file, `has_half_weights` if it holds float16 constants."""

    model: ov.Model
    input: Tensor
    outputs: tuple[Tensor, ...]
    facts: dict
    has_half_weights: bool

    @property
    def is_dynamic(self) -> bool:
        """Return whether any input dimension is left open."""
        return -1 in self.input.dims


def parse_network(path: Path) -> ParsedNetwork:
    """Return the network in the ONNX file `path`; raises EngineError if it cannot be read or run here."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise EngineError(f"{path}: the ONNX file is missing, name an existing one by --onnx.") from error
    except OSError as error:
        raise EngineError(f"{path}: {error.strerror}, a readable ONNX file is needed.") from error
    try:
        proto = onnx.load_model_from_string(content)
        model = ov.Core().read_model(path)
    except (DecodeError, RuntimeError) as error:  # OpenVINO raises RuntimeError
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise EngineError(f"{path}: not a readable ONNX model ({reason[-1]}); export it again.") from error
    inputs = [_tensor(port, path) for port in model.inputs]
    if len(inputs) != 1 or inputs[0].dtype != "fp32":
        found = ", ".join(f"{tensor.name} {tensor.dtype}" for tensor in inputs)
        raise EngineError(
            f"{path}: inputs {found}; the embedded runtime takes one fp32 image input, export the model without others."
        )
    return ParsedNetwork(
        model=model,
        input=inputs[0],
        outputs=_outputs(model, proto, path),
        facts={
            "file": path.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "ir_version": proto.ir_version,
            "opset": next((opset.version for opset in proto.opset_import if not opset.domain), None),
            "producer": f"{proto.producer_name} {proto.producer_version}".strip(),
        },
        has_half_weights=any(
            weight.data_type == onnx.TensorProto.FLOAT16 for weight in proto.graph.initializer
        ),
    )


def serialize(model: ov.Model) -> tuple[bytes, bytes]:
    """Return `model` in OpenVINO's format: its graph as XML and its weights.

    Raises EngineError where the folder of temporary files has no room for them.
    """
    with tempfile.TemporaryDirectory() as folder:
        xml, weights = Path(folder, "model.xml"), Path(folder, "model.bin")
        try:
            ov.serialize(model, xml, weights)
        except RuntimeError as error:
            # All that OpenVINO says of a write that failed.
            if "basic_ios" not in str(error):
                raise
            raise EngineError(
                f"{folder}: the engine's parts cannot be written ({os.strerror(errno.ENOSPC)})."
            ) from error
        return xml.read_bytes(), weights.read_bytes()


def output_dims(network: ParsedNetwork, input_dims: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return each output's dims, -1 where still open, for an input of `input_dims`."""
    model = network.model.clone()
    if network.is_dynamic:
        try:
            model.reshape(list(input_dims))
        except RuntimeError as error:
            raise EngineError(
                f"{network.facts['file']}: the model does not run with an input of {list(input_dims)} "
                f"({str(error).strip().splitlines()[-1]}); export it with a dynamic batch throughout."
            ) from error
    return [_dims(port.get_partial_shape()) for port in model.outputs]


def _outputs(model: ov.Model, proto: onnx.ModelProto, path: Path) -> tuple[Tensor, ...]:
    names = [output.name for output in proto.graph.output]
    if any(name not in port.get_names() for name, port in zip(names, model.outputs, strict=True)):
        raise EngineError(f"{path}: outputs {', '.join(names)} lost their order; give each its own node.")
    return tuple(_tensor(port, path, name) for name, port in zip(names, model.outputs, strict=True))


def _tensor(port: ov.Output, path: Path, name: str | None = None) -> Tensor:
    shape, element = port.get_partial_shape(), port.get_element_type().get_type_name()
    name = name or port.get_any_name()
    if shape.rank.is_dynamic or len(shape) == 0 or element not in DTYPES:
        raise EngineError(
            f"{path}: tensor {name} is {element} {shape}; the embedded runtime takes tensors of known rank "
            f"with the batch first, of type {', '.join(DTYPES.values())}."
        )
    return Tensor(name, _dims(shape), DTYPES[element])


def _dims(shape: ov.PartialShape) -> tuple[int, ...]:
    return tuple(dim.get_length() if dim.is_static else -1 for dim in shape)
