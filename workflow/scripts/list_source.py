"""Write what the source holds and which commit or version it is now."""

from pathlib import Path

from dsbench.core.records import write_record
from dsbench.dag.rule_script import explained
from dsbench.sources.listing import list_source
from dsbench.sources.source import parse_source

with explained(snakemake.log[0]):
    source = parse_source(snakemake.params.source, [Path(base) for base in snakemake.params.bases])
    write_record(snakemake.output[0], list_source(source))
