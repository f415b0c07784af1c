"""trtexec's command line: which options there are, in which order they are read, and which are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dsembed.engine.shapes import Dims, ShapeRange, fill_profiles
from dsembed.shared.cpp_numbers import OutOfRangeError, stof, stoi
from dsembed.trtexec import option_values
from dsembed.trtexec.option_values import DEFAULT_PERCENTILES, switched_on

NAMES = """
    adjustForDLA allocationStrategy allowGPUFallback allowWeightStreaming asyncFileReader avgTiming best bf16
    builderOptimizationLevel buildDLAStandalone calib calibProfile consistency cpuOnly decomposableAttentions
    directIO distributiveIndependence dumpLayerInfo dumpOptimizationProfile dumpOutput dumpProfile
    dumpRawBindingsToFile dumpRefit dynamicPlugins enablePluginOverride errorOnTimingCacheMiss
    excludeLeanRuntime exportLayerInfo exportProfile exposeDMA fp8 getPlanVersionOnly
    hardwareCompatibilityLevel idleTime ignoreParsedPluginLibs inputIOFormats int4 int8 l2LimitForTiling
    layerDeviceTypes layerOutputTypes layerPrecisions leanDLLPath markDebug
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


class OptionError(Exception):
    """A command line that trtexec would refuse; `lines` are its error texts, `shows_help` if help comes first."""

    def __init__(self, *lines: str, shows_help: bool = True):
        super().__init__("; ".join(lines))
        self.lines, self.shows_help = lines, shows_help


@dataclass
class Options:
    """What the command line asks for, defaults as of TensorRT 10.16; times carry their unit.

    `profiles` and `shapes` are filled from each other: a tensor without --shapes runs at its profile's optimum, and
    one without a profile is built for its shape alone. `broadcasts` are the warnings of a profile given in part.
    """

    onnx: str | None = None
    save_engine: str | None = None
    load_engine: str | None = None
    min_shapes: dict[str, Dims] | None = None
    opt_shapes: dict[str, Dims] | None = None
    max_shapes: dict[str, Dims] | None = None
    shapes: dict[str, Dims] = field(default_factory=dict)
    profiles: dict[str, ShapeRange] = field(default_factory=dict)
    broadcasts: list[str] = field(default_factory=list)
    fp16: bool = False
    strongly_typed: bool = False
    workspace_bytes: float | None = None
    timing_cache_file: str = ""
    skip_inference: bool = False
    duration_s: float = 3
    warm_up_ms: float = 200
    iterations: int = 10
    avg_runs: int = 10
    percentiles: tuple[float, ...] = DEFAULT_PERCENTILES
    no_data_transfers: bool = False
    inf_streams: int = 1
    device: int = 0
    load_inputs: dict[str, str] = field(default_factory=dict)
    export_times: str = ""
    export_output: str = ""
    verbose: bool = False


# The order of the readers is that of trtexec, which stops at the first value that it cannot read.
Readers = dict[str, tuple[str, Callable[[str], object]]]
PROFILE_READERS: Readers = {
    "--minShapes": ("min_shapes", option_values.profile_shapes),
    "--optShapes": ("opt_shapes", option_values.profile_shapes),
    "--maxShapes": ("max_shapes", option_values.profile_shapes),
}
BUILD_READERS: Readers = {
    "--onnx": ("onnx", option_values.onnx_path),
    "--memPoolSize": ("workspace_bytes", option_values.workspace_bytes),
    "--fp16": ("fp16", switched_on),
    "--stronglyTyped": ("strongly_typed", switched_on),
    "--skipInference": ("skip_inference", switched_on),
    "--loadEngine": ("load_engine", str),
    "--saveEngine": ("save_engine", str),
}
RUN_READERS: Readers = {
    "--timingCacheFile": ("timing_cache_file", str),
    "--device": ("device", stoi),
    "--infStreams": ("inf_streams", stoi),
    "--iterations": ("iterations", stoi),
    "--duration": ("duration_s", option_values.duration_s),
    "--warmUp": ("warm_up_ms", stof),
    "--noDataTransfers": ("no_data_transfers", switched_on),
    "--shapes": ("shapes", option_values.shapes),
    "--loadInputs": ("load_inputs", option_values.input_files),
    "--avgRuns": ("avg_runs", stoi),
    "--verbose": ("verbose", switched_on),
    "--exportTimes": ("export_times", str),
    "--exportOutput": ("export_output", str),
    "--percentile": ("percentiles", option_values.percentiles),
}


def asks_for_help(arguments: list[str]) -> bool:
    """Return whether `arguments` ask for the help, which leaves all others unread."""
    return any(argument.partition("=")[0] in ("--help", "-h") for argument in arguments)


def parse_options(arguments: list[str]) -> Options:
    """Return the options in `arguments` (argv without the program); raises OptionError in trtexec's words."""
    given: dict[str, list[str]] = {}
    for argument in arguments:
        key, _, value = argument.partition("=")
        given.setdefault(key, []).append(value)
    try:
        options = _read(given)
    except ValueError as error:
        raise OptionError(str(error)) from error
    except OutOfRangeError as error:
        raise OptionError(f"Uncaught exception detected: {error}", shows_help=False) from error
    refused = [key for key in given if key in REFUSED_OPTIONS]
    unknown = [
        f"Unknown option: {key} {value}"
        for key, values in given.items()
        if key not in refused
        for value in values
    ]
    if unknown:
        raise OptionError(*unknown)
    if refused:
        texts = [f"{key} is not supported by the embedded runtime; leave it out." for key in refused]
        raise OptionError(*texts, shows_help=False)
    return options


def _read(given: dict[str, list[str]]) -> Options:
    """Return the options of which `given` has values, and take the first value of each out of it."""
    options = Options()
    _take(options, given, PROFILE_READERS)
    if any(given.get(key) for key in PROFILE_READERS):
        raise ValueError("Multiple --minShapes/--optShapes/--maxShapes without --profile are not allowed. ")
    _take(options, given, BUILD_READERS)
    if options.load_engine is not None and options.save_engine is not None:
        raise ValueError("Incompatible load and save engine options selected")
    _take(options, given, RUN_READERS)
    if options.load_engine is None and options.onnx is None:
        raise ValueError("Model missing or format not recognized")
    _share_shapes(options)
    return options


def _take(options: Options, given: dict[str, list[str]], readers: Readers) -> None:
    for key, (name, read) in readers.items():
        if given.get(key):
            setattr(options, name, read(given[key].pop(0)))


def _share_shapes(options: Options) -> None:
    options.profiles, options.broadcasts = fill_profiles(
        {"minShapes": options.min_shapes, "optShapes": options.opt_shapes, "maxShapes": options.max_shapes}
    )
    options.shapes = {name: profile.opt for name, profile in options.profiles.items()} | options.shapes
    for name, dims in options.shapes.items():
        options.profiles.setdefault(name, ShapeRange(dims, dims, dims))
