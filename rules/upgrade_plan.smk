"""Asked for by name only: says what would be rebuilt now, why, and how long it took last time."""


rule upgrade_plan:
    log:
        "logs/upgrade_plan.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        snakefile=str(PROJECT / "Snakefile"),
        facts=str(FACTS),
    script:
        "../workflow/scripts/upgrade_plan.py"
