"""Steps 2 and 3: from the fetched source to a checked ONNX with dynamic batch, and its labels."""


rule copy_config:
    input:
        file_of_source("config.json"),
        checked=fetched_source,
    output:
        "models/{model}/config/config.json",
    log:
        "logs/{model}/copy_config.log",
    benchmark:
        "logs/{model}/wall_time/copy_config.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("detector", "fetched_source"),
    script:
        "../workflow/scripts/copy_config.py"


rule make_export_environment:
    input:
        "build/toolchain/export_lock.json",
    output:
        "build/.venv_optimum/packages.txt",
    log:
        "logs/make_export_environment.log",
    benchmark:
        "logs/wall_time/make_export_environment.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("export_environment"),
        lock=str(PROJECT / "envs/export.lock"),
    script:
        "../workflow/scripts/make_export_environment.py"


rule save_reference_image:
    input:
        PROJECT / DEMO_CLIP,
    output:
        "build/export/reference_image.png",
    log:
        "logs/save_reference_image.log",
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("video"),
        frame=150,
    script:
        "../workflow/scripts/save_reference_image.py"


rule export_onnx:
    input:
        files=fetched_files,
        checked=fetched_source,
        config="models/{model}/config/config.json",
        environment="build/.venv_optimum/packages.txt",
        image="build/export/reference_image.png",
    output:
        onnx="build/export/{model}/model.onnx",
        reference="build/export/{model}/reference.npz",
    log:
        "logs/{model}/export_onnx.log",
    benchmark:
        "logs/{model}/wall_time/export_onnx.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("onnx_export", "torch_export"),
    script:
        "../workflow/scripts/export_onnx.py"


rule prepare_onnx:
    input:
        onnx="build/export/{model}/model.onnx",
        reference="build/export/{model}/reference.npz",
        processor=file_of_source("preprocessor_config.json"),
    output:
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
    log:
        "logs/{model}/prepare_onnx.log",
    benchmark:
        "logs/{model}/wall_time/prepare_onnx.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("onnx_graph", "preprocessing"),
    script:
        "../workflow/scripts/prepare_onnx.py"


rule write_labels:
    input:
        config="models/{model}/config/config.json",
        inspect="models/{model}/model/inspect.json",
    output:
        "models/{model}/config/labels.txt",
    log:
        "logs/{model}/write_labels.log",
    benchmark:
        "logs/{model}/wall_time/write_labels.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("labels", "detector"),
    script:
        "../workflow/scripts/write_labels.py"
