"""Starts the primary inference: engine, execution context, custom parser, with nvinfer's log lines."""

import os
import sys
import time
from ctypes import CDLL
from dataclasses import dataclass

from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.nvinfer_settings import NvinferSettings
from dsembed.deepstream_app.postprocess import Postprocessor, mux_struct, network_struct
from dsembed.engine.engine import Binding, Engine, EngineError, ExecutionContext
from dsembed.shared import native
from dsembed.shared.declared_keys import RefusedError

LEVELS = {
    "INFO": ("gstnvinfer.cpp:731", "Info from"),
    "WARN": ("gstnvinfer.cpp:728", "Warning from"),
    "ERROR": ("gstnvinfer.cpp:725", "Error in"),
}


class NvinferLog:
    """The lines of one nvinfer element."""

    def __init__(self, unique_id: int):
        self._unique_id = unique_id
        self._start_ns = time.monotonic_ns()

    def context(self, level: str, function: str, line: int, text: str) -> None:
        """Write what NvDsInferContextImpl's `function` says."""
        place, origin = LEVELS[level]
        self._element(
            level,
            f"{place}:gst_nvinfer_logger",
            f"NvDsInferContext[UID {self._unique_id}]: {origin} NvDsInferContextImpl::{function}() "
            f"<nvdsinfer_context_impl.cpp:{line}> [UID = {self._unique_id}]: {text}",
        )

    def loaded(self, config_file: object) -> None:
        """Write that the model of `config_file` runs, in nvinfer's spelling."""
        text = f"[UID {self._unique_id}]: Load new model:{config_file} sucessfully"
        self._element("INFO", "gstnvinfer_impl.cpp:348:notifyLoadModelStatus", text)

    def _element(self, level: str, place: str, text: str) -> None:
        seconds, nanoseconds = divmod(time.monotonic_ns() - self._start_ns, 10**9)
        minutes, second = divmod(seconds, 60)
        clock = f"{minutes // 60}:{minutes % 60:02d}:{second:02d}.{nanoseconds:09d}"
        category = f"{'nvinfer':>20}"
        origin = f"{os.getpid():>6} 0x{id(self):x} {level:<7}"
        print(f"{clock} {origin} {category} {place}:<primary_gie> {text}", file=sys.stderr, flush=True)


def element_error(element: str, message: str, debug: str) -> None:
    """Write a GStreamer bus error of `element`, `debug` saying where and why."""
    print(f"ERROR from {element}: {message}\nDebug info: {debug}", file=sys.stderr, flush=True)


TYPE_NAMES = {"fp32": "kFLOAT", "fp16": "kHALF", "int32": "kINT32", "int64": "kINT64", "uint8": "kUINT8"}


class GieError(Exception):
    """An engine or parser that cannot be used; nvinfer's lines about it have been written."""


@dataclass(frozen=True)
class PrimaryGie:
    """What the pipeline runs; `input_dims` is (3, height, width)."""

    settings: NvinferSettings
    input_dims: tuple[int, ...]
    context: ExecutionContext
    detector: Postprocessor
    host: CDLL
    mux: native.Mux
    network: native.Network
    log: NvinferLog


def start_primary_gie(settings: NvinferSettings, mux: MuxSettings, streams: int, slots: int) -> PrimaryGie:
    """Return the inference for batches of `streams` frames; raises GieError or HostError."""
    log = NvinferLog(settings.unique_id)
    engine = _load_engine(settings, log)
    log.context(
        "INFO", "deserializeEngineAndBackend", 2188, f"deserialized trt engine from :{settings.engine_file}"
    )
    print(_engine_table(engine), file=sys.stderr, flush=True)
    _check_engine(settings, engine, log)
    if warning := engine.core_count_warning():
        log.context("WARN", "deserializeEngineAndBackend", 0, warning)
    host = native.load_host()
    mux_surface = mux_struct(mux)
    try:
        network = network_struct(settings, mux, engine.input.dims)
    except RefusedError as error:
        log.context("ERROR", "initialize", 0, str(error))
        raise GieError(str(error)) from error
    try:
        detector = Postprocessor(host, settings, mux_surface, network, engine.outputs)
    except native.HostError as error:
        log.context("ERROR", "initialize", 0, f"custom parser cannot be used: {error}")
        raise GieError(str(error)) from error
    context = ExecutionContext(engine, max(streams, engine.min_batch), slots)
    log.context(
        "INFO", "generateBackendContext", 2291, f"Use deserialized engine model: {settings.engine_file}"
    )
    log.loaded(settings.path)
    return PrimaryGie(settings, engine.input.dims, context, detector, host, mux_surface, network, log)


def _load_engine(settings: NvinferSettings, log: NvinferLog) -> Engine:
    path = settings.engine_file
    try:
        if not path.is_file():
            raise EngineError(f"{path}: no such file, build the engine first")
        return Engine.load(path)
    except (EngineError, OSError) as error:
        log.context(
            "WARN", "deserializeEngineAndBackend", 2176, f"deserialize engine from file :{path} failed"
        )
        text = f"deserialize backend context from engine from file :{path} failed, try rebuild"
        log.context("WARN", "generateBackendContext", 2281, text)
        raise _cannot_rebuild(log, str(error)) from error


def _check_engine(settings: NvinferSettings, engine: Engine, log: NvinferLog) -> None:
    dims = engine.input.dims
    problem = None
    if engine.max_batch < settings.batch_size:
        problem = (
            f"Backend has maxBatchSize {engine.max_batch} whereas {settings.batch_size} has been requested"
        )
    elif settings.infer_dims and settings.infer_dims != dims:
        problem = f"backend can not support dims:{_times(settings.infer_dims)}"
    elif settings.infer_dims and settings.batch_size < engine.min_batch:
        problem = (
            f"backend can not support dims:{_times(settings.infer_dims)} with batch-size {settings.batch_size}, "
            f"the engine takes {engine.min_batch} to {engine.max_batch}"
        )
    elif len(dims) != 3 or dims[0] != 3 or engine.input.dtype != "fp32":
        problem = f"input is {engine.input.dtype} {_times(dims)}, nvinfer writes fp32 3xHxW"
    if problem:
        log.context("WARN", "checkBackendParams", 2122, problem)
        path = settings.engine_file
        text = f"deserialized backend context :{path} failed to match config params, trying rebuild"
        log.context("WARN", "generateBackendContext", 2297, text)
        raise _cannot_rebuild(log, f"{settings.engine_file}: {problem}")
    for name in set(settings.output_names) - {output.name for output in engine.outputs}:
        log.context("WARN", "checkBackendParams", 0, f"Could not find output layer '{name}' in engine")


def _cannot_rebuild(log: NvinferLog, reason: str) -> GieError:
    """Log how nvinfer ends without an engine; the embedded runtime leaves building to trtexec."""
    log.context(
        "ERROR", "buildModel", 0, f"build engine file failed: no rebuild here, use trtexec ({reason})"
    )
    log.context("ERROR", "generateBackendContext", 2308, "build backend context failed")
    log.context("ERROR", "initialize", 1373, "generate backend failed, check config file settings")
    return GieError(reason)


def _engine_table(engine: Engine) -> str:
    batches = (("min", engine.min_batch), ("opt", engine.opt_batch), ("Max", engine.max_batch))
    profile = " ".join(f"{name}: {_times((batch, *engine.input.dims)):<15}" for name, batch in batches)
    rows = [_table_row(0, "INPUT", engine.input, profile)]
    none = " ".join(f"{name}: {0:<15}" for name, _ in batches)
    rows += [_table_row(i, "OUTPUT", output, none) for i, output in enumerate(engine.outputs, start=1)]
    return "\n".join([f"INFO: [FullDims Engine Info]: layers num: {len(rows)}", *rows, ""])


def _table_row(index: int, kind: str, binding: Binding, profile: str) -> str:
    type_name = TYPE_NAMES.get(binding.dtype, binding.dtype)
    return f"{index:<3} {kind:<6} {type_name} {binding.name:<15} {_times(binding.dims):<15} {profile} "


def _times(dims: tuple[int, ...]) -> str:
    return "x".join(map(str, dims))
