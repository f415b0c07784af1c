"""The finished reports of several models and trees side by side: ranks, and how many devices some cameras need."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from dsbench.core.errors import BuildError, without_controls
from dsbench.report.conditions import contradiction
from dsbench.report.finished_reports import CLASSES, PLACES
from dsbench.report.report_data import ReportDataError, read_data
from dsbench.report.report_records import BenchmarkData, DeepStreamResults, DeepStreamRun
from dsbench.report.served import deciding_run, served
from dsbench.report.system_facts import SystemFacts
from dsbench.report.text import NOT_MEASURED, count, plain, text

HEAD = (
    *("model", "{place}", "runtime", "MAX_BS", "images/s", "p99 ms", "PEAK streams"),
    *("real-time streams", "FPS/stream", "agreement", "frame p50 ms", "frame p99 ms", "measured"),
)
# What a spreadsheet takes for the beginning of a formula.
FORMULA_SIGNS = ("=", "+", "-", "@")
LONGEST_NAME = 80
# What the tree of the call is called.
HERE = "here"
# What measures on each runtime, and which key of the report's `system` has its version.
TOOLCHAIN = {
    "nvidia": {"TensorRT": "tensorrt", "DeepStream": "deepstream", "driver": "driver"},
    "embedded": {"OpenVINO": "openvino"},
}
# What the reports of a group have in common: the kind of the runtime, the clip, its SHA-256, the target FPS.
Shared = tuple[str, str, str, float]
T = TypeVar("T")
# Images/s of the slowest and of the fastest window.
Interval = tuple[float, float]


@dataclass(frozen=True)
class Contender:
    """What one finished report says of a model in a tree; None is what was not measured.

    `images_per_s` are those of the run that decides, from its slowest window to its fastest. `streams` is how many
    cameras were held at the target rate, by the batch sweep where `is_of_sweep`: 0 where a single one missed it, None
    where every load that was tried did. `missed_from` is the smallest load above it that missed. `accuracy` is the
    runtime's AP@[.5:.95] on the clip's true boxes, `own_accuracy` that of the model alone, `ap_kept` the runtime's with
    the model's own boxes as truth. Of several ranks the model has one; without an interval, or of a disturbed run, it
    has none, and `unranked` says why. `is_on_front` says that no other model is known to be faster and at least as
    accurate.
    """

    model: str
    tree: str
    machine: str
    runtime: str
    toolchain: str
    precision: str
    measured_utc: str
    load_streams: int
    images_per_s: float
    images_per_s_low: float | None
    images_per_s_high: float | None
    streams: int | None
    missed_from: int | None
    is_of_sweep: bool
    trtexec_images_per_s: float
    batch: int
    batch_p99_ms: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    accuracy: float | None
    own_accuracy: float | None
    ap_kept: float | None
    engine_mib: float | None
    build_s: float | None
    report: str
    unranked: str | None = None
    rank_first: int | None = None
    rank_last: int | None = None
    is_on_front: bool = False

    @property
    def interval(self) -> Interval | None:
        """Return the images/s of the slowest and of the fastest window."""
        if self.images_per_s_low is None or self.images_per_s_high is None:
            return None
        return self.images_per_s_low, self.images_per_s_high


@dataclass(frozen=True)
class Need:
    """How many devices, each with its share of a machine as measured, `cameras` at `fps` take of a model.

    `devices` and `headroom_pct`, what those devices have left, are None where one serves no camera, or nobody knows
    how many. `streams` is what one device serves, None where only `missed_from`, which it lies below, is known.
    `is_extrapolated` says that no run held that rate: it follows from the images/s of the slowest window.
    `is_multiplied` says that more devices are meant than the one that was measured. `unranked` is why the model's
    figures have no rank.
    """

    model: str
    tree: str
    machine: str
    cameras: int
    fps: float
    streams: int | None
    missed_from: int | None
    devices: int | None
    headroom_pct: float | None
    is_extrapolated: bool
    is_multiplied: bool
    unranked: str | None


@dataclass(frozen=True)
class RankedGroup:
    """The reports that can be ranked together: of one runtime, one clip and one target rate, the fastest first."""

    runtime_kind: str
    clip: str
    clip_sha256: str
    target_fps: float
    contenders: list[Contender]
    needs: list[Need]


@dataclass(frozen=True)
class LeftOut:
    """A report that cannot be compared, such as one of another version of the project, and why, which names it."""

    report: str
    why: str


@dataclass(frozen=True)
class ModelComparison:
    """All finished reports, in groups that are never ranked together."""

    groups: list[RankedGroup]
    left_out: list[LeftOut]


def compare_models(files: Sequence[str], cameras: Sequence[int], fps: float | None) -> ModelComparison:
    """Return the comparison of the reports in `files`, with what each of the numbers of `cameras` needs.

    `fps` is the cameras' rate; None takes the target rate of each report. Raises BuildError where there is no
    report, or none that can be compared.
    """
    if not files:
        raise BuildError(
            "no model is finished here, so that there is nothing to compare; build one, or name other working"
            " directories in comparison.trees"
        )
    groups: dict[Shared, list[Contender]] = {}
    found, left_out = _of_each(files, lambda data, file: (_shared(data), _contender(data, file)))
    for key, contender in found:
        groups.setdefault(key, []).append(contender)
    # NVIDIA's come first.
    keys = sorted(groups, key=lambda key: (key[0] != "nvidia", *key[1:]))
    return ModelComparison([_group(key, groups[key], cameras, fps) for key in keys], left_out)


def _of_each(files: Sequence[str], take: Callable[[BenchmarkData, Path], T]) -> tuple[list[T], list[LeftOut]]:
    """Return what `take` takes of each report in `files`, and those that cannot be read.

    Raises BuildError where none can.
    """
    taken, left_out = [], []
    for file in map(Path, files):
        try:
            taken.append(take(read_data(file), file))
        except ReportDataError as error:
            left_out.append(LeftOut(_shown_path(file), without_controls(str(error))))
    if not taken:
        raise BuildError(f"{left_out[0].why} No other report can be compared either.")
    return taken, left_out


def _shared(data: BenchmarkData) -> Shared:
    return data.runtime.kind, _name(data.video.file), data.video.sha256, data.target_fps


def _contender(data: BenchmarkData, file: Path) -> Contender:
    _, run = deciding_run(data)
    system, trt, latency = data.system, data.trtexec.bsmax, data.deepstream.latency
    accuracy, engine = data.validation.accuracy, data.engines[-1]
    truth = accuracy.truth
    return Contender(
        model=_name(data.model_name),
        tree=_name(_shown_path(file.parents[3])),
        machine=_name(system.gpu or f"{system.cpu}, {system.cpu_cores} cores"),
        runtime=_name(data.runtime.name),
        toolchain=_toolchain(system, data.runtime.kind),
        precision=_name(engine.precision),
        measured_utc=data.measured_utc,
        load_streams=run.streams,
        images_per_s=run.total_fps,
        images_per_s_low=run.total_fps_min,
        images_per_s_high=run.total_fps_max,
        **vars(served(data)),
        trtexec_images_per_s=trt.imgs_per_sec,
        batch=trt.batch,
        batch_p99_ms=trt.p99_ms,
        latency_p50_ms=latency.p50_ms if latency else None,
        latency_p95_ms=latency.p95_ms if latency else None,
        latency_p99_ms=latency.p99_ms if latency else None,
        accuracy=truth.runtime.every.ap if truth else None,
        own_accuracy=truth.model.every.ap if truth else None,
        ap_kept=accuracy.stages[-1].accuracy.every.ap if accuracy.is_told else None,
        engine_mib=engine.size_mib,
        build_s=engine.build_s,
        report=_shown_path(file),
        unranked=_why_unranked(data.deepstream, run),
    )


def _toolchain(system: SystemFacts, kind: str) -> str:
    named = ((title, getattr(system, name)) for title, name in TOOLCHAIN[kind].items())
    return _name(", ".join(f"{title} {version}" for title, version in named if version is not None))


def _shown_path(path: Path) -> str:
    """Return `path` from the working directory, where it is below that."""
    here = Path.cwd()
    if path == here:
        return HERE
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _name(value: object) -> str:
    """Return text of a report as one line of bounded length; another tree's may say anything."""
    line = plain(value)
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


def _why_unranked(deepstream: DeepStreamResults, run: DeepStreamRun) -> str | None:
    if run.conditions.is_disturbed or contradiction(deepstream.run1, deepstream.run2):
        return "the run was disturbed"
    return "its windows are not known" if None in (run.total_fps_min, run.total_fps_max) else None


def _group(shared: Shared, found: list[Contender], cameras: Sequence[int], fps: float | None) -> RankedGroup:
    ordered = sorted(found, key=lambda each: (-each.images_per_s, each.model, each.tree))
    ranked = _with_ranks(ordered)
    target_fps = shared[-1]
    needs = [need(each, count, fps or target_fps, target_fps) for each in ranked for count in cameras]
    return RankedGroup(*shared, ranked, needs)


def _with_ranks(found: Sequence[Contender]) -> list[Contender]:
    """Return the contenders with the ranks that each may have: intervals that overlap leave their order open."""
    ends = [each.interval for each in found if each.interval and not each.unranked]
    marked = [replace(each, is_on_front=is_on_front(each, found)) for each in found]
    return [
        _ranked(each, each.interval, ends) if each.interval and not each.unranked else each for each in marked
    ]


def _ranked(one: Contender, own: Interval, all_ends: Sequence[Interval]) -> Contender:
    slowest, fastest = own
    return replace(
        one,
        rank_first=1 + sum(low > fastest for low, _ in all_ends),
        rank_last=sum(high >= slowest for _, high in all_ends),
    )


def is_on_front(one: Contender, found: Sequence[Contender]) -> bool:
    """Return whether no other contender is known to be faster, beyond both intervals, and at least as accurate.

    What has no rank is on no front, and keeps nobody off it.
    """
    if one.accuracy is None or one.unranked or one.interval is None:
        return False
    fastest = one.interval[1]
    return not any(
        each.interval[0] > fastest and each.accuracy >= one.accuracy
        for each in found
        if each.accuracy is not None and each.interval and not each.unranked
    )


def need(one: Contender, cameras: int, fps: float, target_fps: float) -> Need:
    """Return what `cameras` at `fps` need: from the streams that were held at that rate, else from its images/s."""
    is_extrapolated = fps != target_fps
    slowest = one.images_per_s if one.images_per_s_low is None else one.images_per_s_low
    streams = math.floor(slowest / fps) if is_extrapolated else one.streams
    devices = math.ceil(cameras / streams) if streams else None
    headroom_pct = 100 * (1 - cameras / (devices * streams)) if devices and streams else None
    return Need(
        model=one.model,
        tree=one.tree,
        machine=one.machine,
        cameras=cameras,
        fps=fps,
        streams=streams,
        missed_from=None if is_extrapolated else one.missed_from,
        devices=devices,
        headroom_pct=headroom_pct,
        is_extrapolated=is_extrapolated,
        is_multiplied=devices is not None and devices > 1,
        unranked=one.unranked,
    )


def title_of(group: RankedGroup) -> str:
    """Return what the numbers of a group share, as a heading."""
    maker = "NVIDIA's runtime" if group.runtime_kind == "nvidia" else "Embedded runtime (CPU)"
    return f"{maker}, {Path(group.clip).name}, {group.target_fps:g} FPS"


def has_other_trees(group: RankedGroup) -> bool:
    """Return whether a model's name alone does not tell its report."""
    return len({each.tree for each in group.contenders}) > 1


def rank_words(one: Contender) -> str:
    """Return the rank, "2-3" where intervals overlap; "" where there is none."""
    if one.rank_first is None:
        return ""
    return str(one.rank_first) if one.rank_first == one.rank_last else f"{one.rank_first}-{one.rank_last}"


def comparison_csv(comparison: ModelComparison) -> str:
    """Return a line for each contender, with its group's runtime, clip and rate; what was not measured is empty."""
    rows = [
        {"runtime_kind": group.runtime_kind, "clip": group.clip, "target_fps": group.target_fps, **vars(each)}
        for group in comparison.groups
        for each in group.contenders
    ]
    names = ("runtime_kind", "clip", "target_fps", *(field.name for field in fields(Contender)))
    output = io.StringIO()
    writer = csv.DictWriter(output, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return output.getvalue()


def _cell(value: object) -> object:
    """Return `value` as a spreadsheet shows it: text that begins like a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value


def class_table(files: list[str], directory: Path = CLASSES) -> str:
    """Return the table of `files`, a line for each model and folder; rates per s, latencies in ms: of a batch of
    MAX_BS, then of a frame.

    `directory`, classes or shards, has the folders. Below it stands a line for each report that cannot be read. Raises
    BuildError where none can.
    """
    place, how = PLACES[directory.name]
    if not files:
        raise BuildError(f"{directory}: no finished report of any {place}; {how}, then ask again")
    found, left_out = _of_each(files, lambda data, file: _row(data, file, directory))
    head = tuple(title.format(place=place) for title in HEAD)
    lines = [head, ("---",) * len(head), *sorted(found)]
    table = "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
    if not left_out:
        return table
    said = "".join(f"- {text(each.why)}\n" for each in left_out)
    return f"{table}\n{count(len(left_out), 'report')} could not be compared:\n\n{said}"


def _row(data: BenchmarkData, file: Path, directory: Path) -> tuple[str, ...]:
    best, run2, latency = data.trtexec.bsmax, data.deepstream.run2, data.deepstream.latency
    return (
        data.model_name,
        "/".join(part for part in file.relative_to(directory).parts[:-4] if part != "classes"),
        data.runtime.name,
        str(data.max_bs),
        _number(best.imgs_per_sec, 1),
        _number(best.p99_ms, 2),
        str(data.peak_gpu_streams),
        _number(data.deepstream.rt_streams, 0),
        _number(run2.fps_per_stream if run2 else None, 1),
        _number(data.validation.agreement.recall, 3),
        _number(latency.p50_ms if latency else None, 1),
        _number(latency.p99_ms if latency else None, 1),
        data.measured_utc,
    )


def _number(value: float | None, digits: int) -> str:
    return NOT_MEASURED if value is None else f"{value:.{digits}f}"
