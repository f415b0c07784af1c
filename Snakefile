"""Any object detector to a measured, validated DeepStream deployment."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")


report: "workflow/report/workflow.rst"


# A working directory may have a configuration of its own.
own_config = Path("config/config.yaml")


configfile: str(own_config if own_config.is_file() else Path(workflow.basedir, own_config))


include: "rules/config.smk"


if config["gpu_class"] is not None:

    workdir: f"classes/{config['gpu_class']}"


include: "rules/common.smk"
include: "rules/calls.smk"
include: "rules/chain.smk"
include: "rules/deliverables.smk"
include: "rules/toolchain.smk"
include: "rules/source_inputs.smk"
include: "rules/sources.smk"
include: "rules/model.smk"
include: "rules/tensorrt_parse.smk"
include: "rules/preprocess.smk"
include: "rules/engine.smk"
include: "rules/parser.smk"
include: "rules/validation.smk"
include: "rules/accuracy.smk"
include: "rules/batch_slots.smk"
include: "rules/deepstream.smk"
include: "rules/sweep.smk"
include: "rules/report.smk"
include: "rules/comparison.smk"
include: "rules/documents.smk"
include: "rules/upgrade_plan.smk"
include: "rules/gpu_classes.smk"
include: "rules/shards.smk"
include: "rules/checkpoints.smk"


rule all:
    default_target: True
    input:
        preflight="build/toolchain/preflight.md",
        artefacts=all_artefacts,
