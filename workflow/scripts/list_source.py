"""Write where the model came from: its files with sizes and hashes."""

import json
from pathlib import Path

from dsbench.rule_script import explained
from dsbench.source import list_source

with explained(snakemake.log[0]):
    listing = {"source": snakemake.params.source, "files": list_source([Path(f) for f in snakemake.input])}
    Path(snakemake.output[0]).write_text(json.dumps(listing, indent=1) + "\n")
