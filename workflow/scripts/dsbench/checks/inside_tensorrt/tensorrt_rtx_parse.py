"""TensorRT's own parser on one ONNX, then its builder on what it accepts; runs inside build/.venv_tensorrt_parse.

    python -m dsbench.checks.inside_tensorrt.tensorrt_rtx_parse JOB.json

The job names the ONNX, the input, its shapes, the GPU's compute capability and the file for the result (see
tensorrt_parse.py). No GPU is needed.
"""

import json
import re
import sys
from pathlib import Path

import tensorrt_rtx as trt


class Messages(trt.ILogger):
    """Keeps TensorRT's errors and warnings, and prints them for the log."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def log(self, severity, message):
        """Take one message."""
        kept = {trt.ILogger.INTERNAL_ERROR: self.errors, trt.ILogger.ERROR: self.errors}
        kept |= {trt.ILogger.WARNING: self.warnings}
        if severity in kept:
            print(f"[TRT] {message}", flush=True)
            kept[severity].append(message)


def parse_and_build(onnx: str, name: str, shapes: list[list[int]] | None, capability: str) -> dict:
    """Return whether the parser accepts `onnx` and the builder builds it with the profile min, opt, max `shapes`.

    `refused` are the nodes the parser has no layer for, `failed` the layers that the builder's errors name.
    `builds` and `engine_bytes` are None without an engine of this graph; `obstacle` says why even a graph of one
    layer cannot be built for `capability` here, None where it can.
    """
    messages = Messages()
    builder = trt.Builder(messages)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, messages)
    accepted = parser.parse_from_file(onnx)
    faults = [parser.get_error(index) for index in range(parser.num_errors)]
    result = {
        "parser": f"tensorrt-rtx {trt.__version__}",
        "accepted": accepted,
        "refused": [
            {"node": fault.node_name(), "operator": fault.node_operator(), "reason": fault.desc()}
            for fault in faults
        ],
        "builds": None,
        "engine_bytes": None,
        "failed": [],
        "obstacle": None,
    }
    if accepted:
        messages.errors.clear()
        result |= _built(builder, network, (name, shapes), capability, messages)
    return result | {"errors": messages.errors, "warnings": messages.warnings}


def _built(builder, network, profile: tuple, capability: str, messages: Messages) -> dict:
    """Return what parse_and_build's result says of the builder."""
    chosen = trt.ComputeCapability.__members__.get(f"SM{capability.replace('.', '')}")
    if chosen is None:
        known = [
            f"{each[2:-1]}.{each[-1]}" for each in trt.ComputeCapability.__members__ if each.startswith("SM")
        ]
        return {"obstacle": f"it builds for {', '.join(known)}, not for {capability}"}
    engine = builder.build_serialized_network(network, _config(builder, chosen, *profile))
    if engine is not None:
        return {"builds": True, "engine_bytes": engine.nbytes}
    if obstacle := _obstacle(builder, chosen, messages):
        return {"obstacle": obstacle}
    names = [network.get_layer(index).name for index in range(network.num_layers)]
    return {"builds": False, "failed": layers_named(names, messages.errors)}


def layers_named(names: list[str], errors: list[str]) -> list[str]:
    """Return those of the layers' `names` that `errors` name, in the order of the network."""
    text = "\n".join(errors)
    return [name for name in names if name and re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w/.]\w*)", text)]


def _config(builder: trt.Builder, capability, name: str, shapes: list[list[int]] | None):
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(capability, 0)
    if shapes is not None:
        profile = builder.create_optimization_profile()
        profile.set_shape(name, *shapes)
        config.add_optimization_profile(profile)
    return config


def _obstacle(builder: trt.Builder, capability, messages: Messages) -> str | None:
    """Return why a graph of one layer cannot be built here, None where it can: then a failure is the graph's own."""
    known = len(messages.errors)
    network = builder.create_network(0)
    images = network.add_input("images", trt.float32, (1, 3, 8, 8))
    network.mark_output(network.add_activation(images, trt.ActivationType.RELU).get_output(0))
    engine = builder.build_serialized_network(network, _config(builder, capability, "images", None))
    said = messages.errors[known:]
    del messages.errors[known:]
    return None if engine is not None else " ".join(said) or "it does not say why"


def main() -> int:
    """Run the job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    found = parse_and_build(job["onnx"], job["input"], job["shapes"], job["compute_capability"])
    Path(job["result"]).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
