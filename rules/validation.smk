"""Step 6, second half: single-stream detections, the gate, and the video."""


rule write_app_config_kitti:
    input:
        video="build/toolchain/video.json",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
    output:
        "models/{model}/config/deepstream_app_kitti_{model}.txt",
    log:
        "logs/{model}/write_app_config_kitti.log",
    benchmark:
        "logs/{model}/wall_time/write_app_config_kitti.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("write_app_config"),
        uri=clip_uri,
        streams=1,
        kitti_directory="../samples/kitti_output",
        interval_s=None,
        loop=False,
    script:
        "../workflow/scripts/write_app_config.py"


rule dump_kitti:
    input:
        app_config="models/{model}/config/deepstream_app_kitti_{model}.txt",
        nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
        max_bs="models/{model}/benchmarks/max_bs.json",
        engine=single_engine,
        parser="models/{model}/parser/libparser.so",
        labels="models/{model}/config/labels.txt",
        video=VIDEO,
        facts=RUNNER_FACTS,
    output:
        kitti=directory("models/{model}/samples/kitti_output"),
        manifest="models/{model}/validation/kitti_manifest.json",
    log:
        "logs/{model}/dump_kitti.log",
    benchmark:
        "logs/{model}/wall_time/dump_kitti.tsv"
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("dump_kitti"),
        program=RUNTIME.deepstream_app,
        timeout_s=config["deepstream"]["timeout_s"],
    script:
        "../workflow/scripts/dump_kitti.py"


rule judge_kitti:
    input:
        kitti="models/{model}/samples/kitti_output",
        manifest="models/{model}/validation/kitti_manifest.json",
        preprocess="models/{model}/validation/preprocess.json",
        inspect="models/{model}/model/inspect.json",
        labels="models/{model}/config/labels.txt",
        truth="models/{model}/validation/truth.json",
        clip="build/toolchain/video.json",
        video=VIDEO,
    output:
        report(
            "models/{model}/validation/gate.json",
            caption="../workflow/report/gate.rst",
            category="Checks",
            labels={"model": "{model}", "result": "gate"},
        ),
    log:
        "logs/{model}/judge_kitti.log",
    benchmark:
        "logs/{model}/wall_time/judge_kitti.tsv"
    # Higher than that of agreement, whose verdict says less plainly that nothing was found.
    priority: 30
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("judge_kitti"),
        required_ratio=config["gate"]["required_ratio"],
        required_recall=config["gate"]["required_recall"],
    script:
        "../workflow/scripts/judge_kitti.py"


if RUNTIME.kind == "nvidia":

    rule record_video:
        input:
            nvinfer="models/{model}/config/config_infer_primary_{model}.txt",
            max_bs="models/{model}/benchmarks/max_bs.json",
            engine=single_engine,
            parser="models/{model}/parser/libparser.so",
            labels="models/{model}/config/labels.txt",
            clip="build/toolchain/video.json",
            video=VIDEO,
            encoder="build/toolchain/encoder.json",
            facts=RUNNER_FACTS,
        output:
            video=f"models/{{model}}/samples/{{model}}_output.{VIDEO_SUFFIX}",
        log:
            "logs/{model}/record_video.log",
        benchmark:
            "logs/{model}/wall_time/record_video.tsv"
        priority: MEASURING_PRIORITY
        conda:
            "../envs/workflow.yaml"
        threads: MEASURING_THREADS
        resources:
            gpu=1,
        params:
            code=code_version("record_video"),
            encoder=ENCODER,
            timeout_s=config["deepstream"]["timeout_s"],
        script:
            "../workflow/scripts/record_video.py"

else:

    rule record_video:
        input:
            kitti="models/{model}/samples/kitti_output",
            manifest="models/{model}/validation/kitti_manifest.json",
            clip="build/toolchain/video.json",
            video=VIDEO,
            decoder=DECODER,
            encoder="build/toolchain/encoder.json",
        output:
            video="models/{model}/samples/{model}_output.ogv",
        log:
            "logs/{model}/record_video.log",
        benchmark:
            "logs/{model}/wall_time/record_video.tsv"
        conda:
            "../envs/workflow.yaml"
        params:
            code=code_version("record_video"),
        script:
            "../workflow/scripts/record_video.py"


rule extract_frames:
    input:
        f"models/{{model}}/samples/{{model}}_output.{VIDEO_SUFFIX}",
    output:
        [
            report(
                f"models/{{model}}/samples/{frame}.jpg",
                caption="../workflow/report/frame.rst",
                category="Pictures",
                labels={"model": "{model}", "result": frame},
            )
            for frame in FRAMES
        ],
    log:
        "logs/{model}/extract_frames.log",
    benchmark:
        "logs/{model}/wall_time/extract_frames.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("extract_frames"),
    script:
        "../workflow/scripts/extract_frames.py"
