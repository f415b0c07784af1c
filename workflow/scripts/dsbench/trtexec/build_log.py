"""trtexec's log of a build and its layer information: what was built, and in which precision each layer is."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import MIB_BYTES
from dsbench.trtexec.command import Precision, Profile
from dsbench.trtexec.log import LINE, TrtexecLogError, check_verdict, error_lines

BUILD_SHAPE = r"^Input build shape(?: \(profile 0\))? ?: ?[^=]*=(\S+)$"
CREATED = re.compile(r"^Created engine with size: (\S+) MiB$")
# What trtexec says of an ONNX whose every dimension is a number.
STATIC_NETWORK = "Input build shapes: model"
PEAK_CPU = re.compile(r"^\[TRT\] \[MemUsageStats\] Peak memory usage .*CPU:? (\d+) MiB")
PEAK_GPU = re.compile(r"^\[TRT\] \[MemUsageStats\] Peak memory usage .*GPU:? (\d+) MiB")
# The log prints sizes with six digits.
SIZE_TOLERANCE = 1e-4
WORKSPACE_TOLERANCE = 5e-6
MOST_ERRORS = 20
# A layer whose format is "N/A due to dynamic shapes", or in words that are not known.
UNSAID = "unsaid"
# TensorRT 8 writes "Channel major FP16 format where ...", 10 writes "Half".
DATATYPES = {
    "fp16": r"\b(FP16|Half)\b",
    "bf16": r"\b(BF16|BFloat16)\b",
    "fp32": r"\b(FP32|Float)\b",
    "fp8": r"\bFP8\b",
    "int8": r"\bInt8\b",
    "int32": r"\bInt32\b",
    "int64": r"\bInt64\b",
    "bool": r"\bBool\b",
}


@dataclass(frozen=True)
class Build:
    """What a build log states; sizes in MiB, time in s, `profile` is min, opt, max shape as printed.

    None is what this trtexec does not say, and a workspace that nobody limited. `errors` are the first [E] lines of
    a build that passed all the same: TensorRT logs the tactics that it skips so.
    """

    engine_mib: float | None
    build_s: float
    precision: str
    workspace_mib: float | None
    profile: tuple[str, str, str]
    plan: str | None
    peak_cpu_mib: int | None
    peak_gpu_mib: int | None
    errors: list[str]


def read_build(log: Path | str) -> Build:
    """Return what the build log `log` states; refuse one that lacks a fact."""
    text = Path(log).read_text(errors="replace")
    check_verdict(text, log)
    info = [message for level, message in LINE.findall(text) if level == "I"]
    static = STATIC_NETWORK in info
    profile = ["model"] * 3 if static else _one("Input build shape", BUILD_SHAPE, info, log).split("+")
    if len(profile) != 3:
        raise TrtexecLogError(f"{log}: profile {'+'.join(profile)}, expected min+opt+max; build it again")
    workspace = _one("Memory Pools", r"^Memory Pools: workspace: (default|\S+ MiB),", info, log)
    plans = [message for message in info if message.startswith("[TRT] embedded: plan ")]
    return Build(
        # TensorRT 8 does not say it.
        engine_mib=next((float(m[1]) for m in map(CREATED.match, info) if m), None),
        build_s=float(_one("Engine built in", r"^Engine built in (\S+) sec\.$", info, log)),
        precision=_one("Precision", r"^Precision: (.+)$", info, log),
        workspace_mib=None if workspace == "default" else float(workspace.removesuffix(" MiB")),
        profile=(profile[0], profile[1], profile[2]),
        plan=plans[0].removeprefix("[TRT] embedded: plan ") if plans else None,
        peak_cpu_mib=max((int(m[1]) for m in map(PEAK_CPU.match, info) if m), default=None),
        peak_gpu_mib=max((int(m[1]) for m in map(PEAK_GPU.match, info) if m), default=None),
        errors=error_lines(text)[:MOST_ERRORS],
    )


def check_build(
    build: Build,
    engine_bytes: int,
    profile: Profile,
    precision: Precision,
    workspace_mib: int,
    log: Path | str,
) -> None:
    """Refuse an engine that is empty or cut, of another precision, profile or workspace than asked for."""
    if engine_bytes == 0:
        raise TrtexecLogError(f"{log}: trtexec PASSED, but left no engine; look for the reason in the log")
    _check_size(build, engine_bytes, log)
    if not precision.is_stated_by(build.precision):
        raise TrtexecLogError(
            f"{log}: the engine's precision is {build.precision}, asked for {precision.stated()};"
            " this trtexec understands other precision flags than its version says, put NVIDIA's own first on PATH"
        )
    wanted = (
        ("model",) * 3 if profile.static else tuple(profile.dims(n) for n in (1, *[profile.max_batch] * 2))
    )
    if build.profile != wanted:
        raise TrtexecLogError(
            f"{log}: the engine's profile is {'+'.join(build.profile)}, asked for {'+'.join(wanted)}; compare"
            " the ONNX's input with model/inspect.json"
        )
    rounded = max(1, WORKSPACE_TOLERANCE * workspace_mib)
    if build.workspace_mib is None or abs(build.workspace_mib - workspace_mib) > rounded:
        raise TrtexecLogError(
            f"{log}: workspace is {build.workspace_mib} MiB, asked for {workspace_mib} MiB;"
            " this trtexec reads the suffix of --memPoolSize otherwise than its version says, put NVIDIA's own first"
            " on PATH"
        )


def _check_size(build: Build, engine_bytes: int, log: Path | str) -> None:
    """From 10.13 on the file is written while it is built, and a build that fails can still pass."""
    if build.engine_mib is None:
        return
    stated = build.engine_mib * MIB_BYTES
    if abs(stated - engine_bytes) > SIZE_TOLERANCE * engine_bytes:
        raise TrtexecLogError(
            f"{log}: trtexec created an engine of {build.engine_mib} MiB, the file has"
            f" {engine_bytes / MIB_BYTES:.6g} MiB; build it again on a disk with room"
        )


def _one(what: str, pattern: str, info: list[str], log: Path | str) -> str:
    found = [m[1] for m in (re.match(pattern, message) for message in info) if m]
    if len(found) != 1:
        raise TrtexecLogError(f"{log}: {len(found)} '{what}' lines, a finished build has 1; build it again")
    return found[0]


def read_layers(file: Path) -> dict[str, str] | None:
    """Return layer -> precision of its outputs, several joined by "+", or "unsaid"; None where no layer tells."""
    if not file.is_file():
        return None
    try:
        rows = json.loads(file.read_text(errors="replace")).get("Layers", [])
    except ValueError:
        # The engine inspector's text is closed and its numbers are printed raw.
        return None
    found = {
        row["Name"]: _precision(row.get("Outputs", []))
        for row in rows
        if isinstance(row, dict) and "Name" in row
    }
    return found if set(found.values()) - {UNSAID} else None


def _precision(outputs: list[dict]) -> str:
    texts = [str(output.get("Format/Datatype", "")) for output in outputs]
    found = {name for text in texts for name, word in DATATYPES.items() if re.search(word, text, re.I)}
    return "+".join(sorted(found)) or UNSAID


def check_layers(layers: dict[str, str] | None, precision: Precision, log: Path | str) -> None:
    """Refuse an engine asked for in half precision of which no layer is, and one in float32 of which some are.

    A layer that does not say its precision may have either.
    """
    layers = layers or {}
    halves = [kind for kind in layers.values() if {"fp16", "bf16"} & set(kind.split("+"))]
    if precision.name == "fp32" and halves:
        raise TrtexecLogError(
            f"{log}: the engine was asked for in fp32, but {len(halves)} of its {len(layers)} layers are in half"
            " precision, as the ONNX has them; set precision: fp16, or start from an ONNX in float32"
        )
    known = layers and UNSAID not in layers.values()
    if known and precision.name == "fp16" and not any("fp16" in kind for kind in halves):
        raise TrtexecLogError(
            f"{log}: the engine was asked for in fp16, but none of its {len(layers)} layers is; set precision: fp32,"
            " or look in the log for why TensorRT kept to float32"
        )
