"""Run ONNX graphs in ONNX Runtime and say how far their answers are from what they must be."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.tools.bounded_job import MORE_MEMORY, BoundError, processor_time

# Largest difference that is rounding: seen up to 7e-5 on logits over ten families. Half precision has 11 bits.
TOLERANCE = 1e-3
HALF_TOLERANCE = 2e-2
LARGEST_PROTOBUF_BYTES = 2**31 - 1
LONGEST_WORDS = 300
# Processor time: RT-DETR takes 2 s for an image of 0.4 megapixels, the largest published detectors a hundred.
LOADING_S, LOADING_S_OF_A_MIB = 60.0, 1.0
RUN_S, RUN_S_OF_A_MEGAPIXEL = 30.0, 300.0
CHANNELS = 3
NO_MEMORY = re.compile("Failed to allocate memory|bad_alloc|exceeds the supported maximum")
NODE_OF_FAULT = re.compile(r"while running (?P<op>\w+) node\. Name:'(?P<name>[^']*)'")
# The kind of error by number and word; the C++ source with the condition that did not hold; the same without one.
NOISE = tuple(
    re.compile(pattern)
    for pattern in (
        r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Fatal error: )?",
        r"^\S+\.(?:h|cc|cpp):\d+ .*?\bwas false\. ",
        r"^\S+\.(?:h|cc|cpp):\d+ .*?\) ",
    )
)


class GraphError(BuildError):
    """An ONNX the build cannot serve, or that does not compute what its source computes."""


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Return the model ready to run on the CPU; raise GraphError with ONNX Runtime's words when it is not."""
    if model.ByteSize() > LARGEST_PROTOBUF_BYTES:
        raise GraphError(f"the ONNX has {model.ByteSize()} bytes, expected less than 2 GiB to prove it with")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin until the next operator take the cores of the jobs beside this one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    loading_s = LOADING_S + LOADING_S_OF_A_MIB * model.ByteSize() / MIB_BYTES
    try:
        with processor_time(loading_s, "ONNX Runtime's loading of the ONNX"):
            return onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
    except Exception as error:  # ONNX Runtime's exceptions share no class but Exception
        raise GraphError(
            f"ONNX Runtime does not load the ONNX: {runtime_words(error)}; export it with ONNX's own operators, of"
            " opset 13 or above"
        ) from error


def answers(runner: onnxruntime.InferenceSession, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Return each output by name for one batch of pixels; raise GraphError when the graph fails on it."""
    try:
        return run_graph(runner, {runner.get_inputs()[0].name: pixels})
    except GraphError as error:
        raise GraphError(f"the ONNX fails at batch {len(pixels)}: {error}") from error


def run_graph(
    runner: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray], outputs: list[str] | None = None
) -> dict[str, np.ndarray]:
    """Return each of the outputs by name, all where none are named; the processor time follows from the image's size.

    Raises GraphError with ONNX Runtime's words where the graph fails, BoundError where the memory is used up.
    """
    largest = max(feeds.values(), key=np.size)
    longest_s = RUN_S + RUN_S_OF_A_MEGAPIXEL * largest.size / CHANNELS / 1e6
    names = outputs or [output.name for output in runner.get_outputs()]
    try:
        with processor_time(longest_s, f"the ONNX's run on an input of {'x'.join(map(str, largest.shape))}"):
            return dict(zip(names, runner.run(names, dict(feeds)), strict=True))
    except Exception as error:  # as above
        words = runtime_words(error)
        if NO_MEMORY.search(words):
            raise BoundError(
                f"the ONNX needs more memory than its job may have ({words}); {MORE_MEMORY}"
            ) from error
        raise GraphError(words) from error


def runtime_words(error: Exception) -> str:
    """Return what ONNX Runtime says of a fault, without the places and types of its own C++, in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    node = NODE_OF_FAULT.search(text)
    text = text.rpartition("Status Message: ")[2]
    for noise in NOISE:
        text = noise.sub("", text, count=1)
    if node:
        text = f"node {node['op']} {node['name']!r} fails: {text}"
    return textwrap.shorten(text.rstrip(" ."), LONGEST_WORDS, placeholder=" …")


def largest_difference(got: Mapping[str, np.ndarray], want: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference over all outputs, of each number as a fraction of it where that is above 1.

    Infinity or a missing value on one side only, another shape or another output is infinitely far.
    """
    if set(got) != set(want):
        return float("inf")
    return max(_difference(got[name], want[name]) for name in want)


def _difference(got: np.ndarray, want: np.ndarray) -> float:
    if got.shape != want.shape:
        return float("inf")
    got, want = got.astype(np.float64), want.astype(np.float64)
    same = got == want
    if same.all():
        return 0.0
    got, want = got[~same], want[~same]
    if not (np.isfinite(got).all() and np.isfinite(want).all()):
        return float("inf")
    # Number by number: scores of 0..1 and boxes in pixels stand in one tensor.
    return float((np.abs(got - want) / np.maximum(1.0, np.abs(want))).max())


def tolerance_of(model: onnx.ModelProto) -> float:
    """Return the difference that is rounding for the model's weights."""
    halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    return HALF_TOLERANCE if any(w.data_type in halves for w in model.graph.initializer) else TOLERANCE


def compare_with_reference(model: onnx.ModelProto, reference: Path, factor: np.ndarray | None = None) -> dict:
    """Return the largest difference to the source's answers at the batches it has; refuse more than rounding.

    The three images of the batch differ, so a slot that leaks into another one shows. `factor` are the
    channels' multipliers of the pixels where the graph divides by them itself.
    """
    runner = session(model)
    limit = tolerance_of(model)
    errors = {}
    with np.load(reference) as arrays:
        pixels = arrays["pixels"] if factor is None else arrays["pixels"] * factor
        for batch in sorted({int(key[1:].split("/")[0]) for key in arrays.files if key.startswith("b")}):
            want = {key.split("/", 1)[1]: arrays[key] for key in arrays.files if key.startswith(f"b{batch}/")}
            error = largest_difference(answers(runner, pixels[:batch]), want)
            if not error <= limit:
                raise GraphError(
                    f"the ONNX differs from its source by {error:.3g} at batch {batch}, expected at most {limit}"
                )
            errors[f"batch_{batch}"] = error
    return errors
