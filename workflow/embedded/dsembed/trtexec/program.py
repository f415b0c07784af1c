"""trtexec for the embedded runtime: builds an engine from ONNX, loads it, measures it."""

from __future__ import annotations

from dataclasses import replace

import openvino as ov

from dsembed import RUNTIME_VERSION
from dsembed.shared.cpu import this_cpu
from dsembed.shared.log_writer import LogWriter
from dsembed.trtexec.build_phase import build, load
from dsembed.trtexec.failure import Failure
from dsembed.trtexec.inference_phase import measure
from dsembed.trtexec.option_blocks import block_lines
from dsembed.trtexec.options import OptionError, Options, asks_for_help, parse_options

HELP = """\
=== Model and build ===
  --onnx=<file>               ONNX model to build an engine from; a leading ~ is the home folder
  --saveEngine=<file>         write the engine, whole or not at all
  --loadEngine=<file>         use an engine instead of building one
  --minShapes=<name>:<dims>   smallest input shape of the engine, as in images:1x3x320x320
  --optShapes=<name>:<dims>   shape that plans are timed for
  --maxShapes=<name>:<dims>   largest shape; only the batch may vary
  --fp16                      let layers compute in f16 or bf16 where that is faster and exact enough
  --stronglyTyped             take the types from the model
  --memPoolSize=workspace:<n>[B|K|M|G]  memory that one plan may take, judged approximately, by what the
                              process grows by while it runs once; no unit is MiB, only the last
                              character is the unit (default: no limit)
  --timingCacheFile=<file>    keep timings here, and use those kept
  --skipInference             build or load, do not measure

=== Inference ===
  --shapes=<name>:<dims>      input shape to run (default: --optShapes, else batch 1)
  --iterations=<n>            run at least n queries per stream (default: 10)
  --duration=<s>              run at least this many seconds after the warm-up (default: 3)
  --warmUp=<ms>               run this long before measuring (default: 200)
  --loadInputs=<name>:<file>  take the input's float32 values from a file, not random ones
  --infStreams=<n>            keep n batches in flight, on n CPU streams but no more than there are cores;
                              beyond that batches wait for each other (default: 1)
  --noDataTransfers           leave out copying inputs and outputs

=== Reporting ===
  --percentile=<p>[,<p>...]   percentiles to report (default: 90,95,99)
  --avgRuns=<n>               queries per line of the trace (default: 10)
  --exportTimes=<file>        write the times of all measured queries as JSON
  --exportOutput=<file>       write what the last query answered as JSON
  --verbose                   say more

=== System ===
  --device=0                  the CPU is the only device
  --help, -h                  print this
"""


BUILD_OPTIONS = {
    "--fp16": "fp16",
    "--stronglyTyped": "strongly_typed",
    "--memPoolSize": "workspace_bytes",
    "--timingCacheFile": "timing_cache_file",
}


def main(arguments: list[str], program: str) -> int:
    """Run trtexec with `arguments` as `program`; return its exit status."""
    cpu = this_cpu()
    openvino_version = ov.get_version().partition("-")[0]
    identity = (
        f"TensorRT.trtexec [TensorRT v101600] [embedded runtime: OpenVINO {openvino_version}, CPU {cpu.name}]"
    )
    log = LogWriter(identity, " ".join([program, *arguments]))
    log.banner("RUNNING")
    if not arguments or asks_for_help(arguments):
        print(HELP, end="", flush=True)
        if not arguments:
            log.banner("PASSED")
        return 0
    try:
        options = parse_options(arguments)
    except OptionError as error:
        if error.shows_help:
            print(HELP, end="", flush=True)
        return _fail(log, error.lines)
    if options.device != 0:
        log.error(f"Cannot find device ID {options.device}!")
        return 1
    log = replace(log, is_verbose=options.verbose)
    try:
        _log_head(options, openvino_version, log)
        _run(options, log)
    except Failure as failure:
        return _fail(log, failure.lines)
    except Exception as error:
        return _fail(log, (f"Uncaught exception detected: {error or type(error).__name__}",))
    log.banner("PASSED")
    return 0


def _run(options: Options, log: LogWriter) -> None:
    engine = load(options, log) if options.load_engine is not None else build(options, log)
    if options.skip_inference:
        log.info("Skipped inference phase since --skipInference is added.")
    else:
        measure(engine, options, this_cpu(), log)


def _log_head(options: Options, openvino_version: str, log: LogWriter) -> None:
    for warning in options.broadcasts:
        log.warning(warning)
    if options.strongly_typed and options.fp16:
        log.warning("--fp16 is dropped: a strongly typed network takes its types from the model.")
    elif options.fp16 and options.load_engine is None:
        log.warning("Weakly-typed networks have been deprecated in TensorRT 10.14 and are removed in 11.0.")
    if options.load_engine is not None:
        for name, field in BUILD_OPTIONS.items():
            if getattr(options, field):
                log.warning(f"{name} has no effect with --loadEngine, the engine is built already.")
    log.infos(block_lines(options, this_cpu()))
    log.info(
        f"TensorRT version: 10.16.0 dialect, embedded runtime {RUNTIME_VERSION} on OpenVINO {ov.get_version()}"
    )


def _fail(log: LogWriter, lines: tuple[str, ...]) -> int:
    for line in lines:
        log.error(line)
    log.banner("FAILED")
    return 1
