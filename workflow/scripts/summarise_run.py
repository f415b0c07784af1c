"""Summarise the accepted logs of one DeepStream run; the next run's streams follow from it."""

from pathlib import Path

from dsbench.chain.measured_chain import summarise_run
from dsbench.core.records import write_record
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    logs = snakemake.input.logs
    summary = summarise_run(
        [Path(log) for log in ([logs] if isinstance(logs, str) else logs)], snakemake.params.windows
    )
    write_record(snakemake.output[0], summary)
