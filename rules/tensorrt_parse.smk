"""Optional: NVIDIA's parser and builder on a machine without a GPU, before anybody spends GPU time."""


use rule make_environment_export as make_environment_tensorrt_parse with:
    input:
        lock=PROJECT / "envs/tensorrt_parse.lock",
    output:
        "build/.venv_tensorrt_parse/packages.txt",
    log:
        "logs/make_environment_tensorrt_parse.log",
    benchmark:
        "logs/wall_time/make_environment_tensorrt_parse.tsv"
    params:
        code=code_version("make_environment"),
        lock=lambda _, input: input.lock,
        shared=config["environments"],


rule parse_with_tensorrt:
    input:
        environment="build/.venv_tensorrt_parse/packages.txt",
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
    output:
        "models/{model}/validation/tensorrt_parse.json",
    log:
        "logs/{model}/parse_with_tensorrt.log",
    benchmark:
        "logs/{model}/wall_time/parse_with_tensorrt.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("parse_with_tensorrt", "checks.inside_tensorrt.tensorrt_rtx_parse"),
        batch=config["first_batch"]["nvidia"],
    script:
        "../workflow/scripts/parse_with_tensorrt.py"


rule build_with_tensorrt:
    input:
        environment="build/.venv_tensorrt_parse/packages.txt",
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
    output:
        "models/{model}/validation/tensorrt_build.json",
    log:
        "logs/{model}/build_with_tensorrt.log",
    benchmark:
        "logs/{model}/wall_time/build_with_tensorrt.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("build_with_tensorrt", "checks.inside_tensorrt.tensorrt_rtx_parse"),
        batch=config["first_batch"]["nvidia"],
        capability=config["compute_capability"],
    script:
        "../workflow/scripts/build_with_tensorrt.py"
