"""Each GPU class has a tree in classes/{gpu_class}. A call without a class compares what the classes measured."""

from dsbench.report.finished_reports import finished_reports

if config["gpu_class"] is not None and workflow.overwrite_workdir is not None:
    raise WorkflowError(
        f"--directory {workflow.overwrite_workdir} would win over gpu_class {config['gpu_class']}, and classes would"
        " mix; go there with cd instead"
    )

if config["gpu_class"] is None:

    rule compare_reports_of_classes:
        input:
            lambda _: finished_reports(),
        output:
            "classes/comparison.md",
        log:
            "logs/compare_reports_of_classes.log",
        localrule: True
        conda:
            "../envs/workflow.yaml"
        params:
            code=code_version("compare_reports"),
        script:
            "../workflow/scripts/compare_reports.py"
