"""What trtexec reports of a run: statistics of its queries, as its log and its JSON export give them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dsembed.shared.log_writer import cpp_text

LARGEST_GROUPS_LISTED = 200
UNSTABLE_COV_PERCENT = 2.5
ENQUEUE_BOUND_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Query:
    """One batch's times in ms since the start of inference; without transfers H2D and D2H last 0 ms."""

    start_enqueue_ms: float
    end_enqueue_ms: float
    start_h2d_ms: float
    end_h2d_ms: float
    start_compute_ms: float
    end_compute_ms: float
    start_d2h_ms: float
    end_d2h_ms: float

    @property
    def enqueue_ms(self) -> float:
        """Return the time inside the submitting call."""
        return self.end_enqueue_ms - self.start_enqueue_ms

    @property
    def h2d_ms(self) -> float:
        """Return the time of copying the input in."""
        return self.end_h2d_ms - self.start_h2d_ms

    @property
    def compute_ms(self) -> float:
        """Return the time from having the CPU to the last output."""
        return self.end_compute_ms - self.start_compute_ms

    @property
    def d2h_ms(self) -> float:
        """Return the time of copying the outputs out."""
        return self.end_d2h_ms - self.start_d2h_ms

    @property
    def latency_ms(self) -> float:
        """Return H2D + compute + D2H."""
        return self.h2d_ms + self.compute_ms + self.d2h_ms


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the value that `percent` % of the `ascending` values do not exceed, as trtexec picks it.

    trtexec computes the index with 32-bit floats: of ten values the 90 % are those up to the ninth.
    """
    count = len(ascending)
    excluded = int((np.float32(1) - np.float32(percent) / np.float32(100)) * np.float32(count))
    return ascending[max(count - 1 - excluded, 0)]


def cov_percent(values: Sequence[float]) -> float:
    """Return the coefficient of variance in %: population standard deviation over mean."""
    mean = statistics.fmean(values)
    return statistics.pstdev(values) / mean * 100 if mean else 0.0


def statistics_text(values_ms: Iterable[float], percentiles: Sequence[float]) -> str:
    """Return min, max, mean, median and `percentiles` of `values_ms` as one log line's text."""
    ascending = sorted(values_ms)
    figures = [
        ("min", ascending[0]),
        ("max", ascending[-1]),
        ("mean", statistics.fmean(ascending)),
        ("median", statistics.median(ascending)),
        *((f"percentile({cpp_text(percent)}%)", percentile(ascending, percent)) for percent in percentiles),
    ]
    return ", ".join(f"{name} = {cpp_text(value)} ms" for name, value in figures)


def trace_lines(queries: Sequence[Query], group_size: int) -> list[str]:
    """Return the average of every full group of `group_size` queries, of the first and last 200 groups at most.

    The line between them counts queries, and those after it begin one query early: both as in trtexec.
    """
    listed = LARGEST_GROUPS_LISTED * group_size
    omitted = len(queries) - 2 * listed
    if omitted <= 0 or group_size < 0:
        return _average_lines(queries, group_size)
    head, tail = queries[:listed], queries[-listed - 1 :]
    return [
        *_average_lines(head, group_size),
        f"... Omitting {omitted} lines",
        *_average_lines(tail, group_size),
    ]


def walltime_s(queries: Sequence[Query]) -> float:
    """Return the seconds from the first H2D of `queries` to the last D2H: with streams, not the last query's."""
    return (max(query.end_d2h_ms for query in queries) - min(query.start_h2d_ms for query in queries)) / 1000


def summary_lines(queries: Sequence[Query], percentiles: Sequence[float]) -> list[str]:
    """Return the performance summary of `queries`, which are in order of their H2D."""
    duration_s = walltime_s(queries)
    rows = {
        "Latency": [query.latency_ms for query in queries],
        "Enqueue Time": [query.enqueue_ms for query in queries],
        "H2D Latency": [query.h2d_ms for query in queries],
        "GPU Compute Time": [query.compute_ms for query in queries],
        "D2H Latency": [query.d2h_ms for query in queries],
    }
    return [
        f"Throughput: {cpp_text(len(queries) / duration_s)} qps",
        *(f"{name}: {statistics_text(values_ms, percentiles)}" for name, values_ms in rows.items()),
        f"Total Host Walltime: {cpp_text(duration_s)} s",
        f"Total GPU Compute Time: {cpp_text(math.fsum(rows['GPU Compute Time']) / 1000)} s",
    ]


def summary_warnings(queries: Sequence[Query], inference_streams: int) -> list[str]:
    """Return what makes the figures doubtful, as trtexec 10.16 warns, with advice that holds on a CPU."""
    compute_ms = [query.compute_ms for query in queries]
    median_ms = statistics.median(compute_ms)
    warnings = []
    if statistics.median(query.enqueue_ms for query in queries) > ENQUEUE_BOUND_SHARE * median_ms:
        warnings += [
            "* Throughput may be bound by Enqueue Time rather than GPU Compute and the GPU may be under-utilized.",
            "  A larger batch leaves less to the submitting thread.",
        ]
    for what, times_ms in (
        ("host-to-device transfers for the inputs", [query.h2d_ms for query in queries]),
        ("device-to-host transfers for the outputs", [query.d2h_ms for query in queries]),
    ):
        if statistics.median(times_ms) >= median_ms:
            warnings += [
                f"* Throughput may be bound by {what} rather than GPU Compute and the GPU may be under-utilized.",
                "  Add --noDataTransfers flag to disable data transfers.",
            ]
    cov = cov_percent(compute_ms)
    if cov > UNSTABLE_COV_PERCENT:
        warnings += [
            f"* GPU compute time is unstable, with coefficient of variance = {cpp_text(cov)}%.",
            "  Keeping other load off this machine and its CPU clock fixed may improve the stability.",
        ]
    if inference_streams > 1:
        warnings.append(
            "* Multiple inference streams are used. Latencies may not be accurate since inferences may run in "
            '  parallel. Please use "Throughput" as the performance metric instead.'
        )
    return warnings


def export_times(queries: Iterable[Query]) -> str:
    """Return the JSON text of --exportTimes: one object of times in ms per query."""
    return "[\n  " + "\n, ".join(_export_object(query) for query in queries) + "\n]\n"


def _export_object(query: Query) -> str:
    times = {
        "startEnqMs": query.start_enqueue_ms,
        "endEnqMs": query.end_enqueue_ms,
        "startH2dMs": query.start_h2d_ms,
        "endH2dMs": query.end_h2d_ms,
        "startComputeMs": query.start_compute_ms,
        "endComputeMs": query.end_compute_ms,
        "startD2hMs": query.start_d2h_ms,
        "endD2hMs": query.end_d2h_ms,
        "h2dMs": query.h2d_ms,
        "computeMs": query.compute_ms,
        "d2hMs": query.d2h_ms,
        "latencyMs": query.latency_ms,
    }
    return "{ " + ", ".join(f"{json.dumps(name)} : {cpp_text(value)}" for name, value in times.items()) + " }"


def _average_lines(queries: Sequence[Query], group_size: int) -> list[str]:
    """Return a line per full group; a group of 0 or less is never full."""
    if group_size < 1:
        return []
    groups = (queries[start : start + group_size] for start in range(0, len(queries), group_size))
    return [_average_line(group) for group in groups if len(group) == group_size]


def _average_line(group: Sequence[Query]) -> str:
    compute_ms = statistics.fmean(query.compute_ms for query in group)
    latency_ms = statistics.fmean(query.latency_ms for query in group)
    enqueue_ms = statistics.fmean(query.enqueue_ms for query in group)
    return (
        f"Average on {len(group)} runs - GPU latency: {cpp_text(compute_ms)} ms - "
        f"Host latency: {cpp_text(latency_ms)} ms (enqueue {cpp_text(enqueue_ms)} ms)"
    )
