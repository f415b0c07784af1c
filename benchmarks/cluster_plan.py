"""Simulate many models on many GPUs: how long it takes, how busy the GPUs are, and what Snakemake needs: Markdown.

usage: python benchmarks/cluster_plan.py FINISHED --dag-s-per-1000-jobs S [--models 1000] [--gpus 64] [--engine-s 120]

Jobs without a GPU take what FINISHED's wall times say, measured on this machine. Jobs with one take ASSUMED_S, which
follows from the configuration's durations and is not measured here; nor is --engine-s, which differs most by model.
S is benchmarks/dag_scale.py's time for the DAG, of which CHECKPOINT_SHARE is spent again after every checkpoint.
A model is one chain of jobs. Each call of Snakemake handles one ended job after another, and knows of an ended job
once it asks: at once on its own machine, at every POLL_S on Slurm.
"""

import argparse
import csv
import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

# Profiled: postprocess() after update_checkpoint_dependencies(), of the time the whole DAG takes.
CHECKPOINT_SHARE = 0.1
# What Snakemake itself needs to start a job and to record its end, seen in its own log.
JOB_S = 0.1
# The Slurm plugin's first and shortest interval.
POLL_S = 40
# Load, warm up and measure: 11 s; ten windows of 2 s after the ramp-up, for the latency too; four short runs of each
# batch that is checked; 50 images; the clip once, twice.
ASSUMED_S = {
    "benchmark": 18,
    "run": 40,
    "measure_latency": 40,
    "check_batch_slots": 60,
    "run_engine": 15,
    "dump_kitti": 25,
    "record_video": 25,
}
BEFORE_GPU = (
    *("list_source", "fetch_source", "copy_config", "export_onnx", "prepare_onnx", "note_graph_kind"),
    *("prove_preprocessing", "run_reference", "write_labels", "write_parser", "compile_parser"),
)
ON_SINGLE_ENGINE = ("benchmark", "dump_kitti", "run_engine", "check_batch_slots", "record_video")
# The slots are checked at the batches of both runs too.
WITH_STREAMS = (*["check_batch_slots", "run"] * 2, "measure_latency")
AFTER_GPU = ("extract_frames", "write_scripts", "judge_kitti", "judge_agreement", "measure_accuracy")
# Of a source on disk; a remote one has fetch_source too.
CHECKPOINTS = {"note_graph_kind", "benchmark", "choose_max_batch", "run"}
JOBS_OF_A_MODEL = 45


@dataclass(frozen=True)
class Step:
    """One job of a model: what it is, whether on a GPU, and its seconds."""

    rule: str
    gpu: bool
    seconds: float


@dataclass
class Call:
    """One call of Snakemake: the seconds a checkpoint's end costs it, and when it has time again."""

    checkpoint_s: float
    free_at: float = 0.0
    busy_s: float = 0.0


@dataclass
class Pool:
    """Equal devices: how many are free, who waits, and the seconds they worked."""

    free: int
    waiting: deque = field(default_factory=deque)
    busy_s: float = 0.0


def chain(finished: Path, engine_s: float, doublings: int) -> list[Step]:
    """Return the jobs of one model in their order."""

    def measured(rule: str) -> Step:
        with (finished / f"logs/rtdetr/wall_time/{rule}.tsv").open() as stream:
            return Step(rule, False, float(next(csv.DictReader(stream, delimiter="\t"))["s"]))

    def assumed(rule: str) -> Step:
        return Step(rule, True, ASSUMED_S[rule])

    engine = [Step("build_engine", True, engine_s), assumed("benchmark")]
    return [
        *map(measured, BEFORE_GPU),
        *engine * (1 + doublings),
        measured("choose_max_batch"),
        *map(assumed, (*ON_SINGLE_ENGINE, *WITH_STREAMS)),
        *map(measured, AFTER_GPU),
    ]


def simulate(
    steps: list[Step], models: int, gpus: int, cpus: int, calls: int, dag_s: float, poll_s: float
) -> dict:
    """Return makespan and waiting in seconds, and the share of it in which GPUs and Snakemake calls were busy.

    `dag_s` is the time for the DAG of 1,000 jobs; the models are spread evenly over the calls.
    """
    chance = random.Random(0)
    jobs = JOBS_OF_A_MODEL * models / calls
    snakemakes = [Call(CHECKPOINT_SHARE * dag_s * jobs / 1000) for _ in range(calls)]
    pools = {True: Pool(gpus), False: Pool(cpus)}
    events: list[tuple[float, int, str, int, int]] = []
    order = 0

    def at(time: float, what: str, model: int, step: int) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (time, order, what, model, step))

    for model in range(models):
        at(dag_s * jobs / 1000, "ready", model, 0)
    now = 0.0
    while events:
        now, _, what, model, number = heapq.heappop(events)
        step = steps[number]
        pool = pools[step.gpu]
        if what == "ready":
            pool.waiting.append((model, number))
        elif what == "ended":
            pool.free += 1
            at(now + chance.uniform(0, poll_s), "seen", model, number)
        else:
            call = snakemakes[model % calls]
            cost = JOB_S + (call.checkpoint_s if step.rule in CHECKPOINTS else 0)
            call.free_at = max(now, call.free_at) + cost
            call.busy_s += cost
            if number + 1 < len(steps):
                at(call.free_at, "ready", model, number + 1)
        while pool.free and pool.waiting:
            pool.free -= 1
            started, which = pool.waiting.popleft()
            pool.busy_s += steps[which].seconds
            at(now + steps[which].seconds, "ended", started, which)
    end = max([now, *(call.free_at for call in snakemakes)])
    return {
        "makespan_h": end / 3600,
        "gpu_pct": 100 * pools[True].busy_s / (gpus * end),
        "snakemake_pct": 100 * max(call.busy_s for call in snakemakes) / end,
    }


def main() -> None:
    """Print one row for each way to spread the models over calls of Snakemake."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("finished", type=Path)
    parser.add_argument("--dag-s-per-1000-jobs", type=float, required=True)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--cpus", type=int, default=128, help="jobs without a GPU at once")
    parser.add_argument("--engine-s", type=float, default=120)
    parser.add_argument("--doublings", type=int, default=1)
    asked = parser.parse_args()
    steps = chain(asked.finished, asked.engine_s, asked.doublings)
    gpu_s, cpu_s = (sum(step.seconds for step in steps if step.gpu is on_gpu) for on_gpu in (True, False))
    print(
        f"A model takes {gpu_s:.0f} s on a GPU and {cpu_s:.0f} s without; {asked.models} models on {asked.gpus}"
    )
    print(f"GPUs take at least {asked.models * gpu_s / asked.gpus / 3600:.2f} h.\n")
    print("| Calls | Jobs are seen after | Makespan | GPUs busy | Busiest Snakemake |\n|---|---|---|---|---|")
    for calls in (1, 8, 64):
        for poll_s in (POLL_S, 0):
            found = simulate(
                steps, asked.models, asked.gpus, asked.cpus, calls, asked.dag_s_per_1000_jobs, poll_s
            )
            seen = f"up to {poll_s} s" if poll_s else "at once"
            print(
                f"| {calls} | {seen} | {found['makespan_h']:.2f} h | {found['gpu_pct']:.0f} % |"
                f" {found['snakemake_pct']:.0f} % |"
            )


if __name__ == "__main__":
    main()
