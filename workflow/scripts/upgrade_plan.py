"""Print what would be rebuilt now, and keep it in the rule's log."""

from pathlib import Path

from dsbench.dag.jobs import dag_jobs
from dsbench.dag.rule_script import explained
from dsbench.dag.upgrade_plan import upgrade_plan
from dsbench.tools.core_share import use_every_core

with explained(snakemake.log[0]):
    # The plan probes the machine as the next call will, not as one job beside others.
    use_every_core()
    # A class's tree is where this job runs already.
    config = snakemake.config | {"gpu_class": None}
    jobs = dag_jobs(Path(snakemake.params.snakefile), Path(), config, ["all"])
    plan = upgrade_plan(jobs, Path(snakemake.params.facts))
    Path(snakemake.log[0]).write_text(plan)
    print(f"\n{plan}", flush=True)
