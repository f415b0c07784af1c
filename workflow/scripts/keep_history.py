"""Keep a report's data in the model's history and compare them with those of the toolchain before."""

from pathlib import Path

from dsbench.core.files import read_json
from dsbench.core.records import write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.toolchain import read_facts
from dsbench.report.history import append_entry, history_entry, last_other, toolchain_difference

with explained(snakemake.log[0]):
    entry = history_entry(read_json(snakemake.input.data), read_facts(snakemake.input.facts))
    entries = append_entry(Path(snakemake.output.history), entry)
    since = toolchain_difference(last_other(entries, entry), entry)
    write_record(snakemake.output.since, since)
