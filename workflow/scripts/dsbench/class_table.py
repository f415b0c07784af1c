"""The finished reports of several GPU classes side by side, as a Markdown table."""

from pathlib import Path

from dsbench.errors import BuildError
from dsbench.report_data import read_data

CLASSES = Path("classes")
HEAD = (
    *("model", "class", "runtime", "MAX_BS", "images/s", "p99 ms", "PEAK streams"),
    *("real-time streams", "FPS/stream", "agreement", "measured"),
)
NOT_MEASURED = "not measured"


def finished_reports(directory: Path = CLASSES) -> list[str]:
    """Return the benchmark_data.json of every class and model that has one, in order."""
    return sorted(str(file) for file in directory.glob("*/models/*/reports/benchmark_data.json"))


def class_table(files: list[str]) -> str:
    """Return the table of `files`, a line for each model and class; latency at MAX_BS in ms, rates per s."""
    if not files:
        raise BuildError(
            f"{CLASSES}: no finished report of any class; build one with --config gpu_class=NAME, then ask again"
        )
    rows = sorted(_row(Path(file)) for file in files)
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def _row(file: Path) -> tuple[str, ...]:
    data = read_data(file)
    best, run2 = data["trtexec"]["bsmax"], data["deepstream"]["run2"] or {}
    return (
        data["model_name"],
        file.parts[-5],
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
