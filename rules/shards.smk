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
            code=code_version("write_shards"),
            project=str(PROJECT),
            bases=SOURCE_BASES,
            video=os.environ.get("DS_VIDEO") or config["video"],
        script:
            "../workflow/scripts/write_shards.py"

    use rule compare_classes as compare_shards with:
        input:
            lambda _: finished_reports(SHARDS),
        output:
            "shards/comparison.md",
        log:
            "logs/compare_shards.log",
