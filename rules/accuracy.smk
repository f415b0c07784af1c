"""Step 6: the boxes against a reference run, and how much of the model's own accuracy is kept."""

# The reference run decodes and scales frames with the embedded runtime's code, whichever runtime measures.
REFERENCE_ARITHMETIC = embedded_identity(PROJECT)


rule run_reference:
    input:
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        labels="models/{model}/config/labels.txt",
        fetched=fetch_record,
        processor=file_of_source("preprocessor_config.json"),
        clip="build/toolchain/video.json",
        video=VIDEO,
        facts=PIXEL_FACTS,
    output:
        "models/{model}/validation/reference_run.json",
    log:
        "logs/{model}/run_reference.log",
    benchmark:
        "logs/{model}/wall_time/run_reference.tsv"
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("run_reference"),
        arithmetic=REFERENCE_ARITHMETIC,
        preprocessing=preprocessing_block,
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        frames=config["agreement"]["frames"],
    script:
        "../workflow/scripts/run_reference.py"


rule run_engine:
    input:
        reference="models/{model}/validation/reference_run.json",
        max_bs="models/{model}/benchmarks/max_bs.json",
        engine=single_engine,
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        labels="models/{model}/config/labels.txt",
        clip="build/toolchain/video.json",
        video=VIDEO,
        facts=BUILDER_FACTS,
    output:
        "models/{model}/validation/engine_run.json",
    log:
        "logs/{model}/run_engine.log",
    benchmark:
        "logs/{model}/wall_time/run_engine.tsv"
    priority: MEASURING_PRIORITY
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("run_engine"),
        arithmetic=REFERENCE_ARITHMETIC,
        program=RUNTIME.trtexec,
        is_embedded=RUNTIME.kind == "embedded",
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
    script:
        "../workflow/scripts/run_engine.py"


rule judge_agreement:
    input:
        reference="models/{model}/validation/reference_run.json",
        kitti="models/{model}/samples/kitti_output",
        manifest="models/{model}/validation/kitti_manifest.json",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
        engine="models/{model}/validation/engine_run.json",
        parser="models/{model}/parser/libparser.so",
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        labels="models/{model}/config/labels.txt",
        clip="build/toolchain/video.json",
        video=VIDEO,
    output:
        report(
            "models/{model}/validation/agreement.json",
            caption="../workflow/report/agreement.rst",
            category="Checks",
            labels={"model": "{model}", "result": "agreement"},
        ),
    log:
        "logs/{model}/judge_agreement.log",
    benchmark:
        "logs/{model}/wall_time/judge_agreement.tsv"
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("judge_agreement"),
        arithmetic=REFERENCE_ARITHMETIC,
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        iou=config["agreement"]["iou"],
        required=config["agreement"]["required"][config["precision"]],
    script:
        "../workflow/scripts/judge_agreement.py"


rule measure_accuracy:
    input:
        reference="models/{model}/validation/reference_run.json",
        kitti="models/{model}/samples/kitti_output",
        manifest="models/{model}/validation/kitti_manifest.json",
        preprocess="models/{model}/validation/preprocess.json",
        # What has no detections, or wrong ones, is said more plainly by the gate.
        gate="models/{model}/validation/gate.json",
        truth="models/{model}/validation/truth.json",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
        engine="models/{model}/validation/engine_run.json",
        parser="models/{model}/parser/libparser.so",
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        labels="models/{model}/config/labels.txt",
        clip="build/toolchain/video.json",
        video=VIDEO,
    output:
        report(
            "models/{model}/validation/accuracy.json",
            caption="../workflow/report/accuracy.rst",
            category="Checks",
            labels={"model": "{model}", "result": "accuracy"},
        ),
    log:
        "logs/{model}/measure_accuracy.log",
    benchmark:
        "logs/{model}/wall_time/measure_accuracy.tsv"
    retries: MEMORY_RETRIES
    conda:
        "../envs/workflow.yaml"
    resources:
        beside_gpu=1,
        mem_mb=memory_mb(8192),
    params:
        code=code_version("measure_accuracy"),
        arithmetic=REFERENCE_ARITHMETIC,
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        bounds=config["accuracy"],
        agreement={
            "iou": config["agreement"]["iou"],
            "required": config["agreement"]["required"][config["precision"]],
        },
    script:
        "../workflow/scripts/measure_accuracy.py"
