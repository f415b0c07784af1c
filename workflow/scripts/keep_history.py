"""Keep a report's data in the model's history and compare them with those of the toolchain before."""

from pathlib import Path

from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.machine.toolchain import read_facts
from dsbench.report.history import append_entry, history_entry, last_other, toolchain_difference
from dsbench.report.report_records import BenchmarkData

with explained(snakemake.log[0]):
    entry = history_entry(read_record(snakemake.input.data, BenchmarkData), read_facts(snakemake.input.facts))
    entries = append_entry(Path(snakemake.output.history), entry)
    since = toolchain_difference(last_other(entries, entry), entry)
    write_record(snakemake.output.since, since)
