"""Steps 4 and 5: dynamic engines and trtexec; MAX_BS doubles while PEAK_GPU_STREAMS is larger."""


rule build_engine:
    input:
        onnx=engine_onnx,
        inspect="models/{model}/model/inspect.json",
        seed_cache=seed_timing_cache,
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
    output:
        engine="models/{model}/benchmarks/engines/{model}_dynamic_b{batch}.engine",
        timing_cache="models/{model}/benchmarks/engines/timing_b{batch}.cache",
        log="models/{model}/benchmarks/engines/build_b{batch}.log",
    log:
        "logs/{model}/build_engine_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/build_engine_b{batch}.tsv"
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("trtexec_run"),
        program=RUNTIME.trtexec,
        precision=config["precision"],
        workspace_mib=WORKSPACE_MIB,
    script:
        "../workflow/scripts/build_engine.py"


checkpoint benchmark_max_batch:
    input:
        engine="models/{model}/benchmarks/engines/{model}_dynamic_b{batch}.engine",
        inspect="models/{model}/model/inspect.json",
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
    output:
        log="models/{model}/benchmarks/b{batch}/trtexec_b{batch}.log",
    log:
        "logs/{model}/benchmark_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/benchmark_b{batch}.tsv"
    wildcard_constraints:
        batch="[2-9]|[1-9][0-9]+",
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("trtexec_run"),
        program=RUNTIME.trtexec,
        duration_s=config["trtexec"]["duration_s"],
        warm_up_ms=config["trtexec"]["warm_up_ms"],
    script:
        "../workflow/scripts/benchmark_engine.py"


use rule benchmark_max_batch as benchmark_batch_1 with:
    input:
        engine=batch_1_engine,
        inspect="models/{model}/model/inspect.json",
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
    output:
        log="models/{model}/benchmarks/b1/trtexec_b1.log",
    log:
        "logs/{model}/benchmark_b1.log",
    benchmark:
        "logs/{model}/wall_time/benchmark_b1.tsv"


rule keep_timing_cache:
    input:
        final_timing_cache,
    output:
        "models/{model}/benchmarks/engines/timing.cache",
    log:
        "logs/{model}/keep_timing_cache.log",
    conda:
        "../envs/workflow.yaml"
    shell:
        "cp {input:q} {output:q} 2> {log:q}"
