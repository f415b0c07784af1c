"""Choosing execution plans by running them: precision first, as far as it moves no output, then the cuts."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
import openvino as ov

from dsembed.engine.engine import PRECISIONS, Engine, ExecutionContext, Plan, candidates, whole_batch
from dsembed.engine.engine_file import EngineError
from dsembed.shared.bounds import first_run
from dsembed.shared.cpu import with_memory_growth
from dsembed.shared.log_writer import LogWriter, cpp_text

# Of an output's range: an edge of a box moves by less than one pixel of a 320-pixel image.
TOLERANCE = 1 / 320
SCORE_OUTPUTS = ("logits", "scores")
BEST_ROWS_DIVISOR = 10


def probe_images(dims: tuple[int, ...], batch: int) -> np.ndarray:
    """Return float32 [batch, *dims]: in turn noise in -1..1, noise in 0..1 and smooth ramps with hard edges."""
    noise = np.random.default_rng(0)
    axis = np.linspace(0, 1, dims[-1], dtype=np.float32)
    ramps = np.broadcast_to((axis + (np.floor(axis * 8) % 2)) / 2, dims)
    kinds = (lambda: noise.uniform(-1, 1, dims), lambda: noise.uniform(0, 1, dims), lambda: ramps)
    return np.ascontiguousarray([kinds[number % len(kinds)]() for number in range(batch)], dtype=np.float32)


def output_difference(
    names: Sequence[str], reference: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
) -> float:
    """Return the largest difference, as a share of the largest value of its output in `reference`.

    Of a query detector, whose outputs all are [batch, rows, values] and one is named as scores, each image's
    best-scored tenth of the reference's rows counts: the rows that become detections. Each is compared with
    the nearest row that no better one took, since a detector that picks its best candidates may order them
    otherwise. Of other models every value counts, in place.
    """
    scales = [max(float(np.abs(array).max()), float(np.finfo(np.float32).tiny)) for array in reference]
    scaled = [
        [array.astype(np.float32) / scale for array, scale in zip(arrays, scales, strict=True)]
        for arrays in (reference, outputs)
    ]
    rows = {array.shape[1] if array.ndim == 3 else None for array in reference}
    scores = [array for name, array in zip(names, reference, strict=True) if name in SCORE_OUTPUTS]
    if len(rows) == 1 and None not in rows and scores:
        expected, found = (np.concatenate(arrays, axis=2) for arrays in scaled)
        differences = [
            _best_rows_difference(*image)
            for image in zip(scores[0].max(axis=2), expected, found, strict=True)
        ]
    else:
        differences = [np.abs(ref - out).max() for ref, out in zip(*scaled, strict=True)]
    return float(np.max(differences))


def _best_rows_difference(scores: np.ndarray, expected: np.ndarray, found: np.ndarray) -> float:
    free = np.ones(len(found), bool)
    differences = []
    for row in np.argsort(-scores, kind="stable")[: max(1, len(scores) // BEST_ROWS_DIVISOR)]:
        distances = np.where(free, np.abs(found - expected[row]).max(axis=1), np.inf)
        nearest = distances.argmin()
        free[nearest] = False
        differences.append(distances[nearest])
    return float(np.max(differences))


CAPABILITIES = {"f32": "FP32", "f16": "FP16", "bf16": "BF16"}  # OpenVINO's words for what the CPU computes in
ROUNDS_AT_LEAST = 3
ROUNDS_AT_MOST = 50
TIMED_S_PER_PLAN = 1.0
QUERIES_PER_ROUND = 3


@dataclass(frozen=True)
class Tactics:
    """Times plans of one engine; those whose memory grows beyond `workspace_bytes` (None: no limit) are dropped."""

    engine: Engine
    cores: int
    workspace_bytes: float | None
    log: LogWriter

    def choose(self, precisions: tuple[str, ...], can_cut: bool) -> dict:
        """Return {"plans": {batch: plan}, "difference": what output_difference() says of the compute type}."""
        opt = self.engine.opt_batch
        compute, difference = self._precision(precisions)
        plans = {}
        for batch in sorted({self.engine.min_batch, opt, self.engine.max_batch}):
            plans_here = (
                candidates(batch, self.cores, compute)
                if can_cut
                else [whole_batch(batch, self.cores, compute)]
            )
            plans[str(batch)] = vars(self._fastest(batch, plans_here)[0])
        return {"plans": plans, "difference": difference}

    def _precision(self, precisions: tuple[str, ...]) -> tuple[str, float]:
        """Return the fastest of `precisions` that keeps the outputs within the tolerance, and their difference."""
        if precisions == ("f32",):
            return "f32", 0.0  # nothing to compare: f32 is the reference
        batch = self.engine.opt_batch
        names = [output.name for output in self.engine.outputs]
        reference = self._probe("f32")
        for plan in self._fastest(batch, [whole_batch(batch, self.cores, compute) for compute in precisions]):
            difference = output_difference(names, reference, self._probe(plan.compute))
            self.log.verbose(
                f"[TRT] embedded: compute {plan.compute} differs from f32 by at most {cpp_text(difference)} of an "
                "output's largest value (query detectors: in the best-scored tenth of the rows)"
            )
            if difference <= TOLERANCE:
                return plan.compute, difference
        raise EngineError(
            f"none of {', '.join(precisions)} keeps the outputs within {cpp_text(TOLERANCE)} of the largest f32 value; "
            "build without --fp16 and --stronglyTyped."
        )

    def _probe(self, compute: str) -> list[np.ndarray]:
        batch = self.engine.opt_batch
        with self._first_run(batch):
            context = ExecutionContext(self.engine, batch, plan=whole_batch(batch, self.cores, compute))
            context.submit(0, probe_images(self.engine.input.dims, batch))
            return context.wait(0)

    def _first_run(self, batch: int) -> AbstractContextManager[None]:
        return first_run(batch, math.prod(self.engine.input.dims[-2:]))

    def _fastest(self, batch: int, plans: list[Plan]) -> list[Plan]:
        """Return those of `plans` that fit the workspace, the fastest first."""
        images = probe_images(self.engine.input.dims, batch)
        contexts = {}
        for plan in plans:
            context, growth_bytes = with_memory_growth(partial(self._run_once, batch, plan, images))
            if self.workspace_bytes is None or growth_bytes <= self.workspace_bytes:
                contexts[plan] = context
            else:
                self.log.warning(
                    f"[TRT] Skipping plan {plan} due to insufficient memory on requested size of {growth_bytes} bytes "
                    "(approximate: what the process grew by)."
                )
        if not contexts:
            raise EngineError(
                f"no plan for batch {batch} fits the workspace of {cpp_text((self.workspace_bytes or 0) / 2**20)} MiB; "
                "give more by --memPoolSize=workspace:<MiB>M (a value ending in MiB is read as bytes)."
            )
        seconds = time_in_turn(list(contexts.values()), images) if len(contexts) > 1 else [0.0]
        timed = sorted(zip(seconds, contexts, strict=True), key=lambda pair: pair[0])
        for query_s, plan in timed if len(timed) > 1 else ():
            self.log.verbose(f"[TRT] embedded: batch {batch}, {plan}: {cpp_text(query_s * 1000)} ms")
        return [plan for _, plan in timed]

    def _run_once(self, batch: int, plan: Plan, images: np.ndarray) -> ExecutionContext:
        with self._first_run(batch):
            context = ExecutionContext(self.engine, batch, slots=2, plan=plan)
            context.submit(0, images)
            context.wait(0)
        return context


def time_in_turn(contexts: list[ExecutionContext], images: np.ndarray) -> list[float]:
    """Return each context's median seconds per query; they take turns, so that other load meets them alike."""
    rounds: list[list[float]] = [[] for _ in contexts]
    end_s = time.perf_counter() + TIMED_S_PER_PLAN * len(contexts)
    while len(rounds[0]) < ROUNDS_AT_LEAST or (
        len(rounds[0]) < ROUNDS_AT_MOST and time.perf_counter() < end_s
    ):
        for context, seconds in zip(contexts, rounds, strict=True):
            seconds.append(_time_queries(context, images))
    return [statistics.median(seconds) for seconds in rounds]


def usable_precisions(wanted: tuple[str, ...] = PRECISIONS) -> tuple[str, ...]:
    """Return those of `wanted` that this CPU has instructions for, f32 always among them."""
    has = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(compute for compute in wanted if CAPABILITIES[compute] in has)


def _time_queries(context: ExecutionContext, images: np.ndarray) -> float:
    start_s = time.perf_counter()
    for query in range(QUERIES_PER_ROUND):
        if query >= 2:
            context.wait(query % 2)
        context.submit(query % 2, images)
    for query in range(max(0, QUERIES_PER_ROUND - 2), QUERIES_PER_ROUND):
        context.wait(query % 2)
    return (time.perf_counter() - start_s) / QUERIES_PER_ROUND
