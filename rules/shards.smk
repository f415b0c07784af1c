"""Asked for by name only: shares the models out to working directories, and compares what those measured."""

from dsbench.dag.shards import SHARDS

if config["gpu_class"] is None:

    rule shards:
        log:
            "logs/shards.log",
        localrule: True
        conda:
            "../envs/workflow.yaml"
        params:
            code=code_version("shards"),
            project=str(PROJECT),
            bases=SOURCE_BASES,
            video=os.environ.get("DS_VIDEO") or config["video"],
            truth=TRUTH.path if TRUTH and TRUTH.is_named else None,
        script:
            "../workflow/scripts/shards.py"

    use rule compare_reports_of_classes as compare_reports_of_shards with:
        input:
            lambda _: finished_reports(SHARDS),
        output:
            "shards/comparison.md",
        log:
            "logs/compare_reports_of_shards.log",
