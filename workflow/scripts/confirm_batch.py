"""Conclude from the confirming runs how many streams a model serves."""

from pathlib import Path

from dsbench.chain.sweep import Prediction, conclude
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    prediction, *logs = snakemake.input
    sweep = conclude(read_record(prediction, Prediction), list(map(Path, logs)), snakemake.params.windows)
    write_record(snakemake.output[0], sweep)
