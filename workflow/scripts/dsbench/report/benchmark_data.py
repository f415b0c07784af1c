"""benchmark_data.json: every number of the report, from logs that were accepted and from nothing else."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from dsbench.chain.measured_chain import (
    Decision,
    EngineDecision,
    RunSummary,
    peak_gpu_streams,
    real_time_streams,
    streams_of,
)
from dsbench.checks.findings import KeptAccuracy
from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.core.records import read_record
from dsbench.deepstream.decoding import Decoding
from dsbench.deepstream.latency import LatencyRun, configuration_of, read_latency, why_no_latency
from dsbench.deepstream.log import LOADED, StreamRun
from dsbench.onnx.inspection import HalfPrecision, Inspection
from dsbench.report.conditions import contradiction, run_conditions, trtexec_conditions
from dsbench.report.report_records import (
    DecodingLimit,
    DeepStreamResults,
    DeepStreamRun,
    DoublingStep,
    Efficiency,
    HalfPrecisionOnnx,
    LatencyOfFrames,
    MeasuredEngine,
    SideBySide,
    TrtexecRate,
    TrtexecResults,
)
from dsbench.tools.tool_run import ended_utc
from dsbench.trtexec.command import NO_TF32
from dsbench.trtexec.log import Measurement, common_conditions, read_measurement
from dsbench.trtexec.passport import Passport, passport_of
from dsbench.trtexec.run import attempt_of

PERCENTILES = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}
# The first major compute capability with TF32.
TF32_SINCE = 8
LOADED_ENGINE = re.compile(r"^# command: .*--loadEngine=(\S+?)'?(?: |$)", re.M)


@dataclass(frozen=True)
class Measured:
    """The accepted logs and the decisions of one model, below `tree`; the chain is in the order of doubling."""

    tree: Path
    decision: EngineDecision
    run1: RunSummary
    run2: RunSummary

    @property
    def batches(self) -> list[int]:
        """Return the measured batches; the last is MAX_BS."""
        return self.decision.batches

    @property
    def chain_logs(self) -> list[Path]:
        """Return trtexec's logs of the doubling."""
        return [self.tree / f"benchmarks/b{batch}/trtexec_b{batch}.log" for batch in self.batches]

    @property
    def inference_images_per_s(self) -> float:
        """Return what inference alone gives at MAX_BS."""
        return self.decision.measurements[-1].images_per_s(self.decision.max_bs)

    @property
    def b1_log(self) -> Path:
        """Return trtexec's log at batch 1."""
        return self.tree / "benchmarks/b1/trtexec_b1.log"

    @property
    def run_logs(self) -> list[Path]:
        """Return the logs of both runs, in the order they were measured."""
        return [Path(tried.log) for tried in (*self.run1.tries, *self.run2.tries)]

    @property
    def latency_log(self) -> Path:
        """Return the log of the run that measured latency."""
        return self.tree / "benchmarks/ds/ds_latency.log"

    @property
    def latency_config(self) -> Path:
        """Return the configuration of the run that measured latency, as its log names it."""
        return configuration_of(self.latency_log)

    @cached_property
    def latency(self) -> LatencyRun | None:
        """Return the latencies of the run that measured them, None where it told none."""
        if why_no_latency(self.latency_log):
            return None
        return read_latency(self.latency_log, streams_of(self.latency_config))

    def relative(self, file: Path) -> str:
        """Return `file` as the report names it, from the model's folder."""
        return file.relative_to(self.tree).as_posix()


def measured_utc(measured: Measured) -> str:
    """Return when the last measurement ended, in UTC, as the logs state it."""
    logs = (*measured.chain_logs, measured.b1_log, *measured.run_logs)
    if measured.latency:
        logs = (*logs, measured.latency_log)
    return max(ended_utc(log) for log in logs)


def trtexec(measured: Measured, settings: Mapping[str, Any], target_fps: float) -> TrtexecResults:
    """Return the report's `trtexec`: batch 1, MAX_BS, and each step of the doubling."""
    chain = measured.decision.measurements
    b1 = read_measurement(measured.b1_log)
    steps = [
        DoublingStep(
            batch=batch,
            qps=m.queries_per_s,
            imgs_per_sec=m.images_per_s(batch),
            peak_gpu_streams=peak_gpu_streams(m.queries_per_s, batch, target_fps),
        )
        for batch, m in zip(measured.batches, chain, strict=True)
    ]
    return TrtexecResults(
        duration_s=settings["duration_s"],
        warm_up_ms=settings["warm_up_ms"],
        **common_conditions([*chain, b1]),
        bs1=_rate(measured, b1, 1, measured.b1_log),
        bsmax=_rate(measured, chain[-1], measured.batches[-1], measured.chain_logs[-1]),
        doubling=steps,
    )


def _rate(measured: Measured, m: Measurement, batch: int, log: Path) -> TrtexecRate:
    return TrtexecRate(
        batch=batch,
        qps=m.queries_per_s,
        imgs_per_sec=m.images_per_s(batch),
        gpu_mean_ms=m.gpu_ms["mean"],
        gpu_median_ms=m.gpu_ms["median"],
        gpu_min_ms=m.gpu_ms["min"],
        gpu_max_ms=m.gpu_ms["max"],
        p90_ms=m.gpu_ms.get("p90"),
        p95_ms=m.gpu_ms.get("p95"),
        p99_ms=m.gpu_ms["p99"],
        queries=m.queries,
        warnings=m.warnings,
        conditions=trtexec_conditions(m, log),
        engine=_engine_in(log),
        log=measured.relative(log),
    )


def _engine_in(log: Path) -> str:
    """Return the file name of the engine that trtexec loaded."""
    found = LOADED_ENGINE.search(log.read_text(errors="replace"))
    if found is None:
        raise BuildError(f"{log}: its head names no --loadEngine; delete it and run the same command again")
    return Path(found[1]).name


def deepstream(
    measured: Measured, settings: Mapping[str, Any], peak: int, target_fps: float, decoding: Decoding
) -> DeepStreamResults:
    """Return the report's `deepstream`: both runs, in words what is unusual about them, and what decoding allows."""
    held = [*_unheld("Run 1", measured.run1), *_unheld("Run 2", measured.run2)]
    first, tries = measured.run1.tries[-1].run, [tried.run for tried in measured.run2.tries]
    run1_log, *_, run2_log = measured.run_logs
    run1 = _run(measured, first, target_fps, run1_log)
    run2 = _run(measured, tries[-1], target_fps, run2_log)
    rt_streams = real_time_streams(run1.total_fps, measured.batches[-1], target_fps)
    return DeepStreamResults(
        interval_s=settings["interval_s"],
        run1=run1,
        run2=run2,
        latency=_latency(measured),
        rt_streams=rt_streams,
        decoding=DecodingLimit(**vars(decoding), allowed_streams=decoding.streams_at(target_fps)),
        # A model too slow for one stream is not real-time, whatever a lone run of one stream reached.
        real_time=min(peak, rt_streams) > 0 and (run1.real_time or run2.real_time),
        notes=[
            *unusual_numbers(measured.decision, measured.inference_images_per_s, first, tries, target_fps),
            *held,
            *filter(None, [contradiction(run1, run2)]),
            *_no_latency(measured.latency_log),
        ],
    )


def _run(measured: Measured, run: StreamRun, target_fps: float, log: Path) -> DeepStreamRun:
    return DeepStreamRun(
        streams=run.streams,
        total_fps=run.total_fps,
        fps_per_stream=run.fps_per_stream,
        total_fps_min=min(run.window_fps),
        total_fps_max=max(run.window_fps),
        min_stream_fps=run.slowest_fps,
        max_stream_fps=max(run.stream_fps),
        cov_pct=run.variation_pct,
        warnings=run.warnings,
        windows=len(run.window_fps),
        window_fps=run.window_fps,
        real_time=run.slowest_fps >= target_fps,
        conditions=run_conditions(log),
        log=measured.relative(log),
    )


def _no_latency(log: Path) -> list[str]:
    refusal = why_no_latency(log)
    if refusal is None:
        return []
    return [
        f"The latency of a frame is not known: {refusal}. To measure it again, delete {log} and run the same command."
    ]


def _latency(measured: Measured) -> LatencyOfFrames | None:
    """Return the report's latency of a frame, in ms, from the decoder's input to the sink; None where none is told."""
    run, log = measured.latency, measured.latency_log
    if run is None:
        return None
    return LatencyOfFrames(
        streams=run.streams,
        frames=len(run.frames),
        left_out=run.left_out,
        mean_ms=fmean(frame.latency_ms for frame in run.frames),
        **{f"{name}_ms": run.percentile(percent).latency_ms for name, percent in PERCENTILES.items()},
        components=run.components,
        untimed=run.untimed,
        warnings=run.warnings,
        conditions=run_conditions(log),
        configuration=measured.relative(measured.latency_config),
        log=measured.relative(log),
    )


def unusual_numbers(
    decision: Decision, images_per_s: float, run1: StreamRun, tries: list[StreamRun], target_fps: float
) -> Iterator[str]:
    """Yield what is unusual about the numbers of streams, to a reader who does not know their names.

    `images_per_s` are those of inference alone at MAX_BS, `tries` are those of run 2.
    """
    peak = decision.peak_gpu_streams
    if peak == 0:
        yield (
            f"Inference alone is slower than one camera: it gives {images_per_s:.1f} images/s at batch"
            f" {decision.max_bs}, less than {target_fps:g} (PEAK_GPU_STREAMS, the streams that inference alone could"
            " serve, is 0). Run 1 had 1 stream."
        )
    if peak > decision.max_bs:
        yield (
            f"Inference could serve more than was tried: the engine takes {decision.max_bs} images at once (MAX_BS, the"
            f" engine's largest batch), as {decision.stopped_by}. PEAK_GPU_STREAMS, the streams that inference alone"
            f" could serve, is {peak}."
        )
    elif decision.limits:
        yield (
            f"The engine takes {decision.max_bs} images at once and no more: {decision.stopped_by} (MAX_BS, the"
            " engine's largest batch)."
        )
    if run1.total_fps < target_fps:
        yield (
            f"Run 1 was slower than one camera: it gave {run1.total_fps:.1f} frames/s in all, less than"
            f" {target_fps:g} (RT_STREAMS, the streams that run 1's total is enough for, is 0). Run 2 had 1 stream."
        )
    if len(tries) == 2:
        yield (
            f"Run 2 at {tries[0].streams} streams gave its slowest stream {tries[0].slowest_fps:.1f} frames/s, under"
            f" {target_fps:g}, and was repeated at {tries[1].streams}."
        )


def _unheld(title: str, run: RunSummary) -> list[str]:
    """Return a sentence for each number of streams that this machine did not hold."""
    made = run.tries[0].run.streams
    return [
        f"{title} was to have {limit.size} streams, which this machine does not hold: {limit.reason}. It had {made}."
        for limit in run.limits
    ]


def efficiency(trt: TrtexecResults, ds: DeepStreamResults) -> Efficiency:
    """Return each run's total frames/s in percent of trtexec's images/s at MAX_BS."""
    reference = trt.bsmax.imgs_per_sec
    return Efficiency(
        reference_batch=trt.bsmax.batch,
        reference_imgs_per_sec=reference,
        run1_pct=100 * ds.run1.total_fps / reference,
        run2_pct=100 * ds.run2.total_fps / reference if ds.run2 else None,
    )


def figures_beside(
    measured: Measured, inspect: Inspection, accuracy: KeptAccuracy, target_fps: float
) -> SideBySide:
    """Return what a report shows of a model beside another one, from what its own steps wrote."""
    run1, run2 = (summary.tries[-1].run for summary in (measured.run1, measured.run2))
    return SideBySide(
        model_name=measured.tree.name,
        resize="nvinfer" if inspect.preprocessing.in_graph is None else "in_graph",
        kept=accuracy.stages[-1].accuracy.every,
        on_truth=None if accuracy.truth is None else accuracy.truth.runtime.every,
        batch=measured.decision.max_bs,
        imgs_per_sec=measured.inference_images_per_s,
        streams=run2.streams,
        total_fps=run2.total_fps,
        rt_streams=real_time_streams(run1.total_fps, measured.decision.max_bs, target_fps),
    )


def engines(measured: Measured, model: str) -> list[MeasuredEngine]:
    """Return the report's `engines`: those of the doubling, the last that of MAX_BS, and before them any others.

    Batch 1 and the runs have engines of their own where the batch is static, batch 1 also where the config says so.
    """
    used = {_engine_in(measured.b1_log), *map(_engine_of_run, measured.run_logs)}
    batches = {int(name.removesuffix(".engine").rpartition("_b")[2]) for name in used} - {*measured.batches}
    return [_engine(measured, model, batch) for batch in (*sorted(batches), *measured.batches)]


def _engine_of_run(log: Path) -> str:
    """Return the file name of the engine that nvinfer loaded."""
    return Path(log.read_text(errors="replace").partition(LOADED)[2].partition("\n")[0].strip()).name


def _engine(measured: Measured, model: str, batch: int) -> MeasuredEngine:
    file = measured.tree / f"benchmarks/engines/{model}_dynamic_b{batch}.engine"
    log = measured.tree / f"benchmarks/engines/build_b{batch}.log"
    passport = read_record(passport_of(file), Passport)
    return MeasuredEngine(
        batch=batch,
        file=measured.relative(file),
        # TensorRT 8 does not print it.
        size_mib=passport.engine.bytes / MIB_BYTES,
        build_s=passport.build_s,
        precision=passport.precision,
        layers=_layers_by_precision(passport.layers),
        tf32=_may_take_tf32(passport),
        half_precision=_conversion(Path(passport.onnx.file)),
        compute=passport.plan,
        workspace_mib=passport.workspace_mib,
        profile=passport.profile,
        attempt=attempt_of(log),
        errors=passport.errors,
        log=measured.relative(log),
    )


def _may_take_tf32(passport: Passport) -> bool:
    """Return whether TensorRT may compute this engine's float32 in TF32, as it does by itself from Ampere on."""
    major = (passport.compute_capability or "0").partition(".")[0]
    return int(major) >= TF32_SINCE and NO_TF32 not in passport.flags


def _layers_by_precision(layers: dict[str, str] | None) -> dict[str, int] | None:
    """Return how many layers have each precision, most first."""
    return None if layers is None else dict(Counter(layers.values()).most_common())


def _conversion(onnx: Path) -> HalfPrecisionOnnx | None:
    """Return what was measured of an ONNX that was converted to half precision, None for another one."""
    accuracy = onnx.with_suffix(".json")
    if not onnx.stem.endswith("_fp16") or not accuracy.is_file():
        return None
    return HalfPrecisionOnnx(**vars(read_record(accuracy, HalfPrecision)), onnx=onnx.name)
