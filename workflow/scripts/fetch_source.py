"""Bring the listed files to disk, check them, and write where each came from."""

from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.intake.labels import read_source_labels
from dsbench.sources.fetch import fetch_source
from dsbench.sources.source import SourceListing, parse_source, write_fetched

with explained(snakemake.log[0]):
    if snakemake.params.fault:
        raise BuildError(snakemake.params.fault)
    listing = read_record(snakemake.input.listing, SourceListing)
    source = parse_source(snakemake.params.source, [Path(base) for base in snakemake.params.bases])
    for named in snakemake.input.labels:
        read_source_labels(Path(named))
    folder, provenance = fetch_source(source, listing, Path(snakemake.params.downloads))
    write_record(snakemake.output.provenance, provenance)
    write_fetched(Path(snakemake.output.fetched), folder, provenance.files)
