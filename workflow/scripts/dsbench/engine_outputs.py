"""An embedded engine and a compiled parser, each run by itself on the reference run's tensors."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsbench.errors import BuildError
from dsbench.nvinfer_pixels import NetworkInput  # puts dsembed on the path
from dsbench.reference_run import Detector
from dsembed.engine import Binding, Engine, EngineError, ExecutionContext
from dsembed.native import HostError
from dsembed.nvinfer_settings import ClassAttributes
from dsembed.postprocess import Detector as HostDetector

HOST_OBJECT_BYTES = 28
TYPE_NAMES = {"float32": "fp32", "float16": "fp16", "int64": "int64", "int32": "int32", "uint8": "uint8"}


class ParserFaultError(BuildError):
    """A parser that cannot be loaded, that throws, or whose objects are not the host's."""


class EngineRun:
    """An engine of the embedded runtime; `compute` is the type it computes in."""

    def __init__(self, path: Path):
        try:
            engine = Engine.load(path)
            self._context = ExecutionContext(engine, max(1, engine.min_batch))
        except EngineError as error:
            raise BuildError(str(error)) from error
        self._names = [output.name for output in engine.outputs]
        self.compute = engine.precision

    def outputs(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Return the raw outputs [1, ...] by name for one image."""
        self._context.submit(0, pixels)
        return dict(zip(self._names, self._context.wait(0), strict=True))


def can_run_parser(library: Path) -> bool:
    """Return whether the host reads the objects of `library`: those of DeepStream 9 and later."""
    try:
        stated = ctypes.c_uint.in_dll(ctypes.CDLL(str(library.resolve())), "NvDsInferParseObjectBytes")
    except (OSError, ValueError):
        return True  # the run itself says what is wrong with it
    return stated.value == HOST_OBJECT_BYTES


@dataclass(frozen=True)
class ParserRules:
    """What the host's detector reads of an nvinfer configuration, with no clustering after the parser."""

    parser_library: Path
    parser_symbol: str
    classes: tuple[ClassAttributes, ...]
    filtered_out: frozenset[int] = frozenset()
    nms: bool = False


class ParserRun:
    """A parser's library behind nvinfer's interface, for tensors like `outputs` [1, ...]."""

    def __init__(
        self,
        library: Path,
        symbol: str,
        detector: Detector,
        size: tuple[int, int],
        outputs: Mapping[str, np.ndarray],
    ):
        network = NetworkInput(detector.preprocessing, *size)
        keep_all = ClassAttributes(detector.threshold, 0.0, 1.0, -1, *[0] * 6)
        rules = ParserRules(library.resolve(), symbol, (keep_all,) * len(detector.labels))
        bindings = [
            Binding(name, value.shape[1:], TYPE_NAMES.get(value.dtype.name, value.dtype.name))
            for name, value in outputs.items()
        ]
        try:
            self._host = HostDetector(network.host, rules, network.mux, network.network, bindings)
        except HostError as error:
            raise ParserFaultError(f"{symbol} cannot be used: {error}") from error

    def boxes(self, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return rows of class, left, top, width, height, score in frame pixels."""
        try:
            (found,) = self._host.run(list(outputs.values()))
        except HostError as error:
            raise ParserFaultError(f"it fails on the model's tensors: {error}") from error
        if found is None:
            raise ParserFaultError("it refuses the model's tensors")
        fields = ("class_id", "left", "top", "width", "height", "confidence")
        return np.column_stack([found[field].astype(np.float64) for field in fields])
