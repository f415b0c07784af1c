"""Asked for by name only: how many streams a model serves, from a few batches of one engine and a few more runs."""


# Batches of the engine of MAX_BS; the log of a batch in its own folder is of the engine of that batch.
use rule benchmark_engine_b1 as benchmark_engine_probe with:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        kind="build/graph_kinds/{model}.json",
        engine=max_engine,
        inspect="models/{model}/model/inspect.json",
        facts=BUILDER_FACTS,
        trtexec="build/toolchain/trtexec.json",
    output:
        log="models/{model}/benchmarks/sweep/trtexec_b{batch}.log",
    log:
        "logs/{model}/benchmark_engine_probe_b{batch}.log",
    benchmark:
        "logs/{model}/wall_time/benchmark_engine_probe_b{batch}.tsv"


checkpoint predict_batch:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        measured=run_logs,
        run1="models/{model}/benchmarks/ds/run1.json",
        run2="models/{model}/benchmarks/ds/run2.json",
        probes=probe_logs,
        target_fps="build/toolchain/target_fps.json",
    output:
        "models/{model}/benchmarks/sweep/prediction.json",
    log:
        "logs/{model}/predict_batch.log",
    benchmark:
        "logs/{model}/wall_time/predict_batch.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("predict_batch"),
        max_latency_ms=config["sweep"]["max_latency_ms"],
    script:
        "../workflow/scripts/predict_batch.py"


rule confirm_batch:
    input:
        prediction="models/{model}/benchmarks/sweep/prediction.json",
        runs=confirmation_logs,
    output:
        report(
            "models/{model}/benchmarks/sweep.json",
            caption="../workflow/report/sweep.rst",
            category="Decisions",
            labels={"model": "{model}", "result": "batch sweep"},
        ),
    log:
        "logs/{model}/confirm_batch.log",
    benchmark:
        "logs/{model}/wall_time/confirm_batch.tsv"
    localrule: True
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("confirm_batch"),
        windows=config["deepstream"]["windows"],
    script:
        "../workflow/scripts/confirm_batch.py"


rule draw_sweep:
    input:
        data="models/{model}/reports/benchmark_data.json",
    output:
        report(
            "models/{model}/reports/charts/chart_sweep.jpg",
            caption="../workflow/report/chart.rst",
            category="Charts",
            labels={"model": "{model}", "chart": "chart_sweep"},
        ),
    log:
        "logs/{model}/draw_sweep.log",
    benchmark:
        "logs/{model}/wall_time/draw_sweep.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("draw_sweep"),
    script:
        "../workflow/scripts/draw_sweep.py"
