"""The numbers that decide file names: MAX_BS by doubling, the streams of run 1, the streams of run 2."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.core.files import read_once
from dsbench.deepstream.log import StreamRun, read_run
from dsbench.tools.doctor import limit_of
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
# The least batch of the chain; batch 1 is measured on the engine of MAX_BS.
LEAST_BATCH = 2
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


def memory_stop(text: str, log: Path) -> str | None:
    """Return why twice the batch of trtexec's measurement cannot fit, None where it may or is unknown.

    `text` is that of its `log`. Activations and bindings double, weights do not; builder, CUDA and DeepStream need more
    on top.
    """
    total, contexts = TOTAL.search(text), [float(a or b) for a, b in CONTEXT.findall(text)]
    if total is None or not contexts:
        return None
    growing_mib = max(contexts) + sum(map(_binding_mib, BINDING.findall(text)))
    engine = ENGINE.search(text)
    needed_mib = 2 * growing_mib + (float(engine[1]) if engine else 0)
    sampled = summary_of(text, log)
    if sampled and sampled.gpu and sampled.gpu.memory_used_mib:
        needed_mib = max(needed_mib, sampled.gpu.memory_used_mib.max + growing_mib)
    total_mib = float(total[1])
    if needed_mib <= total_mib:
        return None
    return f"twice that needs at least {needed_mib:.0f} MiB of {total_mib:.0f} MiB of device memory"


def _binding_mib(found: tuple[str, str]) -> float:
    dimensions, kind = found
    return math.prod(int(n) for n in dimensions.split("x")) * TYPE_BYTES.get(kind, 4) / MIB_BYTES


@dataclass(frozen=True)
class Limit:
    """A batch or a number of streams that was too much, and for what."""

    size: int
    reason: str


@dataclass(frozen=True)
class Decision:
    """MAX_BS, PEAK there, each measured batch with its PEAK, and what stopped the doubling while PEAK was above.

    `limits` are the batches that did not fit.
    """

    max_bs: int
    peak_gpu_streams: int
    batches: list[int]
    peaks: list[int]
    stopped_by: str | None
    limits: list[Limit] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
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
    """What run1.json and run2.json say: the tries of a run in their order, of which the last counts.

    `limits` are the numbers of streams that this machine did not hold.
    """

    tries: list[RunTry]
    limits: list[Limit] = field(default_factory=list)


@dataclass(frozen=True)
class Steps:
    """The batches of a chain in the order of their tries, with PEAK of those measured and why others did not fit.

    Of a chain that is not at its end the last batch has neither.
    """

    tried: list[int]
    peaks: dict[int, int]
    limits: dict[int, str]

    @property
    def fitting(self) -> list[int]:
        """The batches that have an engine, or are yet to get one."""
        return [batch for batch in self.tried if batch not in self.limits]

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to measure."""
        return bool(self.peaks) and self.tried[-1] in (self.peaks | self.limits)


@dataclass(frozen=True)
class Doubling:
    """How MAX_BS is found for the model whose benchmarks are in `folder`; `target_fps` is None while not known.

    `graph_limit` is the largest batch at which TensorRT can address every tensor of the graph, None where it has none.
    """

    folder: Path
    first_batch: int
    largest_batch: int
    target_fps: float | None
    graph_limit: int | None = None

    @property
    def start(self) -> int:
        """The batch that is measured first."""
        if self.graph_limit is None:
            return self.first_batch
        return max(min(self.first_batch, self.graph_limit), LEAST_BATCH)

    def known_batches(self) -> list[int]:
        """Return the batches measured so far and the one to measure next; the last is MAX_BS once all are.

        A log that is missing or not whole has to be measured next, and nothing after it is known.
        """
        return self.steps().fitting

    def tried_batches(self) -> list[int]:
        """Return the known batches and those that did not fit, in the order of their tries."""
        return self.steps().tried

    def built_batches(self) -> list[int]:
        """Return the tried batches but those whose engine could not be built."""
        return [batch for batch in self.tried_batches() if not self.build_limit(batch)]

    def decision(self) -> Decision | None:
        """Return the decision once every batch that belongs to it is measured, else None."""
        steps = self.steps()
        return self._decided(steps) if steps.is_done else None

    def steps(self) -> Steps:
        """Return how far the chain is: it doubles while PEAK is larger, or halves until a first batch fits."""
        steps = Steps([self.start], {}, {})
        while (following := self._after(steps)) is not None:
            steps.tried.append(following)
        return steps

    def _after(self, steps: Steps) -> int | None:
        """Note what is known of the last batch of `steps`; return the one after it, None where there is none yet."""
        batch = steps.tried[-1]
        if limit := self.build_limit(batch) or limit_at(self.log(batch)):
            steps.limits[batch] = limit
            return None if steps.peaks or batch <= LEAST_BATCH else max(batch // 2, LEAST_BATCH)
        peak = _known(self.peak, batch)
        if peak is None:
            return None
        steps.peaks[batch] = peak
        return 2 * batch if not steps.limits and self.goes_on(batch, peak) else None

    def goes_on(self, batch: int, peak: int) -> bool:
        """Return whether the batch doubles after `peak` was measured at `batch`."""
        return peak > batch and self.stop(batch) is None

    def stop(self, batch: int) -> str | None:
        """Return why the measured `batch` cannot be doubled, whatever PEAK is; None where it can."""
        if 2 * batch > self.largest_batch:
            return f"largest_batch in the config is {self.largest_batch}"
        if self.graph_limit is not None and 2 * batch > self.graph_limit:
            return (
                f"above batch {self.graph_limit} a tensor of the graph has more than 2^31-1 elements, which TensorRT"
                " cannot address"
            )
        return read_once(_memory_stop, self.log(batch))

    def has_step(self, batch: int) -> bool:
        """Return whether `batch` is the first one, doubled any number of times within the limit."""
        steps, rest = divmod(batch, self.start)
        return rest == 0 and steps.bit_count() == 1 and batch <= max(self.largest_batch, self.start)

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

    def build_limit(self, batch: int) -> str | None:
        """Return why the engine of `batch` could not be built; None where it could, or was not tried."""
        return limit_at(self.build_log(batch))

    def build_log(self, batch: int) -> Path:
        """Return the name of the log of the engine's build."""
        return self.folder / f"engines/build_b{batch}.log"

    def decide(self) -> Decision:
        """Return the decision, with PEAK at every step; refuse a chain that is not at its end."""
        steps = self.steps()
        if not steps.is_done:
            # Says what is wrong with a log that is there and not whole.
            self.peak(steps.tried[-1])
        return self._decided(steps)

    def _decided(self, steps: Steps) -> Decision:
        batches, peaks = list(steps.peaks), list(steps.peaks.values())
        limits = [Limit(batch, reason) for batch, reason in steps.limits.items()]
        stopped_by = f"batch {limits[-1].size} did not fit: {limits[-1].reason}" if limits else None
        if peaks[-1] > batches[-1]:
            stopped_by = stopped_by or self.stop(batches[-1])
        return Decision(
            max_bs=batches[-1],
            peak_gpu_streams=peaks[-1],
            batches=batches,
            peaks=peaks,
            stopped_by=stopped_by,
            limits=limits,
        )


def next_run1(decision: Decision) -> int:
    """Return run 1's streams after the decision."""
    return run1_streams(decision.peak_gpu_streams, decision.max_bs)


def tried_streams(log_of: Callable[[int], Path], streams: int) -> list[int]:
    """Return `streams`, and half of the last for as long as its log says that the machine does not hold them."""
    tried = [streams]
    while tried[-1] > 1 and limit_at(log_of(tried[-1])):
        tried.append(tried[-1] // 2)
    return tried


def next_run2(decision: Decision, run1_logs: list[Path], windows: int, target_fps: float) -> int | None:
    """Return run 2's streams after the decision and the tries of run 1; None where the last has no whole log.

    Where the machine did not hold run 1, run 2 has no more streams than it held.
    """
    run1 = accepted_run(run1_logs[-1], windows)
    if run1 is None:
        return None
    most = decision.max_bs if len(run1_logs) == 1 else streams_of(run1_logs[-1])
    return run2_streams(real_time_streams(run1.total_fps, most, target_fps))


def run2_tries(first: Path, streams: int, windows: int, target_fps: float) -> list[int]:
    """Return the streams of run 2 as far as known: `streams`, and half of them where `first` was too slow."""
    rates = accepted_run(first, windows)
    half = None if rates is None else retry_streams(streams, rates.slowest_fps, target_fps)
    return [streams] if half is None else [streams, half]


def decisive_log(run1_log: Path, run2_log: Path, windows: int, target_fps: float) -> Path | None:
    """Return the log of the run at whose load latency is measured; None until both runs have a whole log.

    Of the runs that held the rate it is the one with the most streams, where none did it is run 2.
    """
    runs = [(log, accepted_run(log, windows)) for log in (run1_log, run2_log)]
    if any(run is None for _, run in runs):
        return None
    held = [log for log, run in runs if run and run.slowest_fps >= target_fps]
    return max(held, key=streams_of) if held else run2_log


def summarise_run(logs: list[Path], windows: int) -> RunSummary:
    """Return what the `logs` of one run say, in the order they were tried."""
    limits = {log: reason for log in logs if (reason := limit_at(log))}
    runs = [(log, read_run(log, streams_of(log), windows)) for log in logs if log not in limits]
    return RunSummary(
        [RunTry(str(log), run.window_fps, run.stream_fps, run.warnings) for log, run in runs],
        [Limit(streams_of(log), reason) for log, reason in limits.items()],
    )


def streams_of(log: Path) -> int:
    """Return the stream count in the name of a run's log."""
    return int(log.name.split("_")[1].removeprefix("s"))


def _memory_stop(log: Path) -> str | None:
    return memory_stop(log.read_text(errors="replace"), log)


def _limit_of(log: Path) -> str | None:
    return limit_of(log.read_text(errors="replace"))


def limit_at(log: Path) -> str | None:
    """Return why the size in the name of `log` was too much; None where it was not, or there is no log yet."""
    return _known(lambda file: read_once(_limit_of, file), log)


def accepted_run(log: Path, windows: int) -> StreamRun | None:
    """Return the run that `log` tells of, None where it is not whole."""
    return _known(lambda file: read_once(read_run, file, streams_of(file), windows), log)


def _known(read, what):
    """Return what `read` finds, None where there is no whole log."""
    try:
        return read(what)
    except (BuildError, FileNotFoundError):
        return None
