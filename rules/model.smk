"""Steps 2 and 3: from the fetched source to a checked ONNX with dynamic batch, and its labels."""


rule copy_config:
    input:
        fetched=fetch_record,
        files=files_to_export,
        inspect=inspection_without_config,
    output:
        "models/{model}/config/config.json",
    log:
        "logs/{model}/copy_config.log",
    benchmark:
        "logs/{model}/wall_time/copy_config.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("copy_config"),
        preprocessing=preprocessing_block,
        prompt=lambda wildcards: entry_of(wildcards).get("prompt"),
    script:
        "../workflow/scripts/copy_config.py"


rule make_environment_export:
    input:
        "build/toolchain/export_lock.json",
    output:
        "build/.venv_optimum/packages.txt",
    log:
        "logs/make_environment_export.log",
    benchmark:
        "logs/wall_time/make_environment_export.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("make_environment"),
        lock=str(PROJECT / "envs/export.lock"),
        shared=config["environments"],
    script:
        "../workflow/scripts/make_environment.py"


rule save_reference_image:
    input:
        PROJECT / DEMO_CLIP,
    output:
        "build/export/reference_image.png",
    log:
        "logs/save_reference_image.log",
    benchmark:
        "logs/wall_time/save_reference_image.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("save_reference_image"),
        frame=150,
    script:
        "../workflow/scripts/save_reference_image.py"


rule export_onnx:
    input:
        fetched=fetch_record,
        files=files_to_export,
        config=config_of_source,
        environment=export_environment,
        labels=labels_for_graph,
        image="build/export/reference_image.png",
    output:
        onnx="build/export/{model}/model.onnx",
        reference="build/export/{model}/reference.npz",
        origin="build/export/{model}/origin.json",
        attempts="models/{model}/model/export_attempts.json",
        variants="models/{model}/model/variants.json",
    log:
        "logs/{model}/export_onnx.log",
    benchmark:
        "logs/{model}/wall_time/export_onnx.tsv"
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("export_onnx", "onnx.inside_export.torch_export"),
        preprocessing=preprocessing_block,
        repair=lambda wildcards: entry_of(wildcards).get("repair"),
        prompt=lambda wildcards: entry_of(wildcards).get("prompt"),
        family=lambda wildcards: entry_of(wildcards).get("family"),
    script:
        "../workflow/scripts/export_onnx.py"


rule prepare_onnx:
    input:
        onnx="build/export/{model}/model.onnx",
        reference="build/export/{model}/reference.npz",
        origin="build/export/{model}/origin.json",
        fetched=fetch_record,
        files=files_to_export,
        clip=clip_to_resize,
    output:
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        table="models/{model}/model/inspect.md",
    log:
        "logs/{model}/prepare_onnx.log",
    benchmark:
        "logs/{model}/wall_time/prepare_onnx.tsv"
    # Higher than that of an export: a GPU waits for this job, and not for the export of the next model.
    priority: 20
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("prepare_onnx"),
        preprocessing=preprocessing_block,
        frame=frame_to_resize,
        repair=lambda wildcards: entry_of(wildcards).get("repair"),
    script:
        "../workflow/scripts/prepare_onnx.py"


# The only checkpoint between source and engine, so that Snakemake asks few rules again for their files.
checkpoint note_graph_kind:
    input:
        inspect="models/{model}/model/inspect.json",
    output:
        "build/graph_kinds/{model}.json",
    log:
        "logs/{model}/note_graph_kind.log",
    benchmark:
        "logs/{model}/wall_time/note_graph_kind.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("note_graph_kind"),
    script:
        "../workflow/scripts/note_graph_kind.py"


rule bake_batch:
    input:
        onnx="models/{model}/model/{model}.onnx",
        reference="build/export/{model}/reference.npz",
    output:
        "models/{model}/model/{model}_static_b{batch}.onnx",
    log:
        "logs/{model}/bake_batch_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/bake_batch_b{batch}.tsv"
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(4096),
    params:
        code=code_version("bake_batch"),
    script:
        "../workflow/scripts/bake_batch.py"


rule convert_to_half:
    input:
        onnx="models/{model}/model/{model}{static}.onnx",
        inspect="models/{model}/model/inspect.json",
        labels="models/{model}/config/labels.txt",
        reference="build/export/{model}/reference.npz",
    output:
        onnx="models/{model}/model/{model}{static}_fp16.onnx",
        accuracy="models/{model}/model/{model}{static}_fp16.json",
    log:
        "logs/{model}/convert_to_half{static}.log",
    benchmark:
        "logs/{model}/wall_time/convert_to_half{static}.tsv"
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("convert_to_half"),
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
    script:
        "../workflow/scripts/convert_to_half.py"


rule write_labels:
    input:
        config="models/{model}/config/config.json",
        inspect="models/{model}/model/inspect.json",
        fetched=fetch_record,
        labels=labels_of_source,
    output:
        labels="models/{model}/config/labels.txt",
        origin="models/{model}/config/labels_origin.json",
    log:
        "logs/{model}/write_labels.log",
    benchmark:
        "logs/{model}/wall_time/write_labels.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("write_labels"),
        prompt=lambda wildcards: entry_of(wildcards).get("prompt"),
        labels=lambda wildcards: entry_of(wildcards).get("labels"),
    script:
        "../workflow/scripts/write_labels.py"
