"""Values and findings as Markdown that renders as the same characters and nothing else."""

import math
import re
import unicodedata

from dsbench.report.notes import NotedFloat, NotedInt

NOT_MEASURED = "not measured"
# Less is 0.0 in a table.
LEAST_SHOWN_MS = 0.05
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_CODE_SAFE = re.compile(r"[\w ./:+=,@%()\[\]#{};&\"'*-]+")


class Markdown(str):
    """Text that is Markdown already, so it is not escaped again."""

    __slots__ = ()


def plain(value: object) -> str:
    """Return `value` as one line: controls, bidi marks and line breaks become single spaces."""
    visible = "".join(" " if unicodedata.category(c) in _UNSEEN else c for c in str(value))
    return " ".join(visible.split())


def text(value: object) -> Markdown:
    """Return `value` as one line that no Markdown renderer reads as markup, link, HTML or table border."""
    line = plain(value).replace("&", "&amp;").replace("<", "&lt;")
    line = re.sub(r"([\\`*\[\]|#~$]|(?<![^\W_])_|_(?![^\W_]))", lambda found: f"&#{ord(found[1])};", line)
    # GitHub turns bare addresses into links; a line that starts like a quote or list item becomes one.
    line = line.replace("://", "&#58;//").replace("www.", "www&#46;")
    line = re.sub(r"^(\d+(?=[.)](?:\s|$))|)([->+=.)])", lambda found: f"{found[1]}&#{ord(found[2])};", line)
    return Markdown(line)


def apart(value: object) -> Markdown:
    """Return `value` as text that keeps its place in a list, also where it is read from right to left."""
    line = text(value)
    return line if line.isascii() else Markdown(f"{line}&lrm;")


def code(value: object) -> Markdown:
    """Return `value` as a code span, or as escaped text where a code span could be broken; None as text."""
    if value is None:
        return Markdown(NOT_MEASURED)
    line = plain(value)
    return Markdown(f"`{line}`") if _CODE_SAFE.fullmatch(line) else text(line)


def fence(value: str) -> Markdown:
    """Return the lines of `value` as a fenced shell block that they cannot close."""
    lines = value.replace("\r\n", "\n").expandtabs().split("\n")
    lines = ["".join("\ufffd" if unicodedata.category(c) in _UNSEEN else c for c in line) for line in lines]
    body = "\n".join(lines).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    bars = "`" * max(3, longest + 1)
    return Markdown(f"{bars}sh\n{body}\n{bars}")


def switch(value: bool | None) -> Markdown:
    """Return "on" or "off"; None as "not measured"."""
    return Markdown(NOT_MEASURED if value is None else "on" if value else "off")


def number(value: float | None, decimals: int = 0, unit: str = "") -> Markdown:
    """Return `value` with thousands separators, `decimals` places, its note and its unit; None as "not measured"."""
    if value is None:
        return Markdown(NOT_MEASURED)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number that can be reported; expected a finite one or null")
    note = value.note if isinstance(value, NotedInt | NotedFloat) else ""
    return Markdown(f"{value:,.{decimals}f}{note} {unit}".rstrip())


def spread(value: float | None, uncertainty: float | None, decimals: int) -> Markdown:
    """Return `value` with its spread behind ±, where that is known."""
    shown = number(value, decimals)
    if value is None or uncertainty is None:
        return shown
    # A count is known to less than one where it is rounded down from a rate.
    return Markdown(f"{shown} ± {number(uncertainty, max(decimals, 1))}")


def change(percent: float | None) -> Markdown:
    """Return a difference in percent with its sign; None as nothing, as of a value that was 0."""
    return Markdown("" if percent is None else f"{percent:+.1f} %")


def count(value: int, noun: str) -> Markdown:
    """Return `value` with its noun, in the plural unless it is 1."""
    return Markdown(f"{value:,} {noun}{'' if value == 1 else 's'}")


def score_cells(row: dict) -> Markdown:
    """Return the cells of a row of accuracy.json: four average precisions, the mean IoU and the shift in x and y."""
    shares = ("ap", "ap_50", "ap_75", "ap_90", "mean_iou")
    cells = [number(row[key], 3) for key in shares] + [number(row[f"shift_{axis}_px"], 2) for axis in "xy"]
    return Markdown(" | ".join(cells))


def shape(dimensions: list) -> Markdown:
    """Return tensor dimensions as `batch x 3 x 320 x 320`."""
    return Markdown(" x ".join(text(dimension) for dimension in dimensions))


def finalize(value: object) -> str:
    """Return what a template expression prints: Markdown as it is, everything else escaped."""
    if isinstance(value, Markdown):
        return value
    if value is None:
        return NOT_MEASURED
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else text(value)


def time_between_components_ms(latency: dict) -> float:
    """Return how much of a frame's mean latency no component had, in ms; 0 for what is no tenth of one."""
    between_ms = latency["mean_ms"] - sum(each["mean_ms"] for each in latency["components"])
    return between_ms if between_ms >= LEAST_SHOWN_MS else 0.0


GPU_FIGURES = (
    ("GPU SM clock (MHz)", "sm_clock_mhz", 0),
    ("GPU memory clock (MHz)", "memory_clock_mhz", 0),
    ("GPU power (W)", "power_w", 0),
    ("GPU temperature (°C)", "temperature_c", 0),
    ("SM utilisation (%)", "sm_pct", 0),
    ("NVDEC utilisation (%)", "nvdec_pct", 0),
    ("GPU memory utilisation (%)", "memory_pct", 0),
    ("GPU memory in use (MiB)", "memory_used_mib", 0),
)


def condition_rows(runs: list[dict], kind: str = "nvidia") -> list[tuple[str, list[Markdown]]]:
    """Return table rows, a title with one cell for each run, from the runs' `conditions`.

    Ranges read `mean (min to max)`. A run of the embedded runtime (`kind`) has no rows of a GPU; of another one,
    without any sample of a GPU, one row says so.
    """
    conditions = [run["conditions"] for run in runs]
    samples = [entry["samples"] for entry in conditions]
    gpus = [entry and entry["gpu"] for entry in samples]
    rows = [
        ("Bound by", [bound(entry) for entry in conditions]),
        # Only a GPU's samples tell what disturbed a run.
        *([("Disturbed", [_disturbed(entry) for entry in conditions])] if kind == "nvidia" else []),
        ("Measured again", [text(entry["repeated"] or "no") for entry in conditions]),
        ("CPU utilisation (%)", [_range(entry and entry["cpu_pct"], 0) for entry in samples]),
    ]
    if kind == "embedded":
        return rows
    if not any(gpus):
        return [*rows, ("GPU samples", [Markdown(NOT_MEASURED) for _ in gpus])]
    rows += [
        ("GPU measured on", [_device(gpu) for gpu in gpus]),
        ("MPS", [_answer(gpu and gpu["mps"]) for gpu in gpus]),
        ("On other MIG instances", [_names(gpu and gpu["mig_neighbours"]) for gpu in gpus]),
    ]
    for title, key, decimals in GPU_FIGURES:
        rows.append((title, [_range(gpu and gpu[key], decimals) for gpu in gpus]))
    return rows


def bound(conditions: dict) -> Markdown:
    """Return what bound a run, with the figures that say so."""
    if conditions["because"] is None:
        return Markdown(NOT_MEASURED)
    return text(f"{conditions['bound_by'] or 'nothing found'}: {conditions['because']}")


def is_disturbed(run: dict) -> bool:
    """Return whether something is known to have disturbed the run."""
    return bool(run["conditions"]["disturbances"])


def _disturbed(conditions: dict) -> Markdown:
    found = conditions["disturbances"]
    if found is None:
        return Markdown(NOT_MEASURED)
    return text("; ".join(found)) if found else Markdown("no")


def _device(gpu: dict | None) -> Markdown:
    if gpu is None or gpu["device"]["uuid"] is None:
        return Markdown(NOT_MEASURED)
    device = gpu["device"]
    return text(f"{device['mig'] or device['name']}, index {device['index']}, {device['uuid']}")


def _answer(value: bool | None) -> Markdown:
    return Markdown(NOT_MEASURED if value is None else "yes" if value else "no")


def _names(processes: list[dict] | None) -> Markdown:
    if processes is None:
        return Markdown(NOT_MEASURED)
    return text(", ".join(f"{each['name']} ({each['pid']})" for each in processes) or "nothing")


def _range(values: dict | None, decimals: int) -> Markdown:
    if values is None:
        return Markdown(NOT_MEASURED)
    # All three stand in one line, so that one note tells of them.
    low, mean, high = (
        number(value, decimals) for value in (float(values["min"]), values["mean"], float(values["max"]))
    )
    return Markdown(f"{mean} ({low} to {high})")
