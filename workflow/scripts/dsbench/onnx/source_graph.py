"""An ONNX as exporters write them, read as every later step takes it: sorted, inlined, its weights no inputs."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import onnx.version_converter
from onnx import TensorProto, helper, numpy_helper

from dsbench.core.errors import without_controls
from dsbench.onnx.batch import standard_opset
from dsbench.onnx.compare import GraphError, runtime_words
from dsbench.onnx.graph import check
from dsbench.onnx.nms_plugins import name_plugin_domain

# From this one on, weights need not be listed among the inputs.
FIRST_IR_VERSION = 4
# TensorRT reads opsets from this one on.
OLDEST_OPSET = 9
UPGRADED_OPSET = 13
# trtexec separates shapes by commas, names from shapes by the last colon, and takes quotes off; logs separate by space.
UNSAYABLE = re.compile(r"[^A-Za-z0-9_./:-]+")
LONGEST_NAME, MOST_SHOWN = 60, 4


def load_checked(file: Path) -> tuple[onnx.ModelProto, list[str]]:
    """Return the ONNX at `file` with its external data, made sound, and a sentence for each change.

    Raises GraphError where onnx.checker finds a fault, for inputs and outputs that are no tensors, and for operators
    in training mode.
    """
    model = onnx.load(file)
    _refuse_no_tensors(model)
    notes = make_sound(model)
    _refuse_training(model)
    check(model)
    return model, notes


def upgraded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that is older than TensorRT reads in newer operators, another as it is.

    Only its answers can tell if that is right. Raises GraphError where onnx's converter cannot.
    """
    if standard_opset(model) >= OLDEST_OPSET:
        return model
    try:
        newer = onnx.version_converter.convert_version(model, UPGRADED_OPSET)
    except (RuntimeError, ValueError) as error:
        raise GraphError(
            f"its opset {standard_opset(model)} is older than TensorRT reads ({OLDEST_OPSET}) and cannot be converted"
            f" ({runtime_words(error)}); export it with opset {UPGRADED_OPSET} or above"
        ) from error
    del newer.metadata_props[:]
    newer.metadata_props.extend(model.metadata_props)
    return newer


def make_sound(model: onnx.ModelProto) -> list[str]:
    """Change what exporters leave unsound in `model`, none of which changes its answers; return the sentences."""
    steps = (
        inline_functions,
        _plain_names,
        name_plugin_domain,
        _weights_are_no_inputs,
        _free_dimensions,
        _repeated_outputs,
        _missing_shapes,
        _sort_nodes,
        _repeated_names,
        _dequantise_biases,
    )
    return [note for step in steps if (note := step(model))]


def inline_functions(model: onnx.ModelProto) -> str | None:
    """Put the model's own functions where they are called; return the sentence for it, None where there are none."""
    count = len(model.functions)
    if not count:
        return None
    try:
        inlined = onnx.inliner.inline_local_functions(model, convert_version=True)
    except (RuntimeError, ValueError) as error:
        raise GraphError(
            f"its model-local functions cannot be put into the graph ({runtime_words(error)}); export it without them"
        ) from error
    model.CopyFrom(inlined)
    used = {node.domain for graph in _graphs(model.graph) for node in graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx", *used)]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return f"{_counted(count, 'model-local function')} put into the graph (onnx.inliner)"


def _plain_names(model: onnx.ModelProto) -> str | None:
    """Rename inputs and outputs that trtexec's command line and the lines of its log cannot hold."""
    interface = [value.name for value in (*model.graph.input, *model.graph.output)]
    taken = {
        name for graph in _graphs(model.graph) for node in graph.node for name in (*node.input, *node.output)
    }
    taken |= {*interface, *(weight.name for weight in model.graph.initializer)}
    renamed: dict[str, str] = {}
    for name in dict.fromkeys(each for each in interface if UNSAYABLE.search(each)):
        plain = stem = UNSAYABLE.sub("_", name)
        number = 0
        while plain in taken:
            number += 1
            plain = f"{stem}_{number}"
        taken.add(plain)
        renamed[name] = plain
    if not renamed:
        return None
    for graph in _graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            value.name = renamed.get(value.name, value.name)
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]
    shown = ", ".join(
        f"{without_controls(name)[:LONGEST_NAME]!r} is {plain[:LONGEST_NAME]}"
        for name, plain in list(renamed.items())[:MOST_SHOWN]
    )
    more = f" and {len(renamed) - MOST_SHOWN} more" if len(renamed) > MOST_SHOWN else ""
    return f"tensors renamed, since trtexec's command line cannot name them: {shown}{more}"


def _weights_are_no_inputs(model: onnx.ModelProto) -> str | None:
    graph = model.graph
    weights = {weight.name for weight in graph.initializer}
    weights |= {weight.values.name for weight in graph.sparse_initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    listed = len(graph.input) - len(inputs)
    if model.ir_version < FIRST_IR_VERSION:
        model.ir_version = max(FIRST_IR_VERSION, helper.find_min_ir_version_for(model.opset_import, True))
    if not listed:
        return None
    del graph.input[:]
    graph.input.extend(inputs)
    return f"{_counted(listed, 'input')} with a value in the file: constants now"


def _counted(count: int, what: str, plural: str = "s") -> str:
    return f"{count} {what}{plural if count > 1 else ''}"


def _missing_shapes(model: onnx.ModelProto) -> str | None:
    """Give outputs without a shape the one that follows from the graph; onnx.checker wants one."""
    missing = [value for value in model.graph.output if not value.type.tensor_type.HasField("shape")]
    missing = [value for value in missing if value.type.WhichOneof("value") in ("tensor_type", None)]
    if not missing:
        return None
    inferred = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.output}
    for value in missing:
        value.CopyFrom(inferred[value.name])
    return f"{_counted(len(missing), 'output')} without a shape: it follows from the graph"


def _repeated_outputs(model: onnx.ModelProto) -> str | None:
    """Leave out an output that is listed again: the file that TensorRT gets has each once."""
    outputs = {value.name: value for value in reversed(model.graph.output)}
    again = len(model.graph.output) - len(outputs)
    if not again:
        return None
    kept = list(reversed(outputs.values()))
    del model.graph.output[:]
    model.graph.output.extend(kept)
    return f"{_counted(again, 'output')} listed twice: once now"


def _repeated_names(model: onnx.ModelProto) -> str | None:
    """Take the names off nodes that share theirs; ONNX Runtime refuses two of one name, and nothing reads them."""
    times = Counter(node.name for node in model.graph.node if node.name)
    repeated = [node for node in model.graph.node if times[node.name] > 1]
    for node in repeated:
        node.ClearField("name")
    return f"{len(repeated)} nodes with a name that another has: they have none now" if repeated else None


def _free_dimensions(model: onnx.ModelProto) -> str | None:
    """Clear dims of -1 and 0: ONNX has no word for a free one but a name or nothing, and no image is empty."""
    told = []
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        dims = value.type.tensor_type.shape.dim
        free = [dim for dim in dims if dim.HasField("dim_value") and dim.dim_value <= 0]
        if free and value.name not in told:
            told.append(value.name)
        for dim in free:
            dim.Clear()
    interface = {value.name for value in (*graph.input, *graph.output)}
    shown = [name for name in told if name in interface]
    return f"dimensions of -1 or 0 of {', '.join(shown)} are free ones" if shown else None


def _sort_nodes(model: onnx.ModelProto) -> str | None:
    unsorted = [graph for graph in _graphs(model.graph) if not _is_sorted(graph)]
    for graph in unsorted:
        nodes = _sorted(list(graph.node))
        del graph.node[:]
        graph.node.extend(nodes)
    return (
        "its nodes were not in the order in which they follow from each other and are now"
        if unsorted
        else None
    )


def _is_sorted(graph: onnx.GraphProto) -> bool:
    coming = {name for node in graph.node for name in node.output if name}
    for node in graph.node:
        if any(name in coming for name in _reads(node)):
            return False
        coming.difference_update(node.output)
    return True


def _sorted(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    maker = {name: place for place, node in enumerate(nodes) for name in node.output if name}
    needs = {place: {maker[n] for n in _reads(node) if n in maker} for place, node in enumerate(nodes)}
    try:
        return [nodes[place] for place in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        shown = " -> ".join(nodes[place].name or nodes[place].op_type for place in error.args[1][:6])
        raise GraphError(f"its nodes follow from each other in a circle ({shown}); export it again") from None


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those of its subgraphs too."""
    yield from node.input
    for graph in _subgraphs(node):
        for inner in graph.node:
            yield from _reads(inner)
        yield from (value.name for value in graph.output)


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yield the graph and every graph below its nodes."""
    yield graph
    for node in graph.node:
        for inner in _subgraphs(node):
            yield from _graphs(inner)


def _dequantise_biases(model: onnx.ModelProto) -> str | None:
    """Make numbers of biases that ONNX Runtime quantises to int32, which TensorRT does not dequantise."""
    weights = {weight.name: weight for weight in model.graph.initializer}
    kept: list[onnx.NodeProto] = []
    biases: list[onnx.NodeProto] = []
    for node in model.graph.node:
        (biases if _is_int32_bias(node, weights) else kept).append(node)
    if not biases:
        return None
    for node in biases:
        values, scale, *zero = (numpy_helper.to_array(weights[name]) for name in node.input if name)
        exact = (values - (zero[0] if zero else 0)) * scale
        model.graph.initializer.append(numpy_helper.from_array(exact.astype(scale.dtype), node.output[0]))
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return f"{_counted(len(biases), 'int32 bias', 'es')} made floating-point, since TensorRT dequantises no int32"


def _is_int32_bias(node: onnx.NodeProto, weights: Mapping[str, TensorProto]) -> bool:
    if node.op_type != "DequantizeLinear" or not all(name in weights for name in node.input if name):
        return False
    bias = weights[node.input[0]]
    return bias.data_type == TensorProto.INT32 and len(bias.dims) <= 1


def _refuse_no_tensors(model: onnx.ModelProto) -> None:
    for role, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            kind = value.type.WhichOneof("value") or "tensor_type"
            if kind != "tensor_type":
                raise GraphError(
                    f"its {role} {value.name} is a {kind.removesuffix('_type')}, and nvinfer knows tensors alone;"
                    " export it with tensors"
                )


def _refuse_training(model: onnx.ModelProto) -> None:
    """Refuse operators that compute with the batch's own statistics, or at random, as they do in training."""
    constants = dict(_constants(model.graph))
    for graph in _graphs(model.graph):
        for node in graph.node:
            if _trains(node, constants):
                raise GraphError(
                    f"its {node.op_type} {node.name!r} is in training mode, so an image's answer depends on the others"
                    " or on chance; export it after model.eval()"
                )


def _trains(node: onnx.NodeProto, constants: dict[str, np.ndarray]) -> bool:
    if node.op_type == "BatchNormalization":
        mode = next((attribute.i for attribute in node.attribute if attribute.name == "training_mode"), 0)
        return mode != 0
    if node.op_type == "Dropout" and len(node.input) > 2:
        return bool(np.any(constants.get(node.input[2], False)))
    return False


def _constants(graph: onnx.GraphProto) -> Iterator[tuple[str, np.ndarray]]:
    for weight in graph.initializer:
        if weight.data_type == TensorProto.BOOL:
            yield weight.name, numpy_helper.to_array(weight)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].type == onnx.AttributeProto.TENSOR:
            yield node.output[0], numpy_helper.to_array(node.attribute[0].t)
