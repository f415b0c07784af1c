"""The blocks at the head of trtexec's log: the options as understood, and the device."""

from __future__ import annotations

import os

from dsembed.engine.builder import FP16, FP32, STRONGLY_TYPED
from dsembed.engine.shapes import Dims, dims_text
from dsembed.shared.cpu import Cpu
from dsembed.shared.log_writer import cpp_text
from dsembed.trtexec.options import Options

MIB_BYTES = 2**20


def precision_of(options: Options) -> str:
    """Return the precision asked for, as trtexec's Precision line prints it; --stronglyTyped beats --fp16."""
    if options.strongly_typed:
        return STRONGLY_TYPED
    return FP16 if options.fp16 else FP32


def block_lines(options: Options, cpu: Cpu) -> list[str]:
    """Return the texts of all blocks; with an engine to load, an empty line stands for the build options."""
    return [
        "=== Model Options ===",
        f"Format: {'*' if options.onnx is None else 'ONNX'}",
        f"Model: {options.onnx or ''}",
        "Output:",
        *([""] if options.load_engine is not None else _build_lines(options)),
        "=== System Options ===",
        f"Device: {options.device}",
        "",
        *_inference_lines(options),
        *_reporting_lines(options),
        "",
        *_device_lines(cpu),
        "",
    ]


def _build_lines(options: Options) -> list[str]:
    workspace = "default"
    if options.workspace_bytes is not None:
        workspace = f"{cpp_text(options.workspace_bytes / MIB_BYTES)} MiB"
    return [
        "=== Build Options ===",
        f"Memory Pools: workspace: {workspace}, dlaSRAM: default, dlaLocalDRAM: default, "
        "dlaGlobalDRAM: default, tacticSharedMem: default",
        f"Precision: {precision_of(options)}",
        f"Skip inference: {_enabled(options.skip_inference)}",
        f"Save engine: {options.save_engine or ''}",
        "Load engine:",
        f"timingCacheMode: {'global' if options.timing_cache_file else 'local'}",
        f"timingCacheFile: {options.timing_cache_file}",
        *_build_shape_lines(options),
    ]


def _build_shape_lines(options: Options) -> list[str]:
    lines = [f"Input build shape (profile 0): {name}={profile}" for name, profile in options.profiles.items()]
    return lines or ["Input build shapes: model"]


def _inference_lines(options: Options) -> list[str]:
    return [
        "=== Inference Options ===",
        "Batch: Explicit",
        *_inference_shape_lines(options.shapes),
        f"Iterations: {options.iterations}",
        f"Duration: {cpp_text(options.duration_s)}s (+ {cpp_text(options.warm_up_ms)}ms warm up)",
        f"Inference Streams: {options.inf_streams}",
        f"Data transfers: {_enabled(not options.no_data_transfers)}",
        "Spin-wait: Disabled",
        "CUDA Graph: Disabled",
        "Inputs:",
        *(f"{name}<-{file}" for name, file in options.load_inputs.items()),
    ]


def _inference_shape_lines(shapes: dict[str, Dims]) -> list[str]:
    lines = [f"Input inference shape : {name}={dims_text(dims)}" for name, dims in shapes.items()]
    return lines or ["Input inference shapes: model"]


def _reporting_lines(options: Options) -> list[str]:
    return [
        "=== Reporting Options ===",
        f"Verbose: {_enabled(options.verbose)}",
        f"Averages: {options.avg_runs} inferences",
        f"Percentiles: {','.join(map(cpp_text, options.percentiles))}",
        f"Export timing to JSON file: {options.export_times}",
        f"Export output to JSON file: {options.export_output}",
    ]


def _device_lines(cpu: Cpu) -> list[str]:
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return [
        "=== Device Information ===",
        "Available Devices:",
        f'  Device 0: "{cpu.name}" (CPU, embedded runtime)',
        f"Selected Device: {cpu.name}",
        "Selected Device ID: 0",
        f"CPU family: {cpu.vendor} family {cpu.family} model {cpu.model}",
        f"CPU cores: {cpu.cores}",
        f"CPU instruction sets: {' '.join(cpu.isa)}",
        f"Device Global Memory: {memory_bytes // MIB_BYTES} MiB",
    ]


def _enabled(is_enabled: bool) -> str:
    return "Enabled" if is_enabled else "Disabled"
