"""trtexec's command line by version: which options there are, how values are read, what a refusal says."""

import re

NEVER = (99,)
# Option: the first version that has it, the first that does not, and how its value is read.
OPTIONS = {
    "--onnx": ((8, 6), NEVER, str),
    "--saveEngine": ((8, 6), NEVER, str),
    "--loadEngine": ((8, 6), NEVER, str),
    "--minShapes": ((8, 6), NEVER, "shapes"),
    "--optShapes": ((8, 6), NEVER, "shapes"),
    "--maxShapes": ((8, 6), NEVER, "shapes"),
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
POOLS = ("workspace", "dlaSRAM", "dlaLocalDRAM", "dlaGlobalDRAM", "tacticSharedMem")
UNITS = {"B": 2**-20, "K": 2**-10, "M": 1, "G": 2**10}
NUMBER = {int: (r"\s*[-+]?\d+", "stoi"), float: (r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", "stof")}


class OptionError(Exception):
    """A command line that trtexec refuses; the arguments are the texts of its [E] lines."""


def parse(arguments, version):
    """Return option -> value; raise OptionError as this version of trtexec does."""
    found, unknown = {}, []
    for argument in arguments:
        # Split at the first "="; `--key value` leaves the value over.
        key, _, value = argument.partition("=")
        since, until, kind = OPTIONS.get(key, (NEVER, NEVER, None))
        if not since <= version < until or key in found:
            unknown.append(f"Unknown option: {key} {value}")
        else:
            found[key] = _value(value, kind, version)
    if unknown:
        raise OptionError(*unknown)
    if "--loadEngine" in found and "--saveEngine" in found:
        raise OptionError("Incompatible load and save engine options selected")
    if "--onnx" not in found and "--loadEngine" not in found:
        raise OptionError("Model missing or format not recognized")
    if "--best" in found and "--stronglyTyped" in found:
        raise OptionError("Invalid usage, cannot set --best with --stronglyTyped")
    return found


def _value(text, kind, version):
    if kind is bool:
        return True
    if kind in NUMBER:
        return number(text, kind)
    if kind in ("shapes", "pairs"):
        # Names may contain a colon.
        return {name: dims for name, _, dims in (item.rpartition(":") for item in text.split(","))}
    if kind == "percentiles":
        return [number(item, float) for item in text.split(",")]
    if kind == "pools":
        return dict(_pool(item, version) for item in text.split(","))
    return text


def number(text, kind):
    """Return the number at the head of `text`, as C++ reads it: what follows is ignored."""
    pattern, name = NUMBER[kind]
    found = re.match(pattern, text)
    if not found:
        raise OptionError(name)
    return kind(found[0])


def _pool(item, version):
    """Return a pool and its size in MiB."""
    name, _, size = item.partition(":")
    if name not in POOLS:
        raise OptionError(f"Unknown memory pool: {name}")
    mib = number(size, float)
    if mib < 0:
        raise OptionError(f"Negative memory pool size: {size}")
    if version < (10, 0) or size[-1].isdigit() or size[-1] == ".":
        return name, mib
    unit = size[-1].upper()
    if unit not in UNITS:
        raise OptionError("invalid unit specifier")
    # 10.0 multiplies on top of MiB.
    return name, mib * UNITS[unit] * (2**20 if version < (10, 1) else 1)
