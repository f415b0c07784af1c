"""Models on one GPU: how much longer the whole build takes than its GPU jobs alone.

Snakemake schedules this project's own Snakefile and rules, in virtual time (snakemake_executor_plugin_virtual).
Prints a Markdown table: the rules as they are, the same without what orders them, and the plain rules, in which each
measurement has all cores, as the embedded runtime needs it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from dsbench.dag.jobs import link_project  # noqa: E402

FAKES = ROOT / "tests/fakes"
ALONE = ("MEASURING_THREADS = ", "MEASURING_THREADS = workflow.cores or ")
PRIORITY = re.compile(r"^ +priority: .*\n", re.M)
PLAIN = re.compile(r"^ +priority: .*\n|beside_gpu=1,", re.M)
ORDERS = {
    "as it is": lambda text: text,
    "without its limit beside the GPU": lambda text: text.replace("beside_gpu=1", "beside_gpu=0"),
    "without priorities": lambda text: PRIORITY.sub("", text),
    "plain: measurements alone, no order": lambda text: PLAIN.sub("", text).replace(*ALONE),
}
TITLES = (
    *("Rules", "GPU jobs", "other jobs", "GPU total (s)", "makespan (s)", "makespan / GPU total"),
    "GPU idle before, between, after (s)",
)


def main() -> None:
    """Print one row for each order of the jobs."""
    arguments = _arguments()
    print(f"{arguments.models} models, one GPU, {arguments.cores} cores\n")
    print(f"| {' | '.join(TITLES)} |\n|{'---|' * len(TITLES)}")
    for order in arguments.orders:
        with tempfile.TemporaryDirectory(prefix="makespan-") as folder:
            jobs = build(Path(folder), order, arguments.models, arguments.cores)
        print(f"| {' | '.join([order, *_figures(jobs)])} |", flush=True)


def build(folder: Path, order: str, models: int, cores: int) -> list[dict]:
    """Build that many models in `folder` and return the jobs, each with its rule, begin and end in s and `gpu`."""
    project, work = folder / "project", folder / "work"
    link_project(project, own=["rules"])
    (project / "rules").mkdir()
    for rules in (ROOT / "rules").glob("*.smk"):
        (project / "rules" / rules.name).write_text(ORDERS[order](rules.read_text()))
    (work / "config").mkdir(parents=True)
    config = (ROOT / "config/config.yaml").read_text()
    named = "".join(f"  m{number}: {{source: demo/checkpoint}}\n" for number in range(models))
    settings = re.sub(r"^models:\n(?:  .*\n)+", f"models:\n{named}", config, flags=re.M)
    (work / "config/config.yaml").write_text(settings.replace("runtime: auto", "runtime: nvidia"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile")),
            *("--directory", str(work), "--workflow-profile", "none", "--executor", "virtual"),
            *("--cores", str(cores), "--resources", "gpu=1"),
            # The reports of jobs that do nothing have no numbers to show at the end.
            *("--quiet", "progress"),
        ],
        env=os.environ
        | {
            "PATH": f"{FAKES}:{FAKES / 'gstreamer'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "benchmarks"),
            "DS_VIDEO": "",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-4000:])
    return [json.loads(line) for line in (work / "jobs.jsonl").read_text().splitlines()]


def _figures(jobs: list[dict]) -> list[str]:
    gpu = sorted((job for job in jobs if job["gpu"]), key=lambda job: job["begin_s"])
    for one, other in pairwise(gpu):
        if other["begin_s"] < one["end_s"]:
            raise SystemExit(f"{one['rule']} and {other['rule']} were on the GPU at once")
    total_s = sum(job["end_s"] - job["begin_s"] for job in gpu)
    makespan_s = max(job["end_s"] for job in jobs)
    before_s, after_s = gpu[0]["begin_s"], makespan_s - gpu[-1]["end_s"]
    idle_s = (before_s, makespan_s - total_s - before_s - after_s, after_s)
    return [
        str(len(gpu)),
        str(len(jobs) - len(gpu)),
        f"{total_s:.0f}",
        f"{makespan_s:.0f}",
        f"{makespan_s / total_s:.3f}",
        ", ".join(f"{seconds:.0f}" for seconds in idle_s),
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--orders", nargs="+", choices=list(ORDERS), default=list(ORDERS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
