"""The numbers that decide file names: MAX_BS by doubling, the streams of run 1, the streams of run 2."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.core.files import read_once
from dsbench.deepstream.log import StreamRun, read_run
from dsbench.tools.run_samples import summary_of
from dsbench.trtexec.log import Measurement, read_measurement

TOTAL = re.compile(r"\] Device Global Memory: (\d+) MiB")
ENGINE = re.compile(r"\] (?:\[TRT\] )?Loaded engine size: (\d+) MiB")
CONTEXT = re.compile(
    r"\] Created execution context with device memory size: (\S+) MiB"
    r"|allocation in IExecutionContext creation: CPU \S+, GPU \+(\d+)"
)
# Up to 10.15 trtexec does not name the type; every input and most outputs are 4 bytes wide.
BINDING = re.compile(
    r"\] (?:Input|Output) binding for \S+ with dimensions ([0-9x]+) (?:and type (\w+) )?is created"
)
TYPE_BYTES = {"fp16": 2, "bf16": 2, "int64": 8, "int8": 1, "uint8": 1, "bool": 1}


def peak_gpu_streams(queries_per_s: float, batch: int, target_fps: float) -> int:
    """Return floor(images/s / target_fps): the streams that inference alone could serve; 0 is possible."""
    return math.floor(queries_per_s * batch / target_fps)


def run1_streams(peak: int, max_batch: int) -> int:
    """Return the streams of run 1: PEAK without a discount, at most MAX_BS, at least 1."""
    return max(1, min(peak, max_batch))


def real_time_streams(total_fps: float, max_batch: int, target_fps: float) -> int:
    """Return RT_STREAMS: how many streams the total of run 1 feeds at `target_fps`; 0 is possible."""
    return min(math.floor(total_fps / target_fps), max_batch)


def run2_streams(rt_streams: int) -> int:
    """Return the streams of run 2: RT_STREAMS, at least 1."""
    return max(1, rt_streams)


def retry_streams(streams: int, slowest_fps: float, target_fps: float) -> int | None:
    """Return half the streams when a stream of run 2 was not real-time and they can be halved, else None."""
    return streams // 2 if slowest_fps < target_fps and streams > 1 else None


def memory_stop(text: str) -> str | None:
    """Return why twice the batch of the trtexec measurement `text` cannot fit, None where it may or is unknown.

    Activations and bindings double, weights do not; builder, CUDA and DeepStream need more on top.
    """
    total, contexts = TOTAL.search(text), [float(a or b) for a, b in CONTEXT.findall(text)]
    if total is None or not contexts:
        return None
    growing_mib = max(contexts) + sum(map(_binding_mib, BINDING.findall(text)))
    engine = ENGINE.search(text)
    needed_mib = 2 * growing_mib + (float(engine[1]) if engine else 0)
    gpu = (summary_of(text) or {}).get("gpu")
    if gpu and gpu["memory_used_mib"]:
        needed_mib = max(needed_mib, gpu["memory_used_mib"]["max"] + growing_mib)
    total_mib = float(total[1])
    if needed_mib <= total_mib:
        return None
    return f"twice that needs at least {needed_mib:.0f} MiB of {total_mib:.0f} MiB of device memory"


def _binding_mib(found: tuple[str, str]) -> float:
    dimensions, kind = found
    return math.prod(int(n) for n in dimensions.split("x")) * TYPE_BYTES.get(kind, 4) / MIB_BYTES


@dataclass(frozen=True)
class Decision:
    """MAX_BS, PEAK there, each measured batch with its PEAK, and what stopped the doubling while PEAK was above."""

    max_bs: int
    peak_gpu_streams: int
    batches: list[int]
    peaks: list[int]
    stopped_by: str | None


@dataclass(frozen=True)
class EngineDecision(Decision):
    """What max_bs.json says: the decision, the path of the engine of MAX_BS, and what was measured of each batch."""

    engine: str
    measurements: list[Measurement]


@dataclass(frozen=True)
class RunTry:
    """One try of a run as its accepted `log` tells it; rates in frames/s, of each window and of each stream."""

    log: str
    window_fps: list[float]
    stream_fps: list[float]
    warnings: list[str]

    @property
    def run(self) -> StreamRun:
        """The rates as the log's reader returns them."""
        return StreamRun(streams_of(Path(self.log)), self.window_fps, self.stream_fps, self.warnings)


@dataclass(frozen=True)
class RunSummary:
    """What run1.json and run2.json say: the tries of a run in their order, of which the last counts."""

    tries: list[RunTry]


@dataclass(frozen=True)
class Doubling:
    """How MAX_BS is found for the model whose benchmarks are in `folder`; `target_fps` is None while not known."""

    folder: Path
    first_batch: int
    largest_batch: int
    target_fps: float | None

    def known_batches(self) -> list[int]:
        """Return the batches measured so far and the one to measure next; the last is MAX_BS once all are.

        A log that is missing or not whole has to be measured next, and nothing after it is known.
        """
        batches, _ = self._measured()
        return batches

    def decision(self) -> Decision | None:
        """Return the decision once every batch that belongs to it is measured, else None."""
        batches, peaks = self._measured()
        known = [peak for peak in peaks if peak is not None]
        return self._decided(batches, known) if len(known) == len(batches) else None

    def _measured(self) -> tuple[list[int], list[int | None]]:
        """Return the known batches with their PEAK, None for a last one that is to be measured."""
        batches, peaks = [self.first_batch], []
        while True:
            peaks.append(_known(self.peak, batches[-1]))
            if peaks[-1] is None or not self.goes_on(batches[-1], peaks[-1]):
                return batches, peaks
            batches.append(2 * batches[-1])

    def goes_on(self, batch: int, peak: int) -> bool:
        """Return whether the batch doubles after `peak` was measured at `batch`."""
        return peak > batch and self.stop(batch) is None

    def stop(self, batch: int) -> str | None:
        """Return why the measured `batch` cannot be doubled, whatever PEAK is; None where it can."""
        if 2 * batch > self.largest_batch:
            return f"largest_batch in the config is {self.largest_batch}"
        return read_once(_memory_stop, self.log(batch))

    def has_step(self, batch: int) -> bool:
        """Return whether `batch` is the first one, doubled any number of times within the limit."""
        steps, rest = divmod(batch, self.first_batch)
        return rest == 0 and steps.bit_count() == 1 and batch <= max(self.largest_batch, self.first_batch)

    def peak(self, batch: int) -> int:
        """Return PEAK_GPU_STREAMS as measured at `batch`; refuse a log that does not say it, and an unknown target."""
        if self.target_fps is None:
            raise BuildError(f"{self.folder}: the clip is not decoded yet, so the target rate is not known")
        return peak_gpu_streams(self.measurement(batch).queries_per_s, batch, self.target_fps)

    def measurement(self, batch: int) -> Measurement:
        """Return what trtexec's log at `batch` says; refuse one that is not of a finished run."""
        return read_once(read_measurement, self.log(batch))

    def log(self, batch: int) -> Path:
        """Return the name of trtexec's log at `batch`."""
        return self.folder / f"b{batch}/trtexec_b{batch}.log"

    def decide(self, batches: list[int]) -> Decision:
        """Return the decision, with PEAK at every step; refuse a chain that is not at its end."""
        peaks = [self.peak(batch) for batch in batches]
        if self.goes_on(batches[-1], peaks[-1]):
            raise BuildError(
                f"{self.log(batches[-1])}: PEAK_GPU_STREAMS {peaks[-1]} is above the batch, so batch"
                f" {2 * batches[-1]} comes next; run the same command again"
            )
        return self._decided(batches, peaks)

    def _decided(self, batches: list[int], peaks: list[int]) -> Decision:
        return Decision(
            max_bs=batches[-1],
            peak_gpu_streams=peaks[-1],
            batches=batches,
            peaks=peaks,
            stopped_by=self.stop(batches[-1]) if peaks[-1] > batches[-1] else None,
        )


def next_run1(decision: Decision) -> int:
    """Return run 1's streams after the decision."""
    return run1_streams(decision.peak_gpu_streams, decision.max_bs)


def next_run2(decision: Decision, run1_log: Path, windows: int, target_fps: float) -> int | None:
    """Return run 2's streams after the decision and run 1; None where run 1 has no whole log."""
    run1 = _accepted(run1_log, windows)
    if run1 is None:
        return None
    return run2_streams(real_time_streams(run1.total_fps, decision.max_bs, target_fps))


def run2_tries(first: Path, streams: int, windows: int, target_fps: float) -> list[int]:
    """Return the streams of run 2 as far as known: `streams`, and half of them where `first` was too slow."""
    rates = _accepted(first, windows)
    half = None if rates is None else retry_streams(streams, rates.slowest_fps, target_fps)
    return [streams] if half is None else [streams, half]


def summarise_run(logs: list[Path], windows: int) -> RunSummary:
    """Return what the accepted `logs` of one run say, in the order they were tried."""
    runs = [(log, read_run(log, streams_of(log), windows)) for log in logs]
    return RunSummary([RunTry(str(log), run.window_fps, run.stream_fps, run.warnings) for log, run in runs])


def streams_of(log: Path) -> int:
    """Return the stream count in the name of a run's log."""
    return int(log.name.split("_")[1].removeprefix("s"))


def _memory_stop(log: Path) -> str | None:
    return memory_stop(log.read_text(errors="replace"))


def _accepted(log: Path, windows: int) -> StreamRun | None:
    """Return the run that `log` tells of, None where it is not whole."""
    return _known(lambda file: read_once(read_run, file, streams_of(file), windows), log)


def _known(read, what):
    """Return what `read` finds, None where there is no whole log."""
    try:
        return read(what)
    except (BuildError, FileNotFoundError):
        return None
