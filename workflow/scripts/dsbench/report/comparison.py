"""The finished reports of several GPU classes, or of several shards, side by side as a Markdown table."""

from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.report.report_data import read_data
from dsbench.report.text import NOT_MEASURED

CLASSES = Path("classes")
HEAD = (
    *("model", "{place}", "runtime", "MAX_BS", "images/s", "p99 ms", "PEAK streams"),
    *("real-time streams", "FPS/stream", "agreement", "measured"),
)
# What the folders of a directory are called, and how one comes to be.
PLACES = {
    "classes": ("class", "build one with --config gpu_class=NAME"),
    "shards": ("shard", "start one with a line that `snakemake shards` prints"),
}


def finished_reports(directory: Path = CLASSES) -> list[str]:
    """Return the benchmark_data.json of every folder in `directory` and model that has one, in order."""
    folders = ("*", "*/classes/*")
    found = (directory.glob(f"{folder}/models/*/reports/benchmark_data.json") for folder in folders)
    return sorted(str(file) for files in found for file in files)


def class_table(files: list[str], directory: Path = CLASSES) -> str:
    """Return the table of `files`, a line for each model and folder; latency at MAX_BS in ms, rates per s.

    `directory`, classes or shards, has the folders.
    """
    place, how = PLACES[directory.name]
    if not files:
        raise BuildError(f"{directory}: no finished report of any {place}; {how}, then ask again")
    rows = sorted(_row(Path(file), directory) for file in files)
    head = tuple(title.format(place=place) for title in HEAD)
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def _row(file: Path, directory: Path) -> tuple[str, ...]:
    data = read_data(file)
    best, run2 = data["trtexec"]["bsmax"], data["deepstream"]["run2"] or {}
    return (
        data["model_name"],
        "/".join(part for part in file.relative_to(directory).parts[:-4] if part != "classes"),
        data["runtime"]["name"],
        str(data["max_bs"]),
        _number(best["imgs_per_sec"], 1),
        _number(best["p99_ms"], 2),
        str(data["peak_gpu_streams"]),
        _number(data["deepstream"]["rt_streams"], 0),
        _number(run2.get("fps_per_stream"), 1),
        _number(data["validation"]["agreement"]["recall"], 3),
        data["measured_utc"],
    )


def _number(value: float | None, digits: int) -> str:
    return NOT_MEASURED if value is None else f"{value:.{digits}f}"
