"""Step 6, first half: the C++ parser and the nvinfer configuration."""

PARSER_TEMPLATES = ["Makefile.template", *SHARED_HEADERS]


rule write_parser:
    input:
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        templates=[PROJECT / "workflow/parsers" / file for file in PARSER_TEMPLATES],
        kind="build/graph_kinds/{model}.json",
        source=parser_source,
        video="build/toolchain/video.json",
    output:
        expand("models/{{model}}/parser/{file}", file=PARSER_SOURCES),
    log:
        "logs/{model}/write_parser.log",
    benchmark:
        "logs/{model}/wall_time/write_parser.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("write_parser"),
    script:
        "../workflow/scripts/write_parser.py"


rule compile_parser:
    input:
        sources=rules.write_parser.output,
        inspect="models/{model}/model/inspect.json",
        compiler="build/toolchain/compiler.json",
        headers="build/toolchain/deepstream_headers.json",
    output:
        "models/{model}/parser/libparser.so",
    log:
        "logs/{model}/compile_parser.log",
    benchmark:
        "logs/{model}/wall_time/compile_parser.tsv"
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
    params:
        code=code_version("compile_parser"),
    script:
        "../workflow/scripts/compile_parser.py"


rule write_nvinfer_config:
    input:
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        labels="models/{model}/config/labels.txt",
        max_bs="models/{model}/benchmarks/max_bs.json",
    output:
        "models/{model}/config/config_infer_primary_{model}.txt",
    log:
        "logs/{model}/write_nvinfer_config.log",
    benchmark:
        "logs/{model}/wall_time/write_nvinfer_config.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("write_nvinfer_config"),
        batch_size=1,
        precision=config["precision"],
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
    script:
        "../workflow/scripts/write_nvinfer_config.py"


# When the target names the batch, the engine's name is known and nothing has to be measured.
use rule write_nvinfer_config as write_nvinfer_config_batch with:
    input:
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        labels="models/{model}/config/labels.txt",
    output:
        "models/{model}/config/config_infer_primary_{model}_b{batch}.txt",
    log:
        "logs/{model}/write_nvinfer_config_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/write_nvinfer_config_b{batch}.tsv"
    params:
        code=code_version("write_nvinfer_config"),
        batch_size=lambda wildcards: int(wildcards.batch),
        precision=config["precision"],
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),


use rule write_nvinfer_config as write_nvinfer_config_ds with:
    output:
        "models/{model}/benchmarks/ds/config_infer_ds_{model}.txt",
    log:
        "logs/{model}/write_nvinfer_config_ds.log",
    benchmark:
        "logs/{model}/wall_time/write_nvinfer_config_ds.tsv"
    params:
        code=code_version("write_nvinfer_config"),
        batch_size=None,
        precision=config["precision"],
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
