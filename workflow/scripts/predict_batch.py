"""Predict from a few batches how many streams a model serves."""

from pathlib import Path

from dsbench.chain.measured_chain import EngineDecision, RunSummary
from dsbench.chain.sweep import SweepBounds, predict_batch
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import TargetRate
from dsbench.tools.tool_run import report_progress

with explained(snakemake.log[0]):
    files = snakemake.input
    target_fps = read_record(files.target_fps, TargetRate).target_fps
    prediction = predict_batch(
        read_record(files.max_bs, EngineDecision),
        [read_record(run, RunSummary) for run in (files.run1, files.run2)],
        list(map(Path, files.probes)),
        SweepBounds(target_fps, snakemake.params.max_latency_ms),
    )
    share_pct = 100 * prediction.share.share
    predicted = prediction.batch or "no number of"
    report_progress(
        f"{predicted} streams predicted: deepstream-app reaches {share_pct:.0f} % of trtexec's images/s"
    )
    write_record(snakemake.output[0], prediction)
