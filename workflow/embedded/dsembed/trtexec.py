"""trtexec for the embedded runtime: builds an engine from ONNX, loads it, measures it."""

from __future__ import annotations

import openvino as ov

from dsembed import RUNTIME_VERSION
from dsembed.build_phase import build, load
from dsembed.cpu import this_cpu
from dsembed.failure import Failure
from dsembed.help_text import HELP
from dsembed.inference_phase import measure
from dsembed.log_writer import LogWriter
from dsembed.option_blocks import block_lines
from dsembed.options import OptionError, Options, parse_options

BUILD_OPTIONS = {
    "--minShapes": "min_shapes",
    "--optShapes": "opt_shapes",
    "--maxShapes": "max_shapes",
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
    log = LogWriter(identity, " ".join([program, *arguments]), "--verbose" in arguments)
    log.banner("RUNNING")
    if not arguments or "--help" in arguments or "-h" in arguments:
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
    engine = load(options, log) if options.load_engine else build(options, log)
    if options.skip_inference:
        log.info("Skipped inference phase since --skipInference is added.")
    else:
        measure(engine, options, this_cpu(), log)


def _log_head(options: Options, openvino_version: str, log: LogWriter) -> None:
    if options.strongly_typed and options.fp16:
        log.warning("--fp16 is dropped: a strongly typed network takes its types from the model.")
    elif options.fp16 and not options.load_engine:
        log.warning("Weakly-typed networks have been deprecated in TensorRT 10.14 and are removed in 11.0.")
    if options.load_engine:
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
