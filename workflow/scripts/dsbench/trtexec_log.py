"""trtexec logs: what a finished build or measurement says, refused when it does not say it."""

import re
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError

BANNER = re.compile(r"^&&&& (RUNNING|PASSED|FAILED) TensorRT\.trtexec ((?:\[[^\]]*\] ?)*)# (.*)$", re.M)
LINE = re.compile(r"^\[[^\]]+\] \[([FEWIV])\] (.*)$", re.M)
THROUGHPUT = re.compile(r"^Throughput: ([-+0-9.eE]+) qps$")
STATISTICS = re.compile(r"^(Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency): (min = .*)$")
STATISTIC = re.compile(r"(min|max|mean|median|percentile\(([0-9.]+)%\)) = ([-+0-9.eE]+) ms")
BUILD_SHAPE = r"^Input build shape(?: \(profile 0\))? ?: ?[^=]*=(\S+)$"
CREATED = re.compile(r"^Created engine with size: (\S+) MiB$")
TRACE = re.compile(r"^Timing trace has (\d+) queries over")
# qps times mean GPU seconds is 1 when the queries follow each other without a gap; clocks differ a little.
BUSY_LIMIT = 1.02
# What trtexec says of an ONNX whose every dimension is a number.
STATIC_NETWORK = "Input build shapes: model"


class TrtexecLogError(BuildError):
    """A trtexec log that does not say what a finished run says."""


@dataclass(frozen=True)
class Measurement:
    """One performance summary; times in ms per query, `queries_per_s` counts batches, `queries` may be unsaid."""

    queries_per_s: float
    queries: int | None
    gpu_ms: dict[str, float]
    shapes: dict[str, tuple[int, ...]]
    warnings: list[str]

    def images_per_s(self, batch: int) -> float:
        """Return images/s: queries/s times `batch` images."""
        return self.queries_per_s * batch


@dataclass(frozen=True)
class Build:
    """What a build log states; sizes in MiB, time in s, `profile` is min, opt, max shape as printed."""

    engine_mib: float | None
    build_s: float
    precision: str
    workspace_mib: float
    profile: tuple[str, str, str]
    plan: str | None


def check_verdict(text: str, log: Path | str) -> None:
    """Refuse a log without exactly one PASSED banner, or with an [E] or [F] line."""
    banners = BANNER.findall(text)
    passed = sum(1 for word, _, _ in banners if word == "PASSED")
    errors = [message for level, message in LINE.findall(text) if level in "EF"]
    if errors:
        raise TrtexecLogError(f"{log}: trtexec reported an error: {errors[0].strip()}")
    if passed != 1:
        raise TrtexecLogError(
            f"{log}: {passed} PASSED banners, a finished run has 1; read the end of the log for the cause"
        )


def banner_facts(text: str, log: Path | str) -> str:
    """Return the bracketed part of the RUNNING banner, e.g. `[TensorRT v101600] [b72]`."""
    for word, facts, _ in BANNER.findall(text):
        if word == "RUNNING":
            return facts.strip()
    raise TrtexecLogError(f"{log}: no RUNNING banner, so this is not the log of trtexec")


def read_measurement(log: Path | str) -> Measurement:
    """Return the one performance summary of `log`; refuse none, several, or one that contradicts itself."""
    text = Path(log).read_text(errors="replace")
    check_verdict(text, log)
    info = [message for level, message in LINE.findall(text) if level == "I"]
    rates = [float(m[1]) for m in map(THROUGHPUT.match, info) if m]
    if len(rates) != 1:
        raise TrtexecLogError(f"{log}: {len(rates)} 'Throughput:' lines, a finished measurement has 1")
    statistics = {m[1]: m[2] for m in map(STATISTICS.match, info) if m}
    if "GPU Compute Time" not in statistics:
        raise TrtexecLogError(f"{log}: no 'GPU Compute Time:' line, so latency was not measured")
    gpu_ms = {
        f"p{percent}" if percent else name: float(value)
        for name, percent, value in STATISTIC.findall(statistics["GPU Compute Time"])
    }
    busy = rates[0] * gpu_ms["mean"] / 1000
    if not 0 < busy <= BUSY_LIMIT:
        raise TrtexecLogError(
            f"{log}: {rates[0]} queries/s times {gpu_ms['mean']} ms of compute is {busy:.2f} s per second;"
            f" at most {BUSY_LIMIT} is possible with one stream, measure again"
        )
    return Measurement(
        queries_per_s=rates[0],
        queries=next((int(m[1]) for m in map(TRACE.match, info) if m), None),
        gpu_ms=gpu_ms,
        shapes=_shapes(info),
        warnings=_warnings(text),
    )


def check_shape(measurement: Measurement, name: str, shape: tuple[int, ...], log: Path | str) -> None:
    """Refuse a measurement of another shape than asked (a missing --shapes measures batch 1)."""
    found = measurement.shapes.get(name)
    if found != shape:
        raise TrtexecLogError(f"{log}: measured {name} with shape {found}, asked for {shape}")


def read_build(log: Path | str) -> Build:
    """Return what the build log `log` states; refuse one that lacks a fact."""
    text = Path(log).read_text(errors="replace")
    check_verdict(text, log)
    info = [message for level, message in LINE.findall(text) if level == "I"]
    static = STATIC_NETWORK in info
    profile = ["model"] * 3 if static else _one("Input build shape", BUILD_SHAPE, info, log).split("+")
    if len(profile) != 3:
        raise TrtexecLogError(f"{log}: profile {'+'.join(profile)}, expected min+opt+max")
    plans = [message for message in info if message.startswith("[TRT] embedded: plan ")]
    return Build(
        # TensorRT 8 does not say it.
        engine_mib=next((float(m[1]) for m in map(CREATED.match, info) if m), None),
        build_s=float(_one("Engine built in", r"^Engine built in (\S+) sec\.$", info, log)),
        precision=_one("Precision", r"^Precision: (.+)$", info, log),
        workspace_mib=float(_one("Memory Pools", r"^Memory Pools: workspace: (\S+) MiB,", info, log)),
        profile=(profile[0], profile[1], profile[2]),
        plan=plans[0].removeprefix("[TRT] embedded: plan ") if plans else None,
    )


def _one(what: str, pattern: str, info: list[str], log: Path | str) -> str:
    found = [m[1] for m in (re.match(pattern, message) for message in info) if m]
    if len(found) != 1:
        raise TrtexecLogError(f"{log}: {len(found)} '{what}' lines, a finished build has 1")
    return found[0]


def _shapes(info: list[str]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for message in info:
        if m := re.match(r"^Input binding for (\S+) with dimensions ([0-9x]+) ", message):
            shapes[m[1]] = tuple(int(d) for d in m[2].split("x"))
    return shapes


def _warnings(text: str) -> list[str]:
    """Performance warnings only: trtexec marks their first line with an asterisk."""
    return [m.removeprefix("* ") for level, m in LINE.findall(text) if level == "W" and m.startswith("* ")]
