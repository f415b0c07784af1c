"""Create an environment apart from the workflow's own from its lock file."""

from pathlib import Path

from dsbench.export_environment import make_export_environment
from dsbench.rule_script import explained
from dsbench.tool_run import report_progress
from dsbench.whole_file import write_whole

with explained(snakemake.log[0]):
    packages = Path(snakemake.output[0])
    report_progress(
        f"creating {packages.parent} from {snakemake.params.lock}; pip's output is in {snakemake.log[0]}"
    )
    installed = make_export_environment(packages.parent, Path(snakemake.params.lock), Path(snakemake.log[0]))
    write_whole(packages, "\n".join(installed) + "\n")
