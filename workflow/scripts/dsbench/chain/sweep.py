"""The batch sweep: how many streams a model serves, from a few batches of trtexec and a few runs of deepstream-app."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dsbench.chain.measured_chain import (
    EngineDecision,
    Limit,
    RunSummary,
    RunTry,
    accepted_run,
    limit_at,
    summarise_run,
)
from dsbench.core.errors import BuildError
from dsbench.trtexec.batch_time import CONSTANT, BatchTime, BatchTimeError, fit_batch_times
from dsbench.trtexec.log import read_measurement

# A smaller batch of one engine takes no longer than a larger one; clocks and other load differ a little.
FALL_TOLERANCE = 0.1
PROBED, PROBED_OF_SMALL_ENGINE = (1, 4, 8), (1, 2, 4)


@dataclass(frozen=True)
class Probe:
    """What trtexec measured at one batch, as its accepted `log` tells it."""

    batch: int
    queries_per_s: float
    p99_ms: float
    log: str


@dataclass(frozen=True)
class PipelineShare:
    """What deepstream-app leaves of inference: its images/s over trtexec's at the same batch, by the run in `log`."""

    streams: int
    images_per_s: float
    inference_images_per_s: float
    share: float
    log: str


@dataclass(frozen=True)
class SweepRun:
    """A run of deepstream-app, in frames/s; `holds` says whether its slowest stream got the target rate."""

    streams: int
    total_fps: float
    slowest_fps: float
    holds: bool
    log: str


@dataclass(frozen=True)
class SweepBounds:
    """What the sweep looks for: the streams' rate, and how long the 99th percentile of a batch may be (None: any)."""

    target_fps: float
    max_latency_ms: float | None


@dataclass(frozen=True)
class Prediction:
    """What the probes say: the batch at which queries/s times the share still are the target rate, 0 for none.

    `fits` are of the mean time of a batch, the closest first and in use; `latency` is of the 99th percentile, None
    without a bound. At most `most` streams come into question, and `limited_by` says why the batch is no larger than
    that, None where the rate says so. `finished` are the main job's runs; the sweep's own begin with `first` streams, 0
    where none is worth a run.
    """

    bounds: SweepBounds
    probes: list[Probe]
    fits: list[BatchTime]
    latency: BatchTime | None
    share: PipelineShare
    most: int
    limited_by: str | None
    batch: int
    finished: list[SweepRun]
    first: int

    def is_of(self, decision: EngineDecision, run_logs: Sequence[str]) -> bool:
        """Return whether it was made from this engine and from runs that are among `run_logs`."""
        return self.most <= decision.max_bs and {run.log for run in self.finished} <= set(run_logs)


@dataclass(frozen=True)
class Sweep:
    """What sweep.json says: the prediction, the runs that confirm it, and BS_OPT, None where no run held the rate.

    Of several runs with as many streams each has to hold it. `runs` are in the order of their tries, `unheld` the
    streams that this machine did not hold. `missed_from` is the least number of streams above BS_OPT that missed the
    rate, None where none was tried. `verdict` is a sentence or two.
    """

    prediction: Prediction
    runs: list[SweepRun]
    unheld: list[Limit]
    bs_opt: int | None
    missed_from: int | None
    verdict: str


def probe_batches(max_bs: int, run_streams: int) -> list[int]:
    """Return the batches at which the engine of MAX_BS is measured, that of the run with the share among them.

    An engine that takes no 8 is measured at 1, 2 and 4, as far as it takes those.
    """
    wanted = PROBED if max_bs >= PROBED[-1] else PROBED_OF_SMALL_ENGINE
    return sorted({*(batch for batch in wanted if batch <= max_bs), run_streams, max_bs})


def predict_batch(
    decision: EngineDecision, runs: Sequence[RunSummary], logs: Sequence[Path], bounds: SweepBounds
) -> Prediction:
    """Return the prediction from trtexec's `logs` of several batches and the main job's `runs`; the last has the share.

    Raises BuildError for a log that is not of a finished measurement, for probes that contradict each other or fit no
    model, and where the batch of the last run was not probed.
    """
    probes = sorted(map(_probe, logs), key=lambda probe: probe.batch)
    _refuse_falling(probes)
    fits = _fitted(probes, {probe.batch: 1000 / probe.queries_per_s for probe in probes})
    latency = None
    if bounds.max_latency_ms is not None:
        latency = _fitted(probes, {probe.batch: probe.p99_ms for probe in probes})[0]
    finished = [_run(tried, bounds.target_fps) for run in runs for tried in run.tries]
    share = _share(finished[-1], probes)
    limits = [*_limits(decision, runs, latency, bounds), *_limits_of_fit(fits[0], probes)]
    most, reason = min(limits, key=lambda limit: limit[0])
    part = share.images_per_s / share.streams / bounds.target_fps
    allowed = _streams_within(fits[0], 1000 * share.share / bounds.target_fps, share.streams, part, most + 1)
    batch = min(allowed, most)
    held = [streams for streams in _held_and_missed(finished)[0] if streams <= most]
    return Prediction(
        bounds=bounds,
        probes=probes,
        fits=fits,
        latency=latency,
        share=share,
        most=most,
        limited_by=reason if most == 0 or allowed > most else None,
        batch=batch,
        finished=finished,
        first=max(1, batch, *held) if most else 0,
    )


def _held_and_missed(runs: Sequence[SweepRun]) -> tuple[set[int], set[int]]:
    """Return the numbers of streams that held the rate in every run of them, and those that missed it in one."""
    missed = {run.streams for run in runs if not run.holds}
    return {run.streams for run in runs} - missed, missed


def _probe(log: Path) -> Probe:
    measured = read_measurement(log)
    batch = int(log.stem.rpartition("_b")[2])
    return Probe(batch, measured.queries_per_s, measured.gpu_ms["p99"], str(log))


def _refuse_falling(probes: list[Probe]) -> None:
    for smaller, larger in pairwise(probes):
        if smaller.queries_per_s < (1 - FALL_TOLERANCE) * larger.queries_per_s:
            raise BuildError(
                f"{smaller.log}: {smaller.queries_per_s:.2f} batches/s at batch {smaller.batch}; {larger.log}:"
                f" {larger.queries_per_s:.2f} batches/s at batch {larger.batch}. A larger batch cannot be faster."
                " Something else used this machine: delete both logs and run the same command again."
                " Without sweep.json the report is made without the sweep"
            )


def _fitted(probes: list[Probe], times_ms: dict[int, float]) -> list[BatchTime]:
    try:
        return fit_batch_times(times_ms)
    except BatchTimeError as error:
        logs = " ".join(probe.log for probe in probes)
        raise BuildError(
            f"{error}. Delete what was measured ({logs}) and run the same command again on an idle machine. Without"
            " sweep.json the report is made without the sweep"
        ) from None


def _run(tried: RunTry, target_fps: float) -> SweepRun:
    rates = tried.run
    return SweepRun(
        streams=rates.streams,
        total_fps=rates.total_fps,
        slowest_fps=rates.slowest_fps,
        holds=rates.slowest_fps >= target_fps,
        log=tried.log,
    )


def _share(run: SweepRun, probes: list[Probe]) -> PipelineShare:
    probe = next((probe for probe in probes if probe.batch == run.streams), None)
    if probe is None:
        raise BuildError(
            f"{run.log} has {run.streams} streams, and trtexec measured only the batches"
            f" {', '.join(str(probe.batch) for probe in probes)}; expected that batch too, which tells deepstream-app's"
            " share. Run the same command again"
        )
    inference = probe.queries_per_s * probe.batch
    return PipelineShare(run.streams, run.total_fps, inference, run.total_fps / inference, run.log)


def _limits(
    decision: EngineDecision, runs: Sequence[RunSummary], latency: BatchTime | None, bounds: SweepBounds
) -> Iterator[tuple[int, str]]:
    """Yield the most streams that something allows, with the reason; the rate is not among them."""
    stopped = f", where the doubling stopped: {decision.stopped_by}" if decision.stopped_by else ""
    yield decision.max_bs, f"the engine takes at most {decision.max_bs} images at once{stopped}"
    for limit in (limit for run in runs for limit in run.limits):
        yield limit.size - 1, f"this machine does not hold {limit.size} streams: {limit.reason}"
    if latency is not None and bounds.max_latency_ms is not None:
        most = latency.largest_batch(bounds.max_latency_ms, decision.max_bs)
        yield (
            most,
            f"a batch of {most + 1} takes {latency.ms(most + 1):.1f} ms at the 99th percentile, more than"
            f" max_latency_ms {bounds.max_latency_ms:g}",
        )


def _limits_of_fit(fit: BatchTime, probes: list[Probe]) -> Iterator[tuple[int, str]]:
    if fit.kind == CONSTANT:
        largest = probes[-1].batch
        yield largest, f"all measured batches take the same time, and {largest} is the largest of them"


def _streams_within(fit: BatchTime, limit_ms: float, streams: int, part: float, most: int) -> int:
    """Return the streams, up to `most`, that a run of `streams` allows which got `part` of the target rate.

    A batch may take `limit_ms`. Where every batch takes the same time, that excludes all of them or none: then a run
    that missed the rate allows as many streams as its images/s are enough for.
    """
    if fit.kind == CONSTANT:
        return most if part >= 1 else min(int(streams * part), streams - 1, most)
    return fit.largest_batch(limit_ms, most)


def confirmation_streams(
    prediction: Prediction, log_of: Callable[[int], Path], windows: int, most_runs: int
) -> list[int]:
    """Return the streams of the runs that confirm the prediction as far as known; the last may still have no log.

    Each run is a new measurement of the share, of its slowest stream, and the next run has the streams that this share
    allows: one at least fewer after a run that missed the rate, more after one that held it with room. They lie between
    what held the rate and what missed it, the main job's runs included. At most `most_runs` runs are returned.
    """
    known = _held_and_missed(prediction.finished)
    held, missed = max(known[0], default=0), min(known[1], default=prediction.most + 1)
    tried = [prediction.first] if prediction.first else []
    while tried and len(tried) < most_runs:
        streams = tried[-1]
        allowed = _allowed_streams(prediction, streams, log_of(streams), windows)
        if allowed is None:
            break
        if allowed >= streams:
            held = max(held, streams)
            following = min(allowed, missed - 1)
        else:
            missed = min(missed, streams)
            following = min(max(allowed, held + 1), missed - 1)
        if following <= held:
            break
        tried.append(following)
    return tried


def _allowed_streams(prediction: Prediction, streams: int, log: Path, windows: int) -> int | None:
    """Return the streams that the run of `streams` leaves room for, fewer where it missed the rate; None without a log.

    Of what the machine did not hold that is half.
    """
    if limit_at(log):
        return streams // 2
    run = accepted_run(log, windows)
    return None if run is None else _room(prediction, streams, run.slowest_fps)


def _room(prediction: Prediction, streams: int, slowest_fps: float) -> int:
    """Return the streams that the share of a run allows, of its slowest stream."""
    part, fit = slowest_fps / prediction.bounds.target_fps, prediction.fits[0]
    # A time of the fit, multiplied and divided again, may come out a little larger.
    least, most = (streams, prediction.most) if part >= 1 else (0, streams - 1)
    return max(least, _streams_within(fit, fit.ms(streams) * part, streams, part, most))


def conclude(prediction: Prediction, logs: list[Path], windows: int) -> Sweep:
    """Return the sweep with the runs in `logs`, in the order of their tries; refuse one that is not of a whole run."""
    summary = summarise_run(logs, windows)
    runs = [_run(tried, prediction.bounds.target_fps) for tried in summary.tries]
    every = [run for run in (*prediction.finished, *runs) if run.streams <= prediction.most]
    held, missed = _held_and_missed(every)
    bs_opt = max(held, default=None)
    missed |= {limit.size for limit in summary.limits}
    missed_from = min((streams for streams in missed if streams > (bs_opt or 0)), default=None)
    return Sweep(
        prediction=prediction,
        runs=runs,
        unheld=summary.limits,
        bs_opt=bs_opt,
        missed_from=missed_from,
        verdict=_verdict(prediction, every, bs_opt, missed_from),
    )


def _verdict(
    prediction: Prediction, runs: list[SweepRun], bs_opt: int | None, missed_from: int | None
) -> str:
    """Return in a sentence or two how many streams held the rate, and what is known of more."""
    rate = f"{prediction.bounds.target_fps:g} FPS"
    if prediction.most == 0:
        return f"BS_OPT is none: {prediction.limited_by}."
    if bs_opt is None:
        return _none_held(runs, rate)
    found = f"BS_OPT is {bs_opt}: {'the' if bs_opt == 1 else 'each'} stream got {rate} or more"
    if missed_from is not None:
        between = missed_from - bs_opt - 1
        untried = f" The {between} between were not tried." if between else ""
        return f"{found}, and {missed_from} streams did not.{untried}"
    if bs_opt == prediction.most:
        limit = prediction.limited_by
        return f"{found}. It ends there because {limit}." if limit else f"{found}. More were not tried."
    room = max(_room(prediction, run.streams, run.slowest_fps) for run in runs if run.streams == bs_opt)
    if room == bs_opt:
        return f"{found}. This load leaves no room for another one."
    return f"{found}. This load leaves room for {room}, which no run has tried."


def _none_held(runs: list[SweepRun], rate: str) -> str:
    least = min(runs, key=lambda run: (run.streams, run.slowest_fps), default=None)
    if least is None:
        return f"BS_OPT is not known: this machine held none of the runs, so that none shows {rate}."
    if least.streams == 1:
        return f"BS_OPT is none: a single stream got {least.slowest_fps:.2f} FPS, and {rate} are needed."
    return (
        f"BS_OPT is not known: of {least.streams} streams, the fewest that were tried, the slowest got"
        f" {least.slowest_fps:.2f} FPS, and {rate} are needed."
    )
