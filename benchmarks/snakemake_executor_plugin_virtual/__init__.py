"""A Snakemake executor in virtual time: a job takes SECONDS of it, does nothing and leaves what the next ones read.

The clock moves on when Snakemake's scheduler waits, to the end of the job that ends first; so the schedule is exactly
Snakemake's own, and what Snakemake itself takes to decide is not in it. Every job is a line of jobs.jsonl.
"""

from __future__ import annotations

import heapq
import json
import sys
from pathlib import Path
from threading import Semaphore

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecMode

common_settings = CommonSettings(
    non_local_exec=False,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
)

# Assumed for a detector of 50 million parameters on a data-centre GPU, and 1 s for every other rule.
SECONDS = {
    "build_engine": 120,
    "benchmark_engine": 20,
    "benchmark_engine_b1": 18,
    "dump_kitti": 15,
    "check_batch_slots": 40,
    "record_video": 15,
    "benchmark_streams": 30,
    "measure_latency": 30,
    "export_onnx": 60,
    "prepare_onnx": 20,
    "prove_preprocessing": 20,
    "run_reference": 40,
    "run_engine": 10,
    "judge_agreement": 10,
    "measure_accuracy": 10,
    "compile_parser": 10,
    "extract_frames": 3,
    "draw_charts": 3,
    "print_pdf": 5,
}
IMAGES_PER_S, TOTAL_FPS = 2400, 2000
STAMP = "[08/02/2026-10:35:55] [I]"


class Clock(Semaphore):
    """The semaphore that the scheduler waits at for a job to end; `advance` ends one."""

    def __init__(self, advance):
        super().__init__(0)
        self._advance = advance

    def acquire(self, blocking=True, timeout=None):
        """Take what a job that ended has released, ending one first where there is none."""
        while not super().acquire(blocking=False):
            self._advance()
        return True


class Executor(RealExecutor):
    """Runs jobs in virtual time, in s since the first one."""

    def __post_init__(self):
        self._now_s = 0.0
        self._count = 0
        self._running = []

    def run_job(self, job):
        """Start a job; it ends when all that end before it have."""
        scheduler = self.workflow.scheduler
        if not isinstance(scheduler._open_jobs, Clock):
            scheduler._open_jobs = Clock(self._advance)
            # A limit in jobs for each second of real time.
            scheduler.job_rate_limiter = None
            scheduler.resources["_job_count"] = sys.maxsize
        info = SubmittedJobInfo(job=job)
        self.report_job_submission(info)
        self._count += 1
        end_s = self._now_s + SECONDS.get(job.rule.name, 1)
        heapq.heappush(self._running, (end_s, self._count, self._now_s, info))

    def _advance(self):
        self._now_s, _, begin_s, info = heapq.heappop(self._running)
        job = info.job
        for made in [*job.output, *([job.benchmark] if job.benchmark else [])]:
            output = Path(made)
            if made.is_directory:
                output.mkdir(parents=True, exist_ok=True)
                continue
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(_content(job, output))
        has_gpu = job.resources.get("gpu") == 1
        row = {"rule": job.rule.name, "begin_s": begin_s, "end_s": self._now_s, "gpu": has_gpu}
        with Path("jobs.jsonl").open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        self.report_job_success(info)

    @property
    def cores(self):
        """Return the cores that the build may use."""
        return self.workflow.resource_settings.cores

    def get_exec_mode(self):
        """Return the mode of jobs in processes of their own; there are none."""
        return ExecMode.SUBPROCESS

    def get_python_executable(self):
        """Return the interpreter of jobs in processes of their own; there are none."""
        return sys.executable

    def cancel(self):
        """Forget what runs."""
        self._running.clear()

    def shutdown(self):
        """Nothing is left to end."""


def _content(job, output: Path) -> str:
    """Return what the rules read from a job's file; no rule reads the others."""
    if output.name.startswith("trtexec_b"):
        text = _trtexec_log(int(job.wildcards.get("batch", 1)))
    elif output.name.startswith("ds_s") and output.suffix == ".log":
        text = _deepstream_log(int(job.wildcards.streams))
    elif output.parent.name == "graph_kinds":
        text = json.dumps({"batch": "dynamic", "parser_source": "sigmoid_queries.cpp"})
    elif output.name == "target_fps.json":
        text = json.dumps({"target_fps": 30.0, "from": "clip"})
    elif job.rule.name == "record_fact":
        text = job.params.value
    else:
        text = "pretended"
    return f"{text}\n"


def _trtexec_log(batch: int) -> str:
    qps = IMAGES_PER_S / batch
    points = ("min", "max", "mean", "median", "percentile(99%)")
    times = ", ".join(f"{point} = {990 / qps:g} ms" for point in points)
    banner = "TensorRT.trtexec [TensorRT v101600] [b72] # trtexec"
    return (
        f"&&&& RUNNING {banner}\n{STAMP} === Performance summary ===\n{STAMP} Throughput: {qps:g} qps\n"
        f"{STAMP} GPU Compute Time: {times}\n&&&& PASSED {banner}"
    )


def _deepstream_log(streams: int) -> str:
    row = "**PERF:  " + f"{TOTAL_FPS / streams:.2f} ({TOTAL_FPS / streams:.2f})\t" * streams
    return "\n".join(
        [
            "Use deserialized engine model: m.engine",
            *[row] * 12,
            "** ERROR: <_intr_handler:136>: User Interrupted.. ",
            "Quitting",
            "App run successful",
        ]
    )
