"""Share the models out to working directories, and print the lines that start them."""

from pathlib import Path

from dsbench.rule_script import explained
from dsbench.shards import start_lines, write_shards
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    asked = snakemake.params
    scripts = write_shards(
        snakemake.config, asked.video, Path(asked.project), [Path(base) for base in asked.bases]
    )
    lines = start_lines(scripts)
    write_whole(Path(snakemake.log[0]), lines)
    print(f"\n{lines}", flush=True)
