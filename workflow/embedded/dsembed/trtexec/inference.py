"""The measuring loop: two queries in flight per stream, each one's times kept."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsembed.engine.engine import Binding, Engine, EngineError, ExecutionContext, Plan
from dsembed.shared.log_writer import cpp_text
from dsembed.trtexec.performance import Query

IN_FLIGHT = 2  # as trtexec: the next query is submitted while its predecessor runs


@dataclass(frozen=True)
class RunLength:
    """A run lasts until both are reached: `iterations` per stream, and `duration_s` after `warm_up_ms`."""

    iterations: int
    duration_s: float
    warm_up_ms: float

    def is_reached(self, iterations: int, elapsed_ms: float) -> bool:
        """Return whether `iterations` in `elapsed_ms` are enough."""
        is_too_early = (
            elapsed_ms < self.duration_s * 1000 + self.warm_up_ms
        )  # never for a duration that is no number
        return iterations >= self.iterations and not is_too_early


def plan_for_streams(engine: Engine, batch: int, inference_streams: int, cores: int) -> Plan:
    """Return the engine's plan for one stream; for more, one CPU stream per inference stream."""
    if inference_streams == 1:
        return engine.plan(batch)
    streams = min(inference_streams, cores)
    return Plan(streams, cores // streams, batch, engine.precision)


def random_images(binding: Binding, batch: int) -> np.ndarray:
    """Return float32 [batch, *dims] of uniform -1..1, the same in every run."""
    return np.random.default_rng(0).uniform(-1, 1, (batch, *binding.dims)).astype(np.float32)


def images_of_file(binding: Binding, batch: int, file: Path) -> np.ndarray:
    """Return float32 [batch, *dims] from a file of their bytes; raises EngineError in trtexec's words."""
    count = math.prod((batch, *binding.dims))
    size_bytes = count * np.dtype(np.float32).itemsize
    try:
        file_bytes = file.stat().st_size
    except OSError as error:
        raise EngineError(f"Cannot open file {file}!") from error
    if file_bytes not in (size_bytes, 2 * size_bytes):
        raise EngineError(
            f"Unexpected file size for input file: {file}. Note: Input binding size is: {size_bytes} bytes but the"
            f" file size is {file_bytes} bytes. Double check the size and datatype of the provided data."
        )
    return np.fromfile(file, np.float32, count).reshape(batch, *binding.dims)


def outputs_text(outputs: Mapping[str, np.ndarray]) -> str:
    """Return the JSON text that trtexec writes of its outputs, with six significant digits of each value."""
    entries = (
        f'{{ "name" : "{name}"\n  , "dimensions" : "{"x".join(map(str, values.shape))}"\n'
        f'  , "values" : [ {", ".join(map(cpp_text, values.ravel().tolist()))} ]\n  }}\n'
        for name, values in outputs.items()
    )
    return f"[\n  {', '.join(entries)}]\n"


class RepeatedInference:
    """Runs one batch of `images` again and again on `inference_streams` streams of `context`."""

    def __init__(
        self, context: ExecutionContext, images: np.ndarray, inference_streams: int, has_transfers: bool
    ):
        self._context, self._images, self._streams = context, images, inference_streams
        slots = inference_streams * IN_FLIGHT
        self._device_images = [images.copy() for _ in range(slots)] if has_transfers else None
        self._host_outputs: list[list[np.ndarray] | None] = [None] * slots
        self._submitted_ms: list[tuple[float | None, float, float] | None] = [None] * slots
        self._stream_free_ms = [0.0] * inference_streams
        self._queries: list[Query] = []
        self._start_s = 0.0

    def run(self, length: RunLength) -> list[Query]:
        """Return the queries of a run of `length`, warm-up among them, in order of their start."""
        self._start_s = time.perf_counter()
        iterations = 0
        while not length.is_reached(iterations, self._now_ms()):
            for stream in range(self._streams):
                self._finish(stream, iterations)
                self._submit(stream, iterations)
            iterations += 1
        for iteration in range(iterations, iterations + IN_FLIGHT):
            for stream in range(self._streams):
                self._finish(stream, iteration)
        return sorted(self._queries, key=lambda query: query.start_h2d_ms)

    def _submit(self, stream: int, iteration: int) -> None:
        slot = stream * IN_FLIGHT + iteration % IN_FLIGHT
        images, start_h2d_ms = self._images, None
        if self._device_images:
            start_h2d_ms = self._now_ms()
            images = self._device_images[slot]
            np.copyto(images, self._images)
        start_enqueue_ms = self._now_ms()
        self._context.submit(slot, images)
        self._submitted_ms[slot] = start_h2d_ms, start_enqueue_ms, self._now_ms()

    def _finish(self, stream: int, iteration: int) -> None:
        slot = stream * IN_FLIGHT + iteration % IN_FLIGHT
        submitted = self._submitted_ms[slot]
        if submitted is None:
            return
        outputs = self._context.wait(slot)
        end_compute_ms = end_d2h_ms = self._now_ms()
        if self._device_images:
            self._copy_out(slot, outputs)
            end_d2h_ms = self._now_ms()
        start_h2d_ms, start_enqueue_ms, end_enqueue_ms = submitted
        # A stream runs its queries one after the other, as a CUDA stream does: waiting for the predecessor
        # is not compute time.
        start_compute_ms = max(start_enqueue_ms, self._stream_free_ms[stream])
        self._stream_free_ms[stream] = end_compute_ms
        self._submitted_ms[slot] = None
        self._queries.append(
            Query(
                start_enqueue_ms=start_enqueue_ms,
                end_enqueue_ms=end_enqueue_ms,
                start_h2d_ms=start_compute_ms if start_h2d_ms is None else start_h2d_ms,
                end_h2d_ms=start_compute_ms if start_h2d_ms is None else start_enqueue_ms,
                start_compute_ms=start_compute_ms,
                end_compute_ms=end_compute_ms,
                start_d2h_ms=end_compute_ms,
                end_d2h_ms=end_d2h_ms,
            )
        )

    def _copy_out(self, slot: int, outputs: list[np.ndarray]) -> None:
        host = self._host_outputs[slot]
        if host is None:
            self._host_outputs[slot] = [output.copy() for output in outputs]
        else:
            for target, output in zip(host, outputs, strict=True):
                np.copyto(target, output)

    def _now_ms(self) -> float:
        return (time.perf_counter() - self._start_s) * 1000


def without_warm_up(queries: list[Query], warm_up_ms: float) -> list[Query]:
    """Return the queries whose compute began after the warm-up; raises EngineError if none did."""
    kept = [query for query in queries if query.start_compute_ms >= warm_up_ms]
    if not kept:
        raise EngineError(
            f"all {len(queries)} queries began within the warm-up of {warm_up_ms:g} ms; give a longer --duration."
        )
    return kept
