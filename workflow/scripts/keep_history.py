"""Keep a report's data in the model's history and compare them with those of the toolchain before."""

import json
from pathlib import Path

from dsbench.core.files import read_json, write_whole
from dsbench.dag.rule_script import explained
from dsbench.report.history import append_entry, history_entry, last_other, toolchain_difference

with explained(snakemake.log[0]):
    facts = {Path(file).stem: read_json(file) for file in snakemake.input.facts}
    entry = history_entry(read_json(snakemake.input.data), facts)
    entries = append_entry(Path(snakemake.output.history), entry)
    since = toolchain_difference(last_other(entries, entry), entry)
    write_whole(snakemake.output.since, json.dumps(since, indent=1, allow_nan=False) + "\n")
