"""Share the models out to working directories, and print the lines that start them."""

from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained
from dsbench.dag.shards import start_lines, write_shards

with explained(snakemake.log[0]):
    asked = snakemake.params
    scripts = write_shards(
        snakemake.config, asked.video, asked.truth, Path(asked.project), [Path(base) for base in asked.bases]
    )
    lines = start_lines(scripts)
    write_whole(Path(snakemake.log[0]), lines)
    print(f"\n{lines}", flush=True)
