"""benchmark_data.json: every number of the report, from logs that were accepted and from nothing else."""

import csv
from dataclasses import dataclass
from pathlib import Path

from dsbench.perf_log import StreamRun, read_run
from dsbench.streams import peak_gpu_streams, real_time_streams
from dsbench.tool_run import ended_utc
from dsbench.trtexec_log import Measurement, read_build, read_measurement

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class MeasuredLogs:
    """The accepted logs of one model, below `tree`; the chain is in the order of doubling."""

    tree: Path
    batches: list[int]
    build_logs: list[Path]
    chain_logs: list[Path]
    b1_log: Path
    run1_log: Path
    run2_logs: list[Path]
    wall_times: list[Path]

    def relative(self, file: Path) -> str:
        """Return `file` as the report names it, from the model's folder."""
        return file.relative_to(self.tree).as_posix()


def measured_utc(logs: MeasuredLogs) -> str:
    """Return when the last measurement ended, in UTC, as the logs state it."""
    return max(ended_utc(log) for log in (*logs.chain_logs, logs.b1_log, logs.run1_log, *logs.run2_logs))


def engines(logs: MeasuredLogs, model: str) -> list[dict]:
    """Return the report's `engines`: what each build log states."""
    rows = []
    for batch, log in zip(logs.batches, logs.build_logs, strict=True):
        build = read_build(log)
        rows.append(
            {
                "batch": batch,
                "file": f"benchmarks/engines/{model}_dynamic_b{batch}.engine",
                "size_mib": build.engine_mib,
                "build_s": build.build_s,
                "precision": build.precision,
                "compute": build.plan,
                "workspace_mib": build.workspace_mib,
                "profile": dict(zip(("min", "opt", "max"), build.profile, strict=True)),
                "log": logs.relative(log),
            }
        )
    return rows


def trtexec(logs: MeasuredLogs, settings: dict, target_fps: float) -> dict:
    """Return the report's `trtexec`: batch 1, MAX_BS, and each step of the doubling."""
    chain = [read_measurement(log) for log in logs.chain_logs]
    steps = [
        {
            "batch": batch,
            "qps": m.queries_per_s,
            "imgs_per_sec": m.images_per_s(batch),
            "peak_gpu_streams": peak_gpu_streams(m.queries_per_s, batch, target_fps),
        }
        for batch, m in zip(logs.batches, chain, strict=True)
    ]
    return {
        "duration_s": settings["duration_s"],
        "warm_up_ms": settings["warm_up_ms"],
        "data_transfers": False,
        "bs1": _rate(read_measurement(logs.b1_log), 1, logs.relative(logs.b1_log)),
        "bsmax": _rate(chain[-1], logs.batches[-1], logs.relative(logs.chain_logs[-1])),
        "doubling": steps,
    }


def _rate(m: Measurement, batch: int, log: str) -> dict:
    return {
        "batch": batch,
        "qps": m.queries_per_s,
        "imgs_per_sec": m.images_per_s(batch),
        "gpu_mean_ms": m.gpu_ms["mean"],
        "gpu_median_ms": m.gpu_ms["median"],
        "gpu_min_ms": m.gpu_ms["min"],
        "gpu_max_ms": m.gpu_ms["max"],
        "p90_ms": m.gpu_ms.get("p90"),
        "p95_ms": m.gpu_ms.get("p95"),
        "p99_ms": m.gpu_ms["p99"],
        "queries": m.queries,
        "warnings": m.warnings,
        "log": log,
    }


def deepstream(logs: MeasuredLogs, settings: dict, peak: int, target_fps: float) -> dict:
    """Return the report's `deepstream`: both runs, and in words what is unusual about them."""
    run1 = _read(logs.run1_log, settings["windows"])
    tries = [_read(log, settings["windows"]) for log in logs.run2_logs]
    run2 = tries[-1]
    rt_streams = real_time_streams(run1.total_fps, logs.batches[-1], target_fps)
    return {
        "interval_s": settings["interval_s"],
        "run1": _run(run1, target_fps, logs.relative(logs.run1_log)),
        "run2": _run(run2, target_fps, logs.relative(logs.run2_logs[-1])),
        "rt_streams": rt_streams,
        "real_time": max(run1.slowest_fps, run2.slowest_fps) >= target_fps,
        "notes": list(_notes(peak, rt_streams, logs.batches[-1], tries, target_fps)),
    }


def _read(log: Path, windows: int) -> StreamRun:
    streams = int(log.name.split("_")[1].removeprefix("s"))
    return read_run(log, streams, windows)


def _run(run: StreamRun, target_fps: float, log: str) -> dict:
    return {
        "streams": run.streams,
        "total_fps": run.total_fps,
        "fps_per_stream": run.fps_per_stream,
        "total_fps_min": min(run.window_fps),
        "total_fps_max": max(run.window_fps),
        "min_stream_fps": run.slowest_fps,
        "max_stream_fps": max(run.stream_fps),
        "cov_pct": run.variation_pct,
        "windows": len(run.window_fps),
        "real_time": run.slowest_fps >= target_fps,
        "log": log,
    }


def _notes(peak: int, rt_streams: int, max_bs: int, tries: list[StreamRun], target_fps: float):
    if peak == 0:
        yield f"PEAK_GPU_STREAMS is 0: inference alone is slower than {target_fps:g} images/s; run 1 had 1 stream."
    if peak > max_bs:
        yield f"PEAK_GPU_STREAMS {peak} is above MAX_BS {max_bs}, where the doubling was told to stop."
    if rt_streams == 0:
        yield f"RT_STREAMS is 0: run 1 gave less than {target_fps:g} frames/s in all; run 2 had 1 stream."
    if len(tries) == 2:
        yield (
            f"Run 2 at {tries[0].streams} streams gave its slowest stream {tries[0].slowest_fps:.1f} frames/s, under"
            f" {target_fps:g}, and was repeated at {tries[1].streams}."
        )


def efficiency(trt: dict, ds: dict) -> dict:
    """Return each run's total frames/s in percent of trtexec's images/s at MAX_BS."""
    reference = trt["bsmax"]["imgs_per_sec"]
    return {
        "reference_batch": trt["bsmax"]["batch"],
        "reference_imgs_per_sec": reference,
        "run1_pct": 100 * ds["run1"]["total_fps"] / reference,
        "run2_pct": 100 * ds["run2"]["total_fps"] / reference,
    }


def timing(wall_times: list[Path]) -> dict:
    """Return wall time in s and peak memory in MiB of each step, from Snakemake's benchmark files."""
    steps = []
    for file in wall_times:
        with file.open(newline="") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"))
        # A step shorter than Snakemake's first sample has no memory figure.
        rss = row["max_rss"]
        steps.append(
            {
                "step": file.stem,
                "wall_s": float(row["s"]),
                "max_rss_mib": float(rss) if rss not in ("NA", "-") else None,
            }
        )
    return {"steps": steps, "total_s": sum(step["wall_s"] for step in steps)}
