"""Write what the source holds and which commit or version it is now."""

import json
from pathlib import Path

from dsbench.core.files import write_whole
from dsbench.dag.rule_script import explained
from dsbench.sources.listing import list_source
from dsbench.sources.source import parse_source

with explained(snakemake.log[0]):
    source = parse_source(snakemake.params.source, [Path(base) for base in snakemake.params.bases])
    write_whole(snakemake.output[0], json.dumps(list_source(source), indent=1) + "\n")
