"""Bring the listed files to disk, check them, and write where each came from."""

import json
from pathlib import Path

from dsbench.fetched_source import copy_or_empty, write_fetched, write_source_labels
from dsbench.rule_script import explained
from dsbench.source import parse_source
from dsbench.source_fetch import fetch_source

with explained(snakemake.log[0]):
    listing = json.loads(Path(snakemake.input.listing).read_text())
    source = parse_source(snakemake.params.source, [Path(base) for base in snakemake.params.bases])
    folder, provenance = fetch_source(source, listing, Path(snakemake.params.downloads))
    named = [Path(file) for file in snakemake.input.labels]
    write_source_labels(folder / "labels.txt", named, Path(snakemake.output.labels))
    for output in (snakemake.output.config, snakemake.output.processor):
        copy_or_empty(folder / Path(output).name, provenance["files"], Path(output))
    Path(snakemake.output.provenance).write_text(json.dumps(provenance, indent=1) + "\n")
    write_fetched(Path(snakemake.output.fetched), folder, provenance["files"])
