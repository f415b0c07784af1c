"""Step 6, last part: whether each slot of a batch gives the boxes that its frame has alone."""


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
