"""Decide MAX_BS from the measured doubling, and keep the timing cache of its engine."""

from pathlib import Path

from dsbench.chain.measured_chain import Doubling, EngineDecision
from dsbench.core.files import copy_whole
from dsbench.core.records import read_record, write_record
from dsbench.dag.names import GraphKind
from dsbench.dag.rule_script import explained
from dsbench.machine.clip import TargetRate

with explained(snakemake.log[0]):
    folder = Path(snakemake.output.decision).parent
    doubling = Doubling(
        folder,
        snakemake.params.first_batch,
        snakemake.params.largest_batch,
        read_record(snakemake.input.target_fps, TargetRate).target_fps,
        read_record(snakemake.input.kind, GraphKind).largest_batch,
    )
    decided = doubling.decide()
    decision = EngineDecision(
        **vars(decided),
        engine=str(folder / f"engines/{snakemake.wildcards.model}_dynamic_b{decided.max_bs}.engine"),
        measurements=[doubling.measurement(batch) for batch in decided.batches],
    )
    copy_whole(snakemake.input.timing_cache, snakemake.output.timing_cache)
    write_record(snakemake.output.decision, decision)
