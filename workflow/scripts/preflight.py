"""Print what is installed, what is needed and how to get what is missing; keep it in the rule's log."""

import sys
from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.machine.preflight import refuse_missing, terminal_table, tool_rows, wants_colour
from dsbench.machine.toolchain import read_facts

with explained(snakemake.log[0]):
    found = read_facts(snakemake.input.facts)
    rows = tool_rows(found, snakemake.input.video)
    Path(snakemake.log[0]).write_text(terminal_table(rows, is_coloured=False))
    print(f"\n{terminal_table(rows, wants_colour(sys.stdout))}", flush=True)
    refuse_missing(found, rows)
