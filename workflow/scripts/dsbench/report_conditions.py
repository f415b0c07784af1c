"""The report's words for what bound a run and what disturbed it."""

from dsbench.report_text import NOT_MEASURED, Markdown, number, text

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


def condition_rows(runs: list[dict]) -> list[tuple[str, list[Markdown]]]:
    """Return table rows, a title with one cell for each run, from the runs' `conditions`.

    Ranges read `mean (min to max)`; without any sample of a GPU one row says so.
    """
    conditions = [run["conditions"] for run in runs]
    samples = [entry["samples"] for entry in conditions]
    gpus = [entry and entry["gpu"] for entry in samples]
    rows = [
        ("Bound by", [bound(entry) for entry in conditions]),
        ("Disturbed", [_disturbed(entry) for entry in conditions]),
        ("Measured again", [text(entry["repeated"] or "no") for entry in conditions]),
        ("CPU utilisation (%)", [_range(entry and entry["cpu_pct"], 0) for entry in samples]),
    ]
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
    low, mean, high = (number(values[key], decimals) for key in ("min", "mean", "max"))
    return Markdown(f"{mean} ({low} to {high})")
