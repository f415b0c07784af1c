"""trtexec's measurement: an engine's batch is run and reported, told in trtexec's log lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dsembed.engine.engine import Binding, Engine, EngineError, ExecutionContext
from dsembed.engine.shapes import ShapeError, check_dims, dims_text, shape_of
from dsembed.shared.cpu import Cpu, with_memory_growth
from dsembed.shared.log_writer import LogWriter, cpp_text
from dsembed.trtexec.failure import Failure
from dsembed.trtexec.inference import (
    IN_FLIGHT,
    RepeatedInference,
    RunLength,
    images_of_file,
    outputs_text,
    plan_for_streams,
    random_images,
    without_warm_up,
)
from dsembed.trtexec.option_blocks import MIB_BYTES
from dsembed.trtexec.options import Options
from dsembed.trtexec.performance import (
    Query,
    export_times,
    summary_lines,
    summary_warnings,
    trace_lines,
    walltime_s,
)

EXPLANATIONS = (
    "=== Explanations of the performance metrics ===",
    "Throughput: measured queries divided by the total host walltime; a query is one batch.",
    "Latency: H2D Latency + GPU Compute Time + D2H Latency of one query.",
    "Enqueue Time: time inside the call that submits a query.",
    "H2D Latency, D2H Latency: copying input and outputs; nothing is copied with --noDataTransfers.",
    "GPU Compute Time: from a query having the CPU (submitted, predecessor done) to its last output.",
    "Total Host Walltime: from the first measured query's H2D to the last one's D2H.",
    "Total GPU Compute Time: the sum of the measured queries' compute times.",
)


def measure(engine: Engine, options: Options, cpu: Cpu, log: LogWriter) -> None:
    """Run and report what the options ask for; raises Failure."""
    try:
        if options.inf_streams < 1:
            raise EngineError(
                f"--infStreams={options.inf_streams} leaves nothing to run on (NVIDIA's trtexec crashes here); "
                "give 1 or more."
            )
        batch = _batch(engine, options, log)
        plan = plan_for_streams(engine, batch, options.inf_streams, cpu.cores)
        context, growth_bytes = with_memory_growth(
            lambda: ExecutionContext(engine, batch, options.inf_streams * IN_FLIGHT, plan)
        )
    except (ShapeError, EngineError) as error:
        raise Failure(str(error), "Inference set up failed") from error
    if warning := engine.core_count_warning():
        log.warning(f"* {warning}")  # the asterisk marks a performance warning, for the reader of the log too
    log.info(f"Created execution context with device memory size: {cpp_text(growth_bytes / MIB_BYTES)} MiB")
    log.info(f"[TRT] embedded: plan {plan} for batch {batch}")
    images = _images(engine.input, batch, options.load_inputs, log)
    _log_bindings(engine, batch, log)
    measurement = RepeatedInference(context, images, options.inf_streams, not options.no_data_transfers)
    log.info("Starting inference")
    try:
        queries = measurement.run(RunLength(options.iterations, options.duration_s, options.warm_up_ms))
        kept = without_warm_up(queries, options.warm_up_ms)
    except (EngineError, RuntimeError) as error:  # OpenVINO raises RuntimeError
        raise Failure(str(error), "Error occurred during inference") from error
    _report(kept, len(queries) - len(kept), options, log)
    if options.export_output:
        context.submit(0, images)
        names = (output.name for output in engine.outputs)
        _export(Path(options.export_output), outputs_text(dict(zip(names, context.wait(0), strict=True))))


def _images(binding: Binding, batch: int, files: dict[str, str], log: LogWriter) -> np.ndarray:
    """Return the images to run: random ones, or those of the file named for the input."""
    try:
        file = shape_of(binding.name, files, "engine bindings")
    except ShapeError as error:
        raise Failure(str(error), "Invalid tensor names found in --loadInputs flag.") from error
    if file is None:
        log.info(f"Using random values for input {binding.name}")
        return random_images(binding, batch)
    log.info(f"Using values loaded from {file} for input {binding.name}")
    try:
        return images_of_file(binding, batch, Path(file))
    except EngineError as error:
        raise Failure(f"Uncaught exception detected: {error}") from error


def _batch(engine: Engine, options: Options, log: LogWriter) -> int:
    """Return the batch to run: that of --shapes, else of the optimum built for, else 1."""
    tensor, is_dynamic = engine.input, engine.min_batch < engine.max_batch
    dims = shape_of(tensor.name, options.shapes, "engine bindings")
    if dims is None and not is_dynamic:
        return engine.max_batch
    if dims is None and options.load_engine is not None:
        dims = (1, *tensor.dims)
        log.warning(
            f"Shape missing for input with dynamic shape: {tensor.name}"
            f"Automatically setting shape to: {dims_text(dims)}"
        )
    dims = dims or (engine.opt_batch, *tensor.dims)
    if not is_dynamic and dims != (engine.max_batch, *tensor.dims):
        raise ShapeError(
            f"The engine was built with static shapes for input tensor {tensor.name} but the provided shapes "
            "do not match the static shapes!"
        )
    check_dims(dims, tensor.name, (-1, *tensor.dims))
    if not engine.min_batch <= dims[0] <= engine.max_batch:
        raise ShapeError(
            f"Error[3]: [setInputShape] input {tensor.name} of {dims_text(dims)} is outside the engine's profile, "
            f"batch {engine.min_batch} to {engine.max_batch}; build an engine for this batch."
        )
    log.info(f"Set shape of input tensor {tensor.name} to: {dims_text(dims)}")
    return dims[0]


def _log_bindings(engine: Engine, batch: int, log: LogWriter) -> None:
    log.info(_binding_line("Input", engine.input, batch))
    log.infos(_binding_line("Output", output, batch) for output in engine.outputs)


def _binding_line(kind: str, binding: Binding, batch: int) -> str:
    dims = dims_text((batch, *binding.dims))
    return f"{kind} binding for {binding.name} with dimensions {dims} and type {binding.dtype} is created."


def _report(kept: list[Query], warm_up_queries: int, options: Options, log: LogWriter) -> None:
    log.info(f"Warmup completed {warm_up_queries} queries over {cpp_text(options.warm_up_ms)} ms")
    log.info(f"Timing trace has {len(kept)} queries over {cpp_text(walltime_s(kept))} s")
    log.infos(("", "=== Trace details ===", f"Trace averages of {options.avg_runs} runs:"))
    log.infos(trace_lines(kept, options.avg_runs))
    log.infos(("", "=== Performance summary ==="))
    log.infos(summary_lines(kept, options.percentiles))
    for warning in summary_warnings(kept, options.inf_streams):
        log.warning(warning)
    log.info("Explanations of the performance metrics are printed in the verbose logs.")
    for explanation in EXPLANATIONS:
        log.verbose(explanation)
    log.info()
    if options.export_times:
        _export(Path(options.export_times), export_times(kept))


def _export(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure(f"{path}: it cannot be written ({error.strerror}).") from error
