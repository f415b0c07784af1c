"""trtexec's command line by version: which options there are, how values are read, what a refusal says.

Values are read by the embedded trtexec's own readers, which are held to NVIDIA's parser.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow/embedded"))

from dsembed.shared.cpp_numbers import OutOfRangeError, stod, stof, stoi
from dsembed.trtexec import option_values

NEVER = (99,)
# Option: the first version that has it, the first that does not, and how its value is read.
OPTIONS = {
    "--onnx": ((8, 6), NEVER, str),
    "--saveEngine": ((8, 6), NEVER, str),
    "--loadEngine": ((8, 6), NEVER, str),
    "--minShapes": ((8, 6), NEVER, "profile"),
    "--optShapes": ((8, 6), NEVER, "profile"),
    "--maxShapes": ((8, 6), NEVER, "profile"),
    "--shapes": ((8, 6), NEVER, "shapes"),
    "--fp16": ((8, 6), (11, 0), bool),
    "--int8": ((8, 6), (11, 0), bool),
    "--fp8": ((8, 6), (11, 0), bool),
    "--best": ((8, 6), (11, 0), bool),
    "--bf16": ((9, 0), (11, 0), bool),
    "--int4": ((10, 3), (11, 0), bool),
    "--stronglyTyped": ((9, 0), NEVER, bool),
    "--noTF32": ((8, 6), NEVER, bool),
    "--buildOnly": ((8, 6), (10, 0), bool),
    "--workspace": ((8, 6), (10, 0), float),
    "--explicitBatch": ((8, 6), (10, 0), bool),
    "--maxBatch": ((8, 6), (9, 0), int),
    "--skipInference": ((8, 6), NEVER, bool),
    "--memPoolSize": ((8, 6), NEVER, "pools"),
    "--timingCacheFile": ((8, 6), NEVER, str),
    "--builderOptimizationLevel": ((8, 6), NEVER, int),
    "--avgTiming": ((8, 6), NEVER, int),
    "--noDataTransfers": ((8, 6), NEVER, bool),
    "--useSpinWait": ((8, 6), NEVER, bool),
    "--useCudaGraph": ((8, 6), NEVER, bool),
    "--separateProfileRun": ((8, 6), NEVER, bool),
    "--includeDataTransfers": ((11, 0), NEVER, bool),
    "--noSpinWait": ((11, 0), NEVER, bool),
    "--noCudaGraph": ((11, 0), NEVER, bool),
    "--duration": ((8, 6), NEVER, float),
    "--warmUp": ((8, 6), NEVER, float),
    "--iterations": ((8, 6), NEVER, int),
    "--avgRuns": ((8, 6), NEVER, int),
    "--percentile": ((8, 6), NEVER, "percentiles"),
    "--infStreams": ((8, 6), NEVER, int),
    "--device": ((8, 6), NEVER, int),
    "--loadInputs": ((8, 6), NEVER, "pairs"),
    "--exportTimes": ((8, 6), NEVER, str),
    "--exportOutput": ((8, 6), NEVER, str),
    "--exportProfile": ((8, 6), NEVER, str),
    "--exportLayerInfo": ((8, 6), NEVER, str),
    "--dumpProfile": ((8, 6), NEVER, bool),
    "--dumpLayerInfo": ((8, 6), NEVER, bool),
    "--profilingVerbosity": ((8, 6), NEVER, str),
    "--verbose": ((8, 6), NEVER, bool),
}
PROFILE = ("--minShapes", "--optShapes", "--maxShapes")
# What is read before the engine's place is judged, and the first of what is read after it.
FIRST = (*PROFILE, "--onnx", "--memPoolSize", "--loadEngine", "--saveEngine")
THEN = (
    "--device",
    "--infStreams",
    "--iterations",
    "--duration",
    "--warmUp",
    "--shapes",
    "--avgRuns",
    "--percentile",
)
POOLS = ("workspace", "dlaSRAM", "dlaLocalDRAM", "dlaGlobalDRAM", "tacticSharedMem")
# The versions before took a size for MiB whatever its unit, or multiplied on top of MiB.
UNITS_SINCE = (10, 1)


class OptionError(Exception):
    """A command line that trtexec refuses; the arguments are the texts of its [E] lines."""


def parse(arguments, version):
    """Return option -> value; raise OptionError as this version of trtexec does."""
    given, unknown = {}, []
    for argument in arguments:
        # Split at the first "="; `--key value` leaves the value over.
        key, _, value = argument.partition("=")
        since, until, _ = OPTIONS.get(key, (NEVER, NEVER, None))
        if key in given and key in PROFILE:
            raise OptionError(
                "Multiple --minShapes/--optShapes/--maxShapes without --profile are not allowed. "
            )
        if not since <= version < until or key in given:
            unknown.append(f"Unknown option: {key} {value}")
        else:
            given[key] = value
    both = "--loadEngine" in given and "--saveEngine" in given
    # trtexec stops at the first value that it cannot read, in its own order.
    found = _read(given, FIRST, version)
    if both:
        raise OptionError("Incompatible load and save engine options selected")
    found |= _read(given, [*THEN, *(OPTIONS.keys() - {*FIRST, *THEN})], version)
    if unknown:
        raise OptionError(*unknown)
    if "--onnx" not in found and "--loadEngine" not in found:
        raise OptionError("Model missing or format not recognized")
    if "--best" in found and "--stronglyTyped" in found:
        raise OptionError("Invalid usage, cannot set --best with --stronglyTyped")
    return found


def _read(given, keys, version):
    found = {}
    for key in keys:
        try:
            if key in given:
                found[key] = _value(given[key], OPTIONS[key][2], version)
        except ValueError as error:
            raise OptionError(str(error)) from None
        except OutOfRangeError as error:
            raise OptionError(f"Uncaught exception detected: {error}") from None
    return found


def _value(text, kind, version):
    if kind == "pools" and version < UNITS_SINCE:
        return dict(_old_pool(item, version) for item in text.split(","))
    return READERS[kind](text)


def _dims(shapes):
    return {name: "x".join(map(str, dims)) for name, dims in shapes.items()}


def _pairs(text):
    # Names may contain a colon.
    return {name: file for name, _, file in (item.rpartition(":") for item in text.split(","))}


def _workspace(text):
    size_bytes = option_values.workspace_bytes(text)
    return {} if size_bytes is None else {"workspace": size_bytes / 2**20}


READERS = {
    bool: option_values.switched_on,
    int: stoi,
    float: stof,
    str: str,
    "shapes": lambda text: _dims(option_values.shapes(text)),
    "profile": lambda text: _dims(option_values.profile_shapes(text)),
    "pairs": _pairs,
    "percentiles": option_values.percentiles,
    "pools": _workspace,
}


def _old_pool(item, version):
    """Return a pool and its size in MiB."""
    name, _, size = item.partition(":")
    if name not in POOLS:
        raise OptionError(f"Unknown memory pool: {name}")
    if version < (10, 0):
        return name, stod(size)
    return name, option_values.workspace_bytes(f"workspace:{size}") / (1 if size[-1].isalpha() else 2**20)
