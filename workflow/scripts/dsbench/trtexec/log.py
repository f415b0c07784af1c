"""trtexec logs: what a finished run says, refused when it does not say it or is not of what was asked for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.machine.host import banner_version
from dsbench.trtexec.command import dotted

BANNER = re.compile(r"^&&&& (RUNNING|PASSED|FAILED) TensorRT\.trtexec ((?:\[[^\]]*\] ?)*)# (.*)$", re.M)
LINE = re.compile(r"^\[[^\]]+\] \[([FEWIV])\] (.*)$", re.M)
THROUGHPUT = re.compile(r"^Throughput: ([-+0-9.eE]+) qps$")
STATISTICS = re.compile(r"^(Latency|Enqueue Time|H2D Latency|GPU Compute Time|D2H Latency): (min = .*)$")
STATISTIC = re.compile(r"(min|max|mean|median|percentile\(([0-9.]+)%\)) = ([-+0-9.eE]+) ms")
NO_NUMBER = re.compile(r"^(?:Throughput|Latency|GPU Compute Time|Total .*?): .*?(-?(?:nan|inf))\b")
TRACE = re.compile(r"^Timing trace has (\d+) queries over")
# qps times mean GPU seconds is 1 when the queries follow each other without a gap; clocks differ a little.
BUSY_LIMIT = 1.02
SUMMARY = "=== Performance summary ==="
TOTALS = {
    "wall": re.compile(r"^Total Host Walltime: (\S+) s$"),
    "compute": re.compile(r"^Total GPU Compute Time: (\S+) s$"),
}
# Both are quotients of the same two sums; the log prints six digits.
SHARE_TOLERANCE = 0.01
# Printed instead of a summary where layers are profiled, and still PASSED.
PROFILED = "The e2e network timing is not reported"
SWITCHES = {"Data transfers": "data_transfers", "Spin-wait": "spin_wait", "CUDA Graph": "cuda_graph"}
SWITCH = re.compile(r"^(Data transfers|Spin-wait|CUDA Graph): (Enabled|Disabled)$")
# trtexec then takes 1 for every open dimension and measures that.
SHAPE_MISSING = "Shape missing for input with dynamic shape: "


class TrtexecLogError(BuildError):
    """A trtexec log that does not say what a finished run says."""


@dataclass(frozen=True)
class Measurement:
    """One performance summary; times in ms per query, `queries_per_s` counts batches, `queries` may be unsaid.

    `conditions` says which of data_transfers, spin_wait and cuda_graph were on, as far as the log states it.
    """

    queries_per_s: float
    queries: int | None
    gpu_ms: dict[str, float]
    shapes: dict[str, tuple[int, ...]]
    conditions: dict[str, bool]
    warnings: list[str]

    def images_per_s(self, batch: int) -> float:
        """Return images/s: queries/s times `batch` images."""
        return self.queries_per_s * batch


def check_verdict(text: str, log: Path | str) -> None:
    """Refuse a log without exactly one PASSED banner, or with a FAILED one."""
    words = [word for word, _, _ in BANNER.findall(text)]
    if "FAILED" in words:
        first = next(iter(error_lines(text)), "none of its lines has [E], its last ones may say why")
        raise TrtexecLogError(
            f"{log}: trtexec ended with FAILED, expected PASSED: {first}; cure that and run it again"
        )
    if words.count("PASSED") != 1:
        raise TrtexecLogError(
            f"{log}: {words.count('PASSED')} PASSED banners, a finished run has 1; read the end of the log for the"
            " cause"
        )


def error_lines(text: str) -> list[str]:
    """Return each different [E] and [F] line in order; a run that PASSED has them for tactics that it skipped."""
    return list(dict.fromkeys(message.strip() for level, message in LINE.findall(text) if level in "EF"))


def banner_facts(text: str, log: Path | str) -> str:
    """Return the bracketed part of the RUNNING banner, e.g. `[TensorRT v101600] [b72]`."""
    for word, facts, _ in BANNER.findall(text):
        if word == "RUNNING":
            return facts.strip()
    raise TrtexecLogError(f"{log}: no RUNNING banner, so this is not the log of trtexec; make it again")


def read_measurement(log: Path | str) -> Measurement:
    """Return the one performance summary of `log`; refuse none, several, or one that contradicts itself."""
    text = Path(log).read_text(errors="replace")
    check_verdict(text, log)
    if errors := error_lines(text):
        raise TrtexecLogError(
            f"{log}: trtexec reported an error: {errors[0]}; expected none while it measures, the lines around it"
            " say more"
        )
    info = [message for level, message in LINE.findall(text) if level == "I"]
    for message in info:
        if NO_NUMBER.match(message):
            raise TrtexecLogError(f"{log}: trtexec counted wrong ({message.strip()}); measure again")
    rate, gpu_ms = _summary(info, log)
    queries = next((int(m[1]) for m in map(TRACE.match, info) if m), None)
    _check_consistent(rate, gpu_ms["mean"], queries, info, log)
    return Measurement(
        queries_per_s=rate,
        queries=queries,
        gpu_ms=gpu_ms,
        shapes=_shapes(info),
        conditions={SWITCHES[m[1]]: m[2] == "Enabled" for m in map(SWITCH.match, info) if m},
        warnings=_warnings(text),
    )


def _summary(info: list[str], log: Path | str) -> tuple[float, dict[str, float]]:
    """Return queries/s and the statistics of the compute time in ms; refuse none of them or several."""
    if any(message.startswith(PROFILED) for message in info):
        raise TrtexecLogError(
            f"{log}: trtexec profiled layers, which leaves no summary; run it without --dumpProfile and --exportProfile"
        )
    if info.count(SUMMARY) > 1:
        raise TrtexecLogError(
            f"{log}: {info.count(SUMMARY)} performance summaries, a finished measurement has 1; measure again"
        )
    rates = [float(m[1]) for m in map(THROUGHPUT.match, info) if m]
    if len(rates) != 1:
        raise TrtexecLogError(
            f"{log}: {len(rates)} 'Throughput:' lines, a finished measurement has 1; measure again"
        )
    statistics = {m[1]: m[2] for m in map(STATISTICS.match, info) if m}
    if "GPU Compute Time" not in statistics:
        raise TrtexecLogError(
            f"{log}: no 'GPU Compute Time:' line, so latency was not measured; take a trtexec of TensorRT 8.6 or later"
        )
    found = STATISTIC.findall(statistics["GPU Compute Time"])
    return rates[0], {f"p{percent}" if percent else name: float(value) for name, percent, value in found}


def _check_consistent(
    rate: float, mean_ms: float, queries: int | None, info: list[str], log: Path | str
) -> None:
    """Refuse numbers of which one cannot be: the compute time's share of the time, the count of the queries."""
    busy = rate * mean_ms / 1000
    if not 0 < busy <= BUSY_LIMIT:
        raise TrtexecLogError(
            f"{log}: {rate} queries/s times {mean_ms} ms of compute is {busy:.2f} s per second;"
            f" at most {BUSY_LIMIT} is possible with one stream, measure again"
        )
    totals = {name: float(m[1]) for name, line in TOTALS.items() for m in map(line.match, info) if m}
    if len(totals) < len(TOTALS):
        return
    share = totals["compute"] / totals["wall"]
    if abs(share - busy) > SHARE_TOLERANCE * share:
        raise TrtexecLogError(
            f"{log}: {rate} queries/s times {mean_ms} ms of compute is {busy:.3f} s per second, but the totals say"
            f" {share:.3f}; measure again"
        )
    if queries is not None and abs(queries / totals["wall"] - rate) > SHARE_TOLERANCE * rate:
        raise TrtexecLogError(
            f"{log}: {queries} queries in {totals['wall']} s are not {rate} queries/s; measure again"
        )


def _shapes(info: list[str]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for message in info:
        if m := re.match(r"^Input binding for (\S+) with dimensions ([0-9x]+) ", message):
            shapes[m[1]] = tuple(int(d) for d in m[2].split("x"))
    return shapes


def _warnings(text: str) -> list[str]:
    """Performance warnings only: trtexec marks their first line with an asterisk."""
    return [m.removeprefix("* ") for level, m in LINE.findall(text) if level == "W" and m.startswith("* ")]


def check_version(text: str, version: tuple[int, ...], log: Path | str) -> None:
    """Refuse the log of another trtexec than the one the build recorded."""
    found = banner_version(text)
    if found != dotted(version):
        raise TrtexecLogError(
            f"{log}: written by trtexec of TensorRT {found}, the build recorded {dotted(version)}; put that one first"
            " on PATH and run the same command again"
        )


def check_shape(
    measurement: Measurement, text: str, name: str, shape: tuple[int, ...], log: Path | str
) -> None:
    """Refuse a measurement of another shape than asked, or of one that trtexec chose itself."""
    warnings = [message for level, message in LINE.findall(text) if level == "W"]
    chosen = next((message for message in warnings if message.startswith(SHAPE_MISSING)), None)
    if chosen is not None:
        raise TrtexecLogError(
            f"{log}: trtexec says '{chosen}', expected {name} with the shape {shape}; compare the engine's input with"
            " model/inspect.json"
        )
    found = measurement.shapes.get(name)
    if found != shape:
        raise TrtexecLogError(
            f"{log}: measured {name} with shape {found}, asked for {shape}; build the engine again"
        )


def check_conditions(measurement: Measurement, log: Path | str) -> None:
    """Refuse a measurement with data transfers, spin wait or CUDA graph, and one whose log does not say."""
    for title, name in SWITCHES.items():
        on = measurement.conditions.get(name)
        if on is not False:
            raise TrtexecLogError(
                f"{log}: '{title}:' is {'not stated' if on is None else 'Enabled'}, expected Disabled; this trtexec"
                " has other defaults than its version says, put NVIDIA's own first on PATH"
            )


def common_conditions(measurements: Sequence[Measurement]) -> dict[str, bool | None]:
    """Return whether data transfers, spin wait and CUDA graph were on, None where the measurements differ."""
    found = {}
    for name in SWITCHES.values():
        states = {measurement.conditions.get(name) for measurement in measurements}
        found[name] = states.pop() if len(states) == 1 else None
    return found
