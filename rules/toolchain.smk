"""Step 0: what is installed here, one file per fact, and a table of what is missing."""


rule record_fact:
    output:
        "build/toolchain/{fact}.json",
    log:
        "logs/record_fact_{fact}.log",
    benchmark:
        "logs/wall_time/record_fact_{fact}.tsv"
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
        report(
            "build/toolchain/preflight.md",
            caption="../workflow/report/preflight.rst",
            category="Machine",
            labels={"result": "what is installed"},
        ),
    log:
        "logs/check_toolchain.log",
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


# Asked for by name only: the same table on the terminal.
rule preflight:
    input:
        facts=facts(TOOLCHAIN.required_facts() + ["encoder"]),
        video=VIDEO,
    log:
        "logs/preflight.log",
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("preflight"),
    script:
        "../workflow/scripts/preflight.py"


# No job that takes long starts before this job has accepted the clip.
rule inspect_video:
    input:
        video=clip_at_sight,
        decoder=DECODER,
    output:
        "build/toolchain/video.json",
    log:
        "logs/inspect_video.log",
    benchmark:
        "logs/wall_time/inspect_video.tsv"
    priority: 100
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("inspect_video"),
        project=str(PROJECT),
    script:
        "../workflow/scripts/inspect_video.py"


# A checkpoint, since the numbers of batches and streams follow from the rate.
checkpoint note_target_fps:
    input:
        clip=[] if config["target_fps"] is not None else "build/toolchain/video.json",
    output:
        "build/toolchain/target_fps.json",
    log:
        "logs/note_target_fps.log",
    benchmark:
        "logs/wall_time/note_target_fps.tsv"
    priority: 100
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("note_target_fps"),
        target_fps=config["target_fps"],
    script:
        "../workflow/scripts/note_target_fps.py"
