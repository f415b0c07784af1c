"""Starts the primary inference: engine, execution context, custom parser, with nvinfer's log lines."""

import sys
from ctypes import CDLL
from dataclasses import dataclass

from dsembed import native
from dsembed.app_settings import MuxSettings
from dsembed.declared_keys import RefusedError
from dsembed.engine import Binding, Engine, EngineError, ExecutionContext
from dsembed.nvinfer_log import NvinferLog
from dsembed.nvinfer_settings import NvinferSettings
from dsembed.postprocess import Detector, mux_struct, network_struct

TYPE_NAMES = {"fp32": "kFLOAT", "fp16": "kHALF", "int32": "kINT32", "int64": "kINT64", "uint8": "kUINT8"}


class GieError(Exception):
    """An engine or parser that cannot be used; nvinfer's lines about it have been written."""


@dataclass(frozen=True)
class PrimaryGie:
    """What the pipeline runs; `input_dims` is (3, height, width)."""

    settings: NvinferSettings
    input_dims: tuple[int, ...]
    context: ExecutionContext
    detector: Detector
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
        detector = Detector(host, settings, mux_surface, network, engine.outputs)
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
