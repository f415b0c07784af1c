"""Step 6, last part: the boxes against a reference run, the model's own accuracy, and the slots of a batch."""

# The reference run decodes and scales frames with the embedded runtime's code, whichever runtime measures.
REFERENCE_ARITHMETIC = embedded_identity(PROJECT)


rule run_reference:
    input:
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        preprocess="models/{model}/validation/preprocess.json",
        labels="models/{model}/config/labels.txt",
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
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        frames=config["agreement"]["frames"],
    script:
        "../workflow/scripts/run_reference.py"


rule judge_agreement:
    input:
        reference="models/{model}/validation/reference_run.json",
        kitti="models/{model}/samples/kitti_output",
        manifest="models/{model}/validation/kitti_manifest.json",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
        max_bs="models/{model}/benchmarks/max_bs.json",
        engine=single_engine,
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
        is_embedded=RUNTIME.kind == "embedded",
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
        max_bs="models/{model}/benchmarks/max_bs.json",
        engine=single_engine,
        parser="models/{model}/parser/libparser.so",
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        labels="models/{model}/config/labels.txt",
        fetched=fetch_record,
        processor=file_of_source("preprocessor_config.json"),
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
        preprocessing=preprocessing_block,
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        bounds=config["accuracy"],
        agreement={
            "iou": config["agreement"]["iou"],
            "required": config["agreement"]["required"][config["precision"]],
        },
        is_embedded=RUNTIME.kind == "embedded",
    script:
        "../workflow/scripts/measure_accuracy.py"


rule cut_slot_clips:
    input:
        clip="build/toolchain/video.json",
        video=VIDEO,
        decoder=DECODER,
    output:
        clip="build/batch_slots/clip.mp4",
        mirrored="build/batch_slots/mirrored.mp4",
    log:
        "logs/cut_slot_clips.log",
    benchmark:
        "logs/wall_time/cut_slot_clips.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("cut_slot_clips"),
        frames=config["batch_slots"]["frames"],
    script:
        "../workflow/scripts/cut_slot_clips.py"


rule check_batch_slots:
    input:
        # When one stream alone finds nothing, or the wrong objects, slots cannot be compared.
        gate="models/{model}/validation/gate.json",
        agreement="models/{model}/validation/agreement.json",
        clip=rules.cut_slot_clips.output.clip,
        mirrored=rules.cut_slot_clips.output.mirrored,
        video="build/toolchain/video.json",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
        nvinfer_ds="models/{model}/benchmarks/ds/config_infer_ds_{model}.txt",
        max_bs="models/{model}/benchmarks/max_bs.json",
        engine=max_engine,
        single_engine=single_engine,
        alone=[],
        inspect="models/{model}/model/inspect.json",
        parser="models/{model}/parser/libparser.so",
        labels="models/{model}/config/labels.txt",
        facts=RUNNER_FACTS,
    output:
        verdict=report(
            "models/{model}/validation/batch_slots.json",
            caption="../workflow/report/batch_slots.rst",
            category="Checks",
            labels={"model": "{model}", "result": "batch slots"},
        ),
        runs=directory("build/batch_slots/{model}"),
    log:
        "logs/{model}/check_batch_slots.log",
        alone="logs/{model}/check_batch_slots_alone.log",
        mirrored_alone="logs/{model}/check_batch_slots_mirrored_alone.log",
        same="logs/{model}/check_batch_slots_same.log",
        mixed="logs/{model}/check_batch_slots_mixed.log",
    benchmark:
        "logs/{model}/wall_time/check_batch_slots.tsv"
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("check_batch_slots"),
        program=RUNTIME.deepstream_app,
        timeout_s=config["deepstream"]["timeout_s"],
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        tolerance={key: config["batch_slots"][key] for key in ("iou", "score")},
    script:
        "../workflow/scripts/check_batch_slots.py"


# TensorRT has had engines with wrong results at some batches only, so the batches of the runs are checked too.
use rule check_batch_slots as check_batch_slots_streams with:
    input:
        alone="build/batch_slots/{model}",
        clip=rules.cut_slot_clips.output.clip,
        mirrored=rules.cut_slot_clips.output.mirrored,
        video="build/toolchain/video.json",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
        nvinfer_ds=streams_nvinfer,
        max_bs="models/{model}/benchmarks/max_bs.json",
        engine=streams_engine,
        inspect="models/{model}/model/inspect.json",
        parser="models/{model}/parser/libparser.so",
        labels="models/{model}/config/labels.txt",
        facts=RUNNER_FACTS,
    output:
        verdict="models/{model}/validation/batch_slots_s{streams}.json",
        runs=directory("build/batch_slots_of_streams/{model}_s{streams}"),
    log:
        "logs/{model}/check_batch_slots_s{streams}.log",
        same="logs/{model}/check_batch_slots_s{streams}_same.log",
        mixed="logs/{model}/check_batch_slots_s{streams}_mixed.log",
    benchmark:
        "logs/{model}/wall_time/check_batch_slots_s{streams}.tsv"
    params:
        code=code_version("check_batch_slots"),
        program=RUNTIME.deepstream_app,
        timeout_s=config["deepstream"]["timeout_s"],
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        tolerance={key: config["batch_slots"][key] for key in ("iou", "score")},
