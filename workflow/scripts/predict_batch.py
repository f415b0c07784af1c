"""Predict from a few batches how many streams a model serves."""

from pathlib import Path

from dsbench.chain.measured_chain import EngineDecision, RunSummary
from dsbench.chain.sweep import SweepBounds, predict_batch
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import TargetRate

with explained(snakemake.log[0]):
    files = snakemake.input
    target_fps = read_record(files.target_fps, TargetRate).target_fps
    prediction = predict_batch(
        read_record(files.max_bs, EngineDecision),
        [read_record(run, RunSummary) for run in (files.run1, files.run2)],
        list(map(Path, files.probes)),
        SweepBounds(target_fps, snakemake.params.max_latency_ms),
    )
    write_record(snakemake.output[0], prediction)
