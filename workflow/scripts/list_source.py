"""Write what the source holds and which commit or version it is now."""

import json
from pathlib import Path

from dsbench.rule_script import explained
from dsbench.source import parse_source
from dsbench.source_listing import list_source
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    source = parse_source(snakemake.params.source, [Path(base) for base in snakemake.params.bases])
    write_whole(snakemake.output[0], json.dumps(list_source(source), indent=1) + "\n")
