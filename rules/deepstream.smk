"""Step 7: run 1 at min(PEAK, MAX_BS) streams, run 2 at what run 1 feeds in real time."""


use rule write_kitti_config as write_streams_config with:
    input:
        video="build/toolchain/video.json",
        nvinfer="models/{model}/benchmarks/ds/config_infer_ds_{model}.txt",
    output:
        "models/{model}/benchmarks/ds/ds_s{streams}_run{run}.txt",
    log:
        "logs/{model}/write_streams_config_s{streams}_run{run}.log",
    params:
        code=code_version("app_config"),
        streams=lambda wildcards: int(wildcards.streams),
        kitti_directory=None,
        interval_s=config["deepstream"]["interval_s"],
        loop=True,


checkpoint benchmark_streams:
    input:
        app_config="models/{model}/benchmarks/ds/ds_s{streams}_run{run}.txt",
        nvinfer="models/{model}/benchmarks/ds/config_infer_ds_{model}.txt",
        engine=final_engine,
        parser="models/{model}/parser/libparser.so",
        labels="models/{model}/config/labels.txt",
        gate="models/{model}/validation/gate.json",
        video=VIDEO,
        facts=RUNNER_FACTS,
    output:
        log="models/{model}/benchmarks/ds/ds_s{streams}_run{run}.log",
    log:
        "logs/{model}/ds_s{streams}_run{run}.log",
    benchmark:
        "logs/{model}/wall_time/ds_s{streams}_run{run}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("deepstream_run"),
        program=RUNTIME.deepstream_app,
        interval_s=config["deepstream"]["interval_s"],
        windows=config["deepstream"]["windows"],
        timeout_s=config["deepstream"]["timeout_s"],
    script:
        "../workflow/scripts/benchmark_streams.py"
