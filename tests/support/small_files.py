"""The smallest sound model files, and bytes of broken ones, made without the libraries they are meant for."""

import json


def safetensors(tensors=None, data=None, header=None):
    """Return a safetensors file; `tensors` maps a name to its entry, `header` replaces the JSON bytes."""
    entries = (
        {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}} if tensors is None else tensors
    )
    head = json.dumps(entries).encode() if header is None else header
    return len(head).to_bytes(8, "little") + head + (bytes(16) if data is None else data)


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def tensor(dims=(2, 2), data_type=1, raw=None, external=None, name="w", is_external=True):
    out = b"".join(number(1, dim) for dim in dims) + number(2, data_type) + message(8, name)
    if raw is not None:
        out += message(9, raw)
    for key, value in (external or {}).items() if isinstance(external, dict) else external or []:
        out += message(13, message(1, key) + message(2, value))
    return out + (number(14, 1) if external is not None and is_external else b"")


def value_info(name, dims):
    shape = b"".join(message(1, number(1, d) if isinstance(d, int) else message(2, d)) for d in dims)
    return message(1, name) + message(2, message(1, number(1, 1) + message(2, shape)))


def graph(*tensors, nodes=(), inputs=((1, 3, 8, 8),)):
    return (
        b"".join(message(1, node) for node in nodes)
        + message(2, "g")
        + b"".join(message(5, one) for one in tensors)
        + b"".join(message(11, value_info("pixel_values", dims)) for dims in inputs)
    )


def onnx(*tensors, **keywords):
    """Return an ONNX with these initialisers."""
    return number(1, 9) + message(7, graph(*tensors, **keywords)) + message(8, number(2, 17))


CONFIG = {
    "architectures": ["RTDetrForObjectDetection"],
    "model_type": "rt_detr",
    "id2label": {"0": "car", "1": "person"},
    "d_model": 32,
}
PREPROCESSOR = {"size": {"height": 320, "width": 320}, "do_normalize": False}


def layout(**changes):
    """Return the files of a sound Hugging Face layout by name; None leaves one out, a dict becomes JSON."""
    files = {
        "config.json": CONFIG,
        "preprocessor_config.json": PREPROCESSOR,
        "model.safetensors": safetensors(),
        "README.md": b"---\nlicense: mit\n---\n# model\n",
    } | {name.replace("__", "."): content for name, content in changes.items()}
    return {
        name: json.dumps(content).encode() if isinstance(content, dict | list) else content
        for name, content in files.items()
        if content is not None
    }


def write(folder, files):
    """Write `files` below `folder` and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder
