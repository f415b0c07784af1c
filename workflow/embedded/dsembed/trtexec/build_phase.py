"""trtexec's build: an ONNX file becomes an engine, told in trtexec's log lines."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from dsembed.engine.builder import BuildConfig, build_engine_file
from dsembed.engine.engine import Engine
from dsembed.engine.engine_file import EngineError, EngineFile, write_engine_file
from dsembed.engine.network import ParsedNetwork, parse_network
from dsembed.engine.shapes import ShapeError, ShapeRange, check_profile, dims_text, shape_of
from dsembed.shared.log_writer import LogWriter, cpp_text
from dsembed.trtexec.failure import Failure
from dsembed.trtexec.option_blocks import MIB_BYTES, precision_of
from dsembed.trtexec.options import Options

SET_UP_FAILED = ("Failed to create engine from model or file.", "Engine set up failed")


def build(options: Options, log: LogWriter) -> Engine:
    """Return the engine that the options ask for, saved if they ask for that; raises Failure."""
    network = _parse(Path(options.onnx or ""), log)
    try:
        profile = _profile(options, network, log)
    except ShapeError as error:
        raise Failure(
            str(error), "Network And Config setup failed", "Building engine failed", *SET_UP_FAILED
        ) from error
    start_s = time.perf_counter()
    try:
        file = build_engine_file(network, _config(options, profile), log)
    except EngineError as error:
        raise Failure(f"[TRT] {error}", "Building engine failed", *SET_UP_FAILED) from error
    _log_build(file, time.perf_counter() - start_s, log)
    return _save(file, options, log, start_s)


def load(options: Options, log: LogWriter) -> Engine:
    """Return the engine that the options name; raises Failure."""
    path = Path(options.load_engine or "")
    if not path.is_file():
        raise Failure(f"Error opening engine file: {options.load_engine}", *SET_UP_FAILED)
    return _deserialize(path, log)


def _parse(path: Path, log: LogWriter) -> ParsedNetwork:
    log.info("Start parsing network model.")
    start_s = time.perf_counter()
    try:
        network = parse_network(path)
    except EngineError as error:
        log.error(f"[TRT] {error}")
        log.error("Failed to parse onnx file")
        log.info(f"Finished parsing network model. Parse time: {cpp_text(time.perf_counter() - start_s)}")
        raise Failure("Parsing model failed", *SET_UP_FAILED) from error
    log.infos(
        (
            f"[TRT] Input filename:   {path}",
            f"[TRT] ONNX IR version:  {network.facts['ir_version']}",
            f"[TRT] Opset version:    {network.facts['opset']}",
            f"[TRT] Producer name:    {network.facts['producer']}",
        )
    )
    log.info(f"Finished parsing network model. Parse time: {cpp_text(time.perf_counter() - start_s)}")
    return network


def _profile(options: Options, network: ParsedNetwork, log: LogWriter) -> ShapeRange:
    """Return the profile given, or the model's own dimensions where it is static or nothing is given."""
    name, dims = network.input.name, network.input.dims
    profile = shape_of(name, options.profiles, "network inputs")
    if not network.is_dynamic:
        if profile is not None:
            raise ShapeError(
                "Static model does not take explicit shapes since the shape of inference tensors will be "
                "determined by the model itself"
            )
        return ShapeRange(dims, dims, dims)
    if profile is None:
        fixed = tuple(1 if dim == -1 else dim for dim in dims)
        log.warning(
            f"Dynamic dimensions required for input: {name}, but no shapes were provided. "
            f"Automatically overriding shape to: {dims_text(fixed)}"
        )
        profile = ShapeRange(fixed, fixed, fixed)
    check_profile(profile, name, dims)
    log.info(
        f"Set shape of input tensor {name} for optimization profile 0 to: MIN={dims_text(profile.min)} "
        f"OPT={dims_text(profile.opt)} MAX={dims_text(profile.max)}"
    )
    return profile


def _config(options: Options, profile: ShapeRange) -> BuildConfig:
    cache = Path(options.timing_cache_file) if options.timing_cache_file else None
    return BuildConfig(profile, precision_of(options), options.workspace_bytes, cache)


def _log_build(file: EngineFile, build_s: float, log: LogWriter) -> None:
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    log.infos(
        (
            f"[TRT] Detected 1 inputs and {len(file.header['outputs'])} output network tensors.",
            f"[TRT] Total Weights Memory: {len(file.weights)} bytes",
            f"[TRT] Engine generation completed in {cpp_text(build_s)} seconds.",
            f"[TRT] [MemUsageStats] Peak memory usage during Engine building and serialization: CPU: {peak_mib} MiB",
        )
    )


def _save(file: EngineFile, options: Options, log: LogWriter, start_s: float) -> Engine:
    """Write the engine if asked to and return it as its file says; without a file, as built."""
    if options.save_engine == "":
        raise Failure("Saving engine to file failed.", *SET_UP_FAILED)
    if options.save_engine is not None:
        try:
            write_engine_file(Path(options.save_engine), file)
        except OSError as error:
            raise Failure(
                f"{options.save_engine}: the engine cannot be written ({error.strerror}).",
                "Saving engine to file failed.",
                *SET_UP_FAILED,
            ) from error
    log.info(f"Created engine with size: {cpp_text(file.size_bytes / MIB_BYTES)} MiB")
    log.info(f"Engine built in {cpp_text(time.perf_counter() - start_s)} sec.")
    if options.save_engine is not None:
        return _deserialize(Path(options.save_engine), log)
    return Engine.from_file(Path(options.onnx or ""), file)


def _deserialize(path: Path, log: LogWriter) -> Engine:
    start_s = time.perf_counter()
    try:
        engine = Engine.load(path)
    except EngineError as error:
        raise Failure(f"[TRT] {error}", "Engine deserialization failed", "Inference set up failed") from error
    log.info(f"[TRT] Loaded engine size: {path.stat().st_size // MIB_BYTES} MiB")
    log.info(f"Engine deserialized in {cpp_text(time.perf_counter() - start_s)} sec.")
    return engine
