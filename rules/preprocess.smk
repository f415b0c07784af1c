"""Between ONNX and engine: reads the true boxes, proves the preprocessing, chooses the scaling filter that is closest."""

# The embedded runtime's code computes what nvinfer does to a frame, whichever runtime measures.
NVINFER_PIXELS = [
    "dsembed/deepstream_app/app_settings.py",
    "dsembed/shared/decode.py",
    "dsembed/shared/native.py",
    "dsembed/deepstream_app/postprocess.py",
    "host/colour.hpp",
    "host/interface.hpp",
    "host/preprocess.cpp",
    "host/rgb_rows.hpp",
    "host/scaling.cpp",
    "host/scaling.hpp",
    "host/streammux.cpp",
]


# What the gates would find hours later is said here, before an engine is built.
rule read_truth:
    input:
        labels="models/{model}/config/labels.txt",
        clip="build/toolchain/video.json",
    output:
        "models/{model}/validation/truth.json",
    log:
        "logs/{model}/read_truth.log",
    benchmark:
        "logs/{model}/wall_time/read_truth.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("read_truth"),
        truth=truth_facts,
        project=str(PROJECT),
    script:
        "../workflow/scripts/read_truth.py"


rule prove_preprocessing:
    input:
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        labels="models/{model}/config/labels.txt",
        fetched=fetch_record,
        processor=file_of_source("preprocessor_config.json"),
        video=VIDEO,
        clip="build/toolchain/video.json",
        runtime=[PROJECT / "workflow/embedded" / file for file in NVINFER_PIXELS],
        facts=PIXEL_FACTS,
    output:
        report(
            "models/{model}/validation/preprocess.json",
            caption="../workflow/report/preprocess.rst",
            category="Checks",
            labels={"model": "{model}", "result": "preprocessing"},
        ),
    log:
        "logs/{model}/prove_preprocessing.log",
    benchmark:
        "logs/{model}/wall_time/prove_preprocessing.tsv"
    # A wrong preprocessing is found before hours of measuring with it.
    priority: 50
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("prove_preprocessing"),
        preprocessing=preprocessing_block,
        scaling_filter=stated_filter,
        frames=10,
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
    script:
        "../workflow/scripts/prove_preprocessing.py"
