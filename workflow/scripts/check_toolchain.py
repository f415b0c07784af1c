"""Write the table of what is installed; stop when something the build cannot do without is missing."""

from pathlib import Path

from dsbench.dag.rule_script import explained
from dsbench.machine.preflight import check_toolchain
from dsbench.tools.tool_run import report_progress

with explained(snakemake.log[0]):
    facts = [Path(file) for file in snakemake.input.facts]
    for sentence in check_toolchain(facts, snakemake.input.video, Path(snakemake.output[0])):
        report_progress(sentence)
