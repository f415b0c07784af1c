"""The first page: the verdict in one sentence, the numbers that decide, what bound them and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass

from dsbench.boxes.average_precision import Scores
from dsbench.checks.findings import AgainstTruth, KeptAccuracy
from dsbench.report.conditions import contradiction
from dsbench.report.history import Difference, run_spread
from dsbench.report.levers import LEVERS, LIMITS, Advice, Load, bound_of, deciding_load
from dsbench.report.report_records import AnyRun, BenchmarkData, DeepStreamRun, LatencyOfFrames
from dsbench.report.served import NOT_KNOWN, Served, below_words, measured_runs, served
from dsbench.report.text import Markdown, count, number, plain

CPU_FIRST = "CPU figures, not a GPU's."
DISTURBED_FIRST = "MEASURED BESIDE OTHER WORK, so that this machine may do more."
TENTHS_BELOW_MS = 100
# So many are on the page; the sections have them all.
MOST_WARNINGS = 4
LONGEST_CLASS = 20


@dataclass(frozen=True)
class KeyNumber:
    """One of the page's numbers: its value with unit, its spread ("" where none was measured), and of what it is."""

    title: str
    value: Markdown
    spread: str
    of: str


@dataclass(frozen=True)
class FirstPage:
    """What the first page says; `bound` and `advice` are None where nothing was sampled."""

    verdict: str
    figures: list[KeyNumber]
    bound: str | None
    advice: Advice | None
    warnings: list[str]
    since: str | None


def first_page(data: BenchmarkData, since: Difference | None) -> FirstPage:
    """Return the first page of checked benchmark data; `since` is what changed since the last toolchain."""
    load = deciding_load(data)
    return FirstPage(
        verdict=_verdict(data, load),
        figures=[figure for figure in _figures(data, load) if figure],
        bound=bound_of(load),
        advice=next((lever.advice for lever in LEVERS if lever.applies(load)), None),
        warnings=list(dict.fromkeys(_warnings(data, load))),
        since=_since(since, load) if since else None,
    )


def _verdict(data: BenchmarkData, load: Load) -> str:
    """Return in one sentence how many cameras, what limits them, how much accuracy is kept and who measured."""
    limit = None if load.is_disturbed else LIMITS.get(load.run.conditions.bound_by or "")
    kept = _kept(data.validation.accuracy)
    parts = [
        _cameras(data, load.run, served(data)),
        *([limit] if limit else []),
        kept.words if kept else "too few objects tell how much accuracy is kept",
    ]
    sentence = f"{', '.join(parts[:-1])}, and {parts[-1]}; measured by {_measured_by(data)}."
    before = [DISTURBED_FIRST] if load.is_disturbed else []
    return " ".join([*before, *([CPU_FIRST] if load.is_embedded else []), sentence])


def _cameras(data: BenchmarkData, run: DeepStreamRun, found: Served) -> str:
    rate = f"{data.target_fps:g} FPS"
    measured = " in the batch sweep" if found.is_of_sweep else ""
    if found.streams:
        return f"REAL-TIME: this machine serves {count(found.streams, 'camera')} at {rate}{measured}"
    cameras = (
        f"NOT REAL-TIME: no load that was tried held {rate}{measured}"
        if found.streams is None
        else f"NOT REAL-TIME: this machine serves no camera at {rate}{measured}"
    )
    if found.is_of_sweep:
        return cameras
    each = "" if run.streams == 1 else " each"
    cameras += f", as {count(run.streams, 'stream')} got {run.fps_per_stream:.2f} FPS{each}"
    return f"{cameras} only while trtexec alone was slower" if run.real_time else cameras


def _measured_by(data: BenchmarkData) -> str:
    name = data.runtime.name
    return f"the {name}" if name.startswith("embedded runtime") else name


@dataclass(frozen=True)
class Kept:
    """How much of the model's own accuracy is left: as a sentence, and as one of the page's numbers."""

    words: str
    figure: KeyNumber


def _kept(accuracy: KeptAccuracy) -> Kept | None:
    """Return how much accuracy is kept, on the clip's true boxes where it has them; None where it cannot be told."""
    truth = accuracy.truth
    if truth and (own := truth.model.every.ap) and (found := truth.runtime.every.ap) is not None:
        share = number(100 * found / own, 1, "%")
        of = f"mAP@[.5:.95] {found:.3f} of {own:.3f}, on the clip's true boxes"
        return Kept(
            f"{share} of the model's mAP on true boxes is kept",
            KeyNumber("Accuracy kept", share, _most_lost(truth), of),
        )
    left = accuracy.stages[-1].accuracy
    if not accuracy.is_told or left.every.ap is None:
        return None
    told = sorted((row.ap, _class(row)) for row in left.classes if row.ap is not None)
    spread = f"{told[0][1]} {told[0][0]:.3f} to {told[-1][1]} {told[-1][0]:.3f}" if told[1:] else ""
    return Kept(
        f"an AP of {left.every.ap:.3f} against the model's own boxes is kept",
        KeyNumber(
            "Accuracy kept",
            number(left.every.ap, 3),
            spread,
            f"AP@[.5:.95] on the model's {left.every.objects} boxes",
        ),
    )


def _most_lost(truth: AgainstTruth) -> str:
    """Return the AP of the class that lost the greatest part of it, before and now; "" where none lost any.

    With it stand the shares that the classes kept, the least and the greatest.
    """
    found = {row.name: row.ap for row in truth.runtime.classes}
    kept = [
        (now / own.ap, f"{_class(own)} {own.ap:.3f} to {now:.3f}")
        for own in truth.model.classes
        if own.ap and (now := found.get(own.name)) is not None
    ]
    if not kept:
        return ""
    (least, lost), (most, _) = (pick(kept, key=lambda entry: entry[0]) for pick in (min, max))
    if least >= 1:
        return ""
    return f"{lost}; classes {100 * least:.0f} to {100 * most:.0f} %" if len(kept) > 1 else lost


def _class(row: Scores) -> str:
    name = plain(row.name)
    return name if len(name) <= LONGEST_CLASS else f"{name[: LONGEST_CLASS - 1]}…"


def _figures(data: BenchmarkData, load: Load) -> Iterator[KeyNumber | None]:
    run = load.run
    yield _cameras_figure(data, load, served(data))
    deviation = run_spread(run)
    yield KeyNumber(
        "Images/s",
        number(run.total_fps, 1),
        f"± {deviation:.1f}, deviation of {count(run.windows, 'window')}" if deviation is not None else "",
        "decoding to detections",
    )
    yield _latency(data.deepstream.latency)
    if (kept := _kept(data.validation.accuracy)) is not None:
        yield kept.figure
    samples, series = run.conditions.samples, load.series("cpu_pct" if load.is_embedded else "sm_pct")
    if samples and series:
        yield KeyNumber(
            "CPU share" if load.is_embedded else "GPU share",
            number(series.mean, 0, "%"),
            f"{series.min:.0f} to {series.max:.0f} %",
            f"{count(samples.samples, 'sample')} of {load.title.lower()}",
        )


def _cameras_figure(data: BenchmarkData, load: Load, found: Served) -> KeyNumber:
    """Return the cameras: their number, or below which load it lies where no run that was tried held the rate."""
    run = load.run
    if found.streams is None:
        spread = below_words(found.missed_from)
    elif found.is_of_sweep:
        spread = "" if found.missed_from is None else f"{count(found.missed_from, 'stream')} missed it"
    else:
        spread = _windows(run)
    where = "batch sweep" if found.is_of_sweep else f"{load.title.lower()}, {count(run.streams, 'stream')}"
    value = Markdown(NOT_KNOWN) if found.streams is None else number(found.streams)
    return KeyNumber(f"Cameras at {data.target_fps:g} FPS", value, spread, where)


def _windows(run: DeepStreamRun) -> str:
    low, high = run.total_fps_min, run.total_fps_max
    if low is None or high is None:
        return ""
    return f"windows {low / run.streams:.1f} to {high / run.streams:.1f} FPS per stream"


def _latency(latency: LatencyOfFrames | None) -> KeyNumber | None:
    if latency is None:
        return None
    # The spread is text, which carries no note.
    values = latency.p50_ms, float(latency.p95_ms), float(latency.p99_ms)
    p50, p95, p99 = (number(value, 1 if value < TENTHS_BELOW_MS else 0) for value in values)
    load = f"{count(latency.streams, 'stream')} at full load, {count(latency.frames, 'frame')}"
    return KeyNumber(
        "Latency per frame",
        Markdown(f"{p50} ms"),
        f"median; p95 {p95}, p99 {p99} ms",
        f"decoding to detections, {load}",
    )


def _since(since: Difference, load: Load) -> str:
    if load.is_disturbed:
        return "not judged, since something else used this machine; section 2 has the figures"
    verdicts = [row.verdict for row in since.rows]
    counts = [
        f"{verdicts.count(verdict)} {verdict}" for verdict in ("better", "worse") if verdict in verdicts
    ]
    told = ", ".join(counts) or "no difference above the noise"
    return f"{told} of {count(len(verdicts), 'figure')}; section 2 has them"


def _warnings(data: BenchmarkData, load: Load) -> Iterator[str]:
    """Yield what the reader must know before believing a number, the gravest first."""
    if not data.validation.passed:
        yield "The validation gate FAILED."
    rates, latency = (data.trtexec.bs1, data.trtexec.bsmax), data.deepstream.latency
    runs: list[tuple[str, AnyRun]] = [*measured_runs(data), *([("Latency", latency)] if latency else [])]
    for title, run in [*(("trtexec", rate) for rate in rates), *runs]:
        for found in run.conditions.disturbances or []:
            yield f"{title} was disturbed: {found}."
    if apart := contradiction(data.deepstream.run1, data.deepstream.run2):
        yield apart
    yield from data.deepstream.notes
    if load.is_embedded and data.system.driver:
        yield f"This machine has a GPU (driver {data.system.driver}), which was not used."
    if not data.validation.accuracy.is_told:
        yield "The model finds too few objects in this clip to hold the runtime to it."
    yield from data.preprocessing.proof.warnings if data.preprocessing.proof else []
    for rate in rates:
        yield from (f'trtexec said at batch {rate.batch}: "{warning}"' for warning in rate.warnings)
    for engine in data.engines:
        yield from (f'trtexec passed, but said: "{error}"' for error in engine.errors)
    for title, run in runs:
        yield from (f"{title}: {warning}" for warning in run.warnings)
