"""TensorRT's own parser on one ONNX, then its builder on what it accepts; runs inside build/.venv_tensorrt_parse.

    python -m dsbench.checks.inside_tensorrt.tensorrt_rtx_parse JOB.json

The job names the ONNX, the input, its shapes and the file for the result (see tensorrt_parse.py). No GPU is needed.
"""

import json
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


def parse_and_build(onnx: str, name: str, shapes: list[list[int]] | None) -> dict:
    """Return whether the parser accepts `onnx` and the builder builds it with the profile min, opt, max `shapes`.

    `refused` are the nodes the parser has no layer for; `builds` is None where the parser refuses already.
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
    }
    if accepted:
        messages.errors.clear()
        result["builds"] = _builds(builder, network, name, shapes)
    return result | {"errors": messages.errors, "warnings": messages.warnings}


def _builds(builder: trt.Builder, network, name: str, shapes: list[list[int]] | None) -> bool:
    config = builder.create_builder_config()
    # Without a GPU the builder has to be told one; which it is matters to none of its checks of the graph.
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    if shapes is not None:
        profile = builder.create_optimization_profile()
        profile.set_shape(name, *shapes)
        config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config) is not None


def main() -> int:
    """Run the job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    Path(job["result"]).write_text(json.dumps(parse_and_build(job["onnx"], job["input"], job["shapes"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
