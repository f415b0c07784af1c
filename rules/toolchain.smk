"""Step 0: what is installed here, one file per fact, and a table of what is missing."""


rule record_fact:
    output:
        "build/toolchain/{fact}.json",
    log:
        "logs/toolchain/{fact}.log",
    benchmark:
        "logs/wall_time/record_{fact}.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        value=probed,
    script:
        "../workflow/scripts/record_fact.py"


rule check_toolchain:
    input:
        facts=facts(TOOLCHAIN.required_facts() + ["encoder"]),
        video=VIDEO,
    output:
        "build/toolchain/preflight.md",
    log:
        "logs/toolchain/preflight.log",
    benchmark:
        "logs/wall_time/check_toolchain.tsv"
    priority: 100
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("check_toolchain"),
    script:
        "../workflow/scripts/check_toolchain.py"


rule inspect_video:
    input:
        VIDEO,
    output:
        "build/toolchain/video.json",
    log:
        "logs/toolchain/video.log",
    benchmark:
        "logs/wall_time/inspect_video.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("inspect_video"),
        project=str(PROJECT),
    script:
        "../workflow/scripts/inspect_video.py"
