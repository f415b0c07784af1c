"""Steps 4 and 5: dynamic engines and trtexec; MAX_BS doubles while PEAK_GPU_STREAMS is larger."""


# A batch that does not fit has a log that says so, and no engine.
checkpoint build_engine:
    input:
        onnx=engine_onnx,
        inspect="models/{model}/model/inspect.json",
        kind="build/graph_kinds/{model}.json",
        seed_cache=seed_timing_cache,
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
        # No engine is built for a refused clip. The content of the clip is no reason to build an engine again.
        clip=ancient("build/toolchain/video.json"),
        # As little for true boxes that are not those of this clip and this model.
        truth=ancient("models/{model}/validation/truth.json"),
    output:
        made=temp(directory("build/engines/{model}_b{batch}")),
        log="models/{model}/benchmarks/engines/build_b{batch}.log",
    log:
        "logs/{model}/build_engine_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/build_engine_b{batch}.tsv"
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("build_engine"),
        program=RUNTIME.trtexec,
        precision=config["precision"],
        strongly_typed=config["strongly_typed"],
        tf32=config["tf32"],
        has_layer_info=RUNTIME.kind == "nvidia",
        workspace_mib=WORKSPACE_MIB,
        engine="models/{model}/benchmarks/engines/{model}_dynamic_b{batch}.engine",
        timing_cache="models/{model}/benchmarks/engines/timing_b{batch}.cache",
    script:
        "../workflow/scripts/build_engine.py"


rule keep_engine:
    input:
        "build/engines/{model}_b{batch}",
    output:
        engine="models/{model}/benchmarks/engines/{model}_dynamic_b{batch}.engine",
        passport="models/{model}/benchmarks/engines/{model}_dynamic_b{batch}.engine.json",
        timing_cache="models/{model}/benchmarks/engines/timing_b{batch}.cache",
    log:
        "logs/{model}/keep_engine_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/keep_engine_b{batch}.tsv"
    priority: MEASURING_PRIORITY
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("keep_engine"),
    script:
        "../workflow/scripts/keep_engine.py"


checkpoint benchmark_engine:
    input:
        engine=lambda wildcards: of_engine(wildcards.model, wildcards.batch),
        inspect="models/{model}/model/inspect.json",
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
    output:
        log="models/{model}/benchmarks/b{batch}/trtexec_b{batch}.log",
    log:
        "logs/{model}/benchmark_engine_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/benchmark_engine_b{batch}.tsv"
    wildcard_constraints:
        batch="[2-9]|[1-9][0-9]+",
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("benchmark_engine"),
        program=RUNTIME.trtexec,
        duration_s=config["trtexec"]["duration_s"],
        warm_up_ms=config["trtexec"]["warm_up_ms"],
    script:
        "../workflow/scripts/benchmark_engine.py"


# A rule that loads the engine of MAX_BS has the engine among its inputs as soon as its name is known.
checkpoint choose_max_batch:
    input:
        builds=chain_build_logs,
        logs=chain_logs,
        engines=chain_engines,
        timing_cache=last_timing_cache,
        kind="build/graph_kinds/{model}.json",
        target_fps="build/toolchain/target_fps.json",
    output:
        decision=report(
            "models/{model}/benchmarks/max_bs.json",
            caption="../workflow/report/max_bs.rst",
            category="Decisions",
            labels={"model": "{model}", "result": "MAX_BS and PEAK"},
        ),
        timing_cache="models/{model}/benchmarks/engines/timing.cache",
    log:
        "logs/{model}/choose_max_batch.log",
    benchmark:
        "logs/{model}/wall_time/choose_max_batch.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("choose_max_batch"),
        first_batch=config["first_batch"][RUNTIME.kind],
        largest_batch=config["largest_batch"][RUNTIME.kind],
    script:
        "../workflow/scripts/choose_max_batch.py"


rule benchmark_engine_b1:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        kind="build/graph_kinds/{model}.json",
        engine=batch_1_engine,
        inspect="models/{model}/model/inspect.json",
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
    output:
        log="models/{model}/benchmarks/b1/trtexec_b1.log",
    log:
        "logs/{model}/benchmark_engine_b1.log",
    benchmark:
        "logs/{model}/wall_time/benchmark_engine_b1.tsv"
    priority: MEASURING_PRIORITY
    conda:
        "../envs/workflow.yaml"
    threads: MEASURING_THREADS
    resources:
        gpu=1,
    params:
        code=code_version("benchmark_engine"),
        program=RUNTIME.trtexec,
        duration_s=config["trtexec"]["duration_s"],
        warm_up_ms=config["trtexec"]["warm_up_ms"],
    script:
        "../workflow/scripts/benchmark_engine.py"
