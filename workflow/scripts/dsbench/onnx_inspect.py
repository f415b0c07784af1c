"""What an ONNX is, as inspect.json and as a table to read."""

from collections import Counter
from pathlib import Path

import onnx

from dsbench.graph_facts import tensor_facts
from dsbench.whole_file import write_whole


def inspect(model: onnx.ModelProto) -> dict:
    """Return opset, producer, node count, operators, weights in bytes, and the input and the outputs."""
    standard = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return {
        "opset": standard[0],
        "nodes": len(model.graph.node),
        "producer": model.producer_name,
        "input": _tensor(model.graph.input[0]),
        "outputs": [_tensor(value) for value in model.graph.output],
        "ops": dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        "weight_bytes": sum(_weight_bytes(weight) for weight in model.graph.initializer),
        "onnx_bytes": model.ByteSize(),
    }


def _tensor(value: onnx.ValueInfoProto) -> dict:
    dims, dtype = tensor_facts(value)
    return {"name": value.name, "shape": dims, "dtype": dtype}


def _weight_bytes(weight: onnx.TensorProto) -> int:
    count = 1
    for dim in weight.dims:
        count *= dim
    return count * onnx.helper.tensor_dtype_to_np_dtype(weight.data_type).itemsize


def inspection_table(name: str, facts: dict) -> str:
    """Return inspect.json's content as Markdown."""
    tensors = [("input", facts["input"]), *(("output", output) for output in facts["outputs"])]
    rows = [
        ("Family", f"{facts['family']} ({facts['why']})"),
        ("From", facts["origin"]),
        *((kind, f"`{t['name']}` {_shape(t['shape'])} {t['dtype']}") for kind, t in tensors),
        ("Batch", facts["batch"]),
        ("Opset", facts["opset"]),
        ("Nodes", facts["nodes"]),
        ("Operators", ", ".join(f"{op} {count}" for op, count in _by_count(facts["ops"]))),
        ("Weights", f"{facts['weight_bytes'] / 2**20:.1f} MiB"),
        ("File", f"{facts['onnx_bytes'] / 2**20:.1f} MiB"),
        *(
            (f"Largest difference, {batch.replace('_', ' ')}", f"{error:.3g} (allowed {facts['tolerance']})")
            for batch, error in facts["max_abs_error"].items()
        ),
        *(("Note", note) for note in facts["notes"]),
    ]
    lines = [f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in rows]
    return "\n".join([f"# {name}", "", "| | |", "|---|---|", *lines]) + "\n"


def _shape(dims: list) -> str:
    return " x ".join(str(dim) for dim in dims)


def _by_count(ops: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(ops.items(), key=lambda entry: (-entry[1], entry[0]))


def write_inspection(path: Path, name: str, facts: dict) -> None:
    """Write the table beside inspect.json."""
    write_whole(path, inspection_table(name, facts))
