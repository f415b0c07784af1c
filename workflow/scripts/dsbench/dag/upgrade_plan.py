"""What would be rebuilt, why, and how long it took when it last ran."""

import ast
import json
from pathlib import Path

from dsbench.core.errors import without_controls
from dsbench.dag.terminal import duration, step_name
from dsbench.machine.node_facts import fact_change, fact_words
from dsbench.machine.toolchain import read_fact
from dsbench.report.system_facts import wall_time

UNKNOWN = "unknown"
MISSING = "missing files"
WIDEST_VALUE = 60
MOST_LISTED = 4
# What Snakemake says of a job as yes or no: where it is, and what it is.
REASONS = {
    "is_script_changed": ("script", "is newer"),
    "is_input_set_changed": ("inputs", "other files than before"),
    "is_environment_changed": ("environment", "its definition changed"),
}


def upgrade_plan(jobs: list[dict], facts: Path) -> str:
    """Return the plan as lines for a terminal, from `dag_jobs` and the facts recorded in `facts`.

    Times are s as last measured; a job that was never measured has none, and the total says how many these are.
    """
    rows = {number: job for number, job in enumerate(jobs) if job["runs"] and job["output"]}
    if not rows:
        return "Upgrade plan: nothing would be rebuilt.\n"
    causes = _causes(jobs, facts)
    took_s = {number: _took_s(job) for number, job in rows.items()}
    return "\n".join(
        [
            _headline(list(took_s.values()), sum(bool(job["output"]) for job in jobs)),
            "",
            "Changed:",
            *_changes(causes),
            "",
            "Would run, in this order, with the time it last took:",
            *_table(
                [
                    (_name(job), _seconds(took_s[number]), _why(causes[number]["all"]))
                    for number, job in rows.items()
                ]
            ),
            "",
            "New numbers may move MAX_BS and the streams of both runs; more engines and runs would follow.\n",
        ]
    )


def _causes(jobs: list[dict], facts: Path) -> list[dict]:
    """Return for each job its own reasons, short name to sentence, and the short names of all before it as well."""
    found: list[dict] = []
    for job in jobs:
        own = _own_causes(job, facts) if job["runs"] and job["output"] else {}
        before = [name for need in job["needs"] if job["runs"] for name in found[need]["all"]]
        found.append({"own": own, "all": list(dict.fromkeys([*own, *before]))})
    return found


def _own_causes(job: dict, facts: Path) -> dict[str, str]:
    reason = job["reason"]
    if job["rule"] == "record_fact":
        fact = job["wildcards"]["fact"]
        return {fact: f"{fact}: {_fact_change(facts / f'{fact}.json', job)}"}
    causes = {file: f"{file}: is newer and differs" for file in reason["updated"]}
    if missing := [*reason["missing"], *reason["incomplete"]]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        causes[MISSING] = f"{missing[0]}{more} of {_name(job)}: missing or left half made"
    if reason["params_now"] or reason["params_before"]:
        causes |= _parameter_cause(job)
    for key, words in REASONS.items():
        if reason[key]:
            causes[f"{words[0]} of {job['rule']}"] = f"{words[0]} of {job['rule']}: {words[1]}"
    return causes


def _parameter_cause(job: dict) -> dict[str, str]:
    """Return the changed parameters; Snakemake keeps values without names, so old ones stand for all of a job."""
    reason = job["reason"]
    names = [name for name, value in job["params"].items() if value in reason["params_now"]]
    if names == ["code"]:
        return {f"code of {job['rule']}": f"code of {job['rule']}: a library module it uses was edited"}
    title = f"{' and '.join(names) or 'parameters'} of {job['rule']}"
    before, now = (
        " and ".join(map(_short, reason[key])) or "none" for key in ("params_before", "params_now")
    )
    return {title: f"{title}: {before} -> {now}"}


def _fact_change(file: Path, job: dict) -> str:
    now = json.loads(ast.literal_eval(job["params"]["value"]))
    if not file.is_file():
        return f"not recorded -> {_short(fact_words(now))}"
    return " -> ".join(map(_short, fact_change(read_fact(file), now)))


def _short(value: str) -> str:
    """Return a value on one line, cut where it would not fit beside another."""
    line = without_controls(" ".join(value.split()))
    return line if len(line) <= WIDEST_VALUE else f"{line[: WIDEST_VALUE - 3]}..."


def _changes(causes: list[dict]) -> list[str]:
    """Return a line for each change; many missing files, as in a tree that is not made yet, are one."""
    missing = [entry["own"][MISSING] for entry in causes if MISSING in entry["own"]]
    others = {line for entry in causes for name, line in entry["own"].items() if name != MISSING}
    if len(missing) > MOST_LISTED:
        missing = [f"{MISSING}: those of {len(missing)} jobs"]
    return [f"  {line}" for line in [*sorted(others), *missing]]


def _why(names: list[str]) -> str:
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _took_s(job: dict) -> float | None:
    return wall_time(Path(job["benchmark"])).wall_s if job["benchmark"] else None


def _name(job: dict) -> str:
    return step_name(job["rule"], job["wildcards"])


def _headline(took_s: list[float | None], jobs: int) -> str:
    known = [seconds for seconds in took_s if seconds is not None]
    total = f"{_seconds(sum(known))} one after another" if known else f"time {UNKNOWN}"
    unmeasured = len(took_s) - len(known)
    more = f", and {UNKNOWN} for {unmeasured} never measured" if known and unmeasured else ""
    return f"Upgrade plan: {len(took_s)} of {jobs} jobs would run, {total}{more}."


def _seconds(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else duration(seconds)


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"  {name:<{widths[0]}}  {time:>{widths[1]}}  {why}" for name, time, why in rows]
