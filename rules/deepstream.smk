"""Step 7: run 1 at min(PEAK, MAX_BS) streams, run 2 at what run 1 feeds in real time, and a frame's latency."""


use rule write_app_config_kitti as write_app_config_streams with:
    input:
        video="build/toolchain/video.json",
        nvinfer=streams_nvinfer,
        max_bs="models/{model}/benchmarks/max_bs.json",
    output:
        "models/{model}/benchmarks/ds/ds_s{streams}_run{run}.txt",
    log:
        "logs/{model}/write_app_config_streams_s{streams}_run{run}.log",
    benchmark:
        "logs/{model}/wall_time/write_app_config_streams_s{streams}_run{run}.tsv"
    params:
        code=code_version("write_app_config"),
        uri=clip_uri,
        streams=streams_of_engine,
        kitti_directory=None,
        interval_s=config["deepstream"]["interval_s"],
        loop=True,


checkpoint benchmark_streams:
    input:
        app_config="models/{model}/benchmarks/ds/ds_s{streams}_run{run}.txt",
        nvinfer=streams_nvinfer,
        decisions=decisions_before,
        engine=streams_engine,
        parser="models/{model}/parser/libparser.so",
        labels="models/{model}/config/labels.txt",
        gate="models/{model}/validation/gate.json",
        preprocess="models/{model}/validation/preprocess.json",
        agreement="models/{model}/validation/agreement.json",
        accuracy="models/{model}/validation/accuracy.json",
        batch_slots=slots_of_streams,
        video=VIDEO,
        facts=RUNNER_FACTS,
    output:
        log="models/{model}/benchmarks/ds/ds_s{streams}_run{run}.log",
    log:
        "logs/{model}/benchmark_streams_s{streams}_run{run}.log",
    benchmark:
        "logs/{model}/wall_time/benchmark_streams_s{streams}_run{run}.tsv"
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("benchmark_streams"),
        program=RUNTIME.deepstream_app,
        interval_s=config["deepstream"]["interval_s"],
        windows=config["deepstream"]["windows"],
        timeout_s=config["deepstream"]["timeout_s"],
    script:
        "../workflow/scripts/benchmark_streams.py"


rule summarise_run1:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        logs=run1_logs,
        target_fps="build/toolchain/target_fps.json",
    output:
        report(
            "models/{model}/benchmarks/ds/run1.json",
            caption="../workflow/report/run.rst",
            category="Decisions",
            labels={"model": "{model}", "result": "run 1"},
        ),
    log:
        "logs/{model}/summarise_run1.log",
    benchmark:
        "logs/{model}/wall_time/summarise_run1.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("summarise_run"),
        windows=config["deepstream"]["windows"],
    script:
        "../workflow/scripts/summarise_run.py"


use rule summarise_run1 as summarise_run2 with:
    input:
        run1_logs=run1_logs,
        max_bs="models/{model}/benchmarks/max_bs.json",
        run1="models/{model}/benchmarks/ds/run1.json",
        logs=run2_logs,
        target_fps="build/toolchain/target_fps.json",
    output:
        report(
            "models/{model}/benchmarks/ds/run2.json",
            caption="../workflow/report/run.rst",
            category="Decisions",
            labels={"model": "{model}", "result": "run 2"},
        ),
    log:
        "logs/{model}/summarise_run2.log",
    benchmark:
        "logs/{model}/wall_time/summarise_run2.tsv"


rule measure_latency:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        runs=run_logs,
        app_config=latency_config,
        nvinfer=of_latency_run(streams_nvinfer),
        engine=of_latency_run(streams_engine),
        parser="models/{model}/parser/libparser.so",
        labels="models/{model}/config/labels.txt",
        video=VIDEO,
        facts=RUNNER_FACTS,
    output:
        log="models/{model}/benchmarks/ds/ds_latency.log",
    log:
        "logs/{model}/measure_latency.log",
    benchmark:
        "logs/{model}/wall_time/measure_latency.tsv"
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("measure_latency"),
        program=RUNTIME.deepstream_app,
        interval_s=config["deepstream"]["interval_s"],
        windows=config["deepstream"]["windows"],
        timeout_s=config["deepstream"]["timeout_s"],
    script:
        "../workflow/scripts/measure_latency.py"
