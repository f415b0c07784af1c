"""trtexec's command line: which options there are and which are refused, and how their values are read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from dsembed.engine.shapes import Dims, parse_shapes
from dsembed.shared.cpp_numbers import stod, stof, stoi

NAMES = """
    adjustForDLA allocationStrategy allowGPUFallback allowWeightStreaming asyncFileReader avgTiming best bf16
    builderOptimizationLevel buildDLAStandalone calib calibProfile consistency cpuOnly decomposableAttentions
    directIO distributiveIndependence dumpLayerInfo dumpOptimizationProfile dumpOutput dumpProfile
    dumpRawBindingsToFile dumpRefit dynamicPlugins enablePluginOverride errorOnTimingCacheMiss
    excludeLeanRuntime exportLayerInfo exportOutput exportProfile exposeDMA fp8 getPlanVersionOnly
    hardwareCompatibilityLevel idleTime ignoreParsedPluginLibs inputIOFormats int4 int8 l2LimitForTiling
    layerDeviceTypes layerOutputTypes layerPrecisions leanDLLPath loadInputs markDebug
    markUnfusedTensorsAsDebugTensors maxAuxStreams maxShapesCalib maxTactics minShapesCalib monitorMemory
    noBuilderCache noCompilationCache noTF32 optShapesCalib outputIOFormats persistentCacheRatio
    pluginInstanceNorm plugins precisionConstraints preview profile profilingVerbosity refit refitFromOnnx
    remoteAutoTuningConfig reportCapabilityDLA restricted runtimePlatform safe saveAllDebugTensors
    saveDebugTensors separateProfileRun setPluginsToSerialize sleepTime sparsity staticPlugins streams
    stripAllWeights stripWeights tacticSources tempdir tempfileControls threads tilingOptimizationLevel
    timeDeserialize timeRefit uint8AsymmetricQuantizationDLA useCudaGraph useDLACore useManagedMemory
    useProfile useRuntime useSpinWait vc versionCompatible weightStreamingBudget weightless
"""

REFUSED_OPTIONS = frozenset(f"--{name}" for name in NAMES.split())


UNIT_BYTES = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30}
OTHER_POOLS = ("dlaSRAM", "dlaLocalDRAM", "dlaGlobalDRAM", "tacticSharedMem")


class OptionError(Exception):
    """A command line that trtexec would refuse; `lines` are its error texts, `shows_help` if help comes first."""

    def __init__(self, *lines: str, shows_help: bool = True):
        super().__init__("; ".join(lines))
        self.lines, self.shows_help = lines, shows_help


@dataclass
class Options:
    """What the command line asks for, defaults as of TensorRT 10.16; times carry their unit."""

    onnx: str = ""
    save_engine: str = ""
    load_engine: str = ""
    min_shapes: dict[str, Dims] = field(default_factory=dict)
    opt_shapes: dict[str, Dims] = field(default_factory=dict)
    max_shapes: dict[str, Dims] = field(default_factory=dict)
    shapes: dict[str, Dims] = field(default_factory=dict)
    fp16: bool = False
    strongly_typed: bool = False
    workspace_bytes: float | None = None
    timing_cache_file: str = ""
    skip_inference: bool = False
    duration_s: float = 3
    warm_up_ms: float = 200
    iterations: int = 10
    avg_runs: int = 10
    percentiles: tuple[float, ...] = (90, 95, 99)
    no_data_transfers: bool = False
    inf_streams: int = 1
    device: int = 0
    export_times: str = ""
    verbose: bool = False


def parse_options(arguments: list[str]) -> Options:
    """Return the options in `arguments` (argv without the program); raises OptionError in trtexec's words."""
    options, leftover, refused, seen = Options(), [], [], set()
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key in REFUSED_OPTIONS:
            refused.append(key)
        elif key not in READERS or key in seen:
            leftover.append(f"Unknown option: {key} {value}")
        else:
            seen.add(key)
            name, read = READERS[key]
            try:
                setattr(options, name, read(value))
            except ValueError as error:
                raise OptionError(str(error)) from error
    if leftover:
        raise OptionError(*leftover)
    if refused:
        texts = [f"{key} is not supported by the embedded runtime; leave it out." for key in refused]
        raise OptionError(*texts, shows_help=False)
    _check_together(options)
    return options


def _check_together(options: Options) -> None:
    if options.load_engine and options.save_engine:
        raise OptionError("Incompatible load and save engine options selected")
    if not options.onnx and not options.load_engine:
        raise OptionError("Model missing or format not recognized")
    if options.onnx and options.load_engine:
        raise OptionError(
            "--onnx and --loadEngine name two models, the embedded runtime takes one; leave one out."
        )


def _flag(_value: str) -> bool:
    return True  # as in trtexec, --flag=0 still sets the flag


def _onnx_path(value: str) -> str:
    return os.environ.get("HOME", "~") + value[1:] if value.startswith("~") else value


def _workspace_bytes(value: str) -> float:
    """Return the bytes of `workspace:<size>`: only the last character is a unit, none is MiB."""
    size_bytes = 0.0
    for item in value.split(","):
        pool, _, size = item.partition(":")
        if pool in OTHER_POOLS:
            raise ValueError(f"--memPoolSize={pool} is not supported by the embedded runtime; leave it out.")
        if pool != "workspace":
            raise ValueError(f"Unknown memory pool: {pool}")
        size_bytes = _size_bytes(size)
    return size_bytes


def _size_bytes(size: str) -> float:
    number = stod(size)
    if number < 0:
        raise ValueError(f"Negative memory pool size: {size}")
    unit = size[-1].upper()
    if not re.match(r"[0-9.]", unit) and unit not in UNIT_BYTES:
        raise ValueError("invalid unit specifier")
    return number * UNIT_BYTES.get(unit, 2**20)


def _percentiles(value: str) -> tuple[float, ...]:
    percentiles = tuple(stof(item) for item in value.split(","))
    for percentile in percentiles:
        if not 0 <= percentile <= 100:
            raise ValueError(f"Percentile {percentile:g} is not in range [0,100]")
    return percentiles


def _duration_s(value: str) -> float:
    seconds = stof(value)
    if seconds < 0:
        raise ValueError(
            "--duration below 0 (endless) is not supported by the embedded runtime; give seconds."
        )
    return seconds


def _at_least(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = stoi(value)
        if number < least:
            raise ValueError(f"{number} is too small, at least {least} is needed")
        return number

    return read


READERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "--onnx": ("onnx", _onnx_path),
    "--saveEngine": ("save_engine", str),
    "--loadEngine": ("load_engine", str),
    "--minShapes": ("min_shapes", parse_shapes),
    "--optShapes": ("opt_shapes", parse_shapes),
    "--maxShapes": ("max_shapes", parse_shapes),
    "--shapes": ("shapes", parse_shapes),
    "--fp16": ("fp16", _flag),
    "--stronglyTyped": ("strongly_typed", _flag),
    "--memPoolSize": ("workspace_bytes", _workspace_bytes),
    "--timingCacheFile": ("timing_cache_file", str),
    "--skipInference": ("skip_inference", _flag),
    "--duration": ("duration_s", _duration_s),
    "--warmUp": ("warm_up_ms", stof),
    "--iterations": ("iterations", _at_least(0)),
    "--avgRuns": ("avg_runs", _at_least(1)),
    "--percentile": ("percentiles", _percentiles),
    "--noDataTransfers": ("no_data_transfers", _flag),
    "--infStreams": ("inf_streams", _at_least(1)),
    "--device": ("device", stoi),
    "--exportTimes": ("export_times", str),
    "--verbose": ("verbose", _flag),
}
