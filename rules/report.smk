"""Step 8: one JSON has every number, and charts and report are made from it alone."""

TEMPLATES = PROJECT / "workflow/scripts/dsbench/report/templates"


rule write_scripts:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        run1="models/{model}/benchmarks/ds/run1.json",
        run2="models/{model}/benchmarks/ds/run2.json",
        runs=run_logs,
        latency_config=latency_config,
        engine=max_engine,
        batch_1_engine=batch_1_engine,
        inspect="models/{model}/model/inspect.json",
        trtexec="build/toolchain/trtexec.json",
    output:
        expand("models/{{model}}/scripts/{script}.sh", script=SCRIPTS),
    log:
        "logs/{model}/write_scripts.log",
    benchmark:
        "logs/{model}/wall_time/write_scripts.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("write_scripts"),
        programs={"trtexec": RUNTIME.trtexec, "deepstream_app": RUNTIME.deepstream_app},
        measuring=config["trtexec"] | config["deepstream"],
    script:
        "../workflow/scripts/write_scripts.py"


rule collect_data:
    input:
        max_bs="models/{model}/benchmarks/max_bs.json",
        run1="models/{model}/benchmarks/ds/run1.json",
        run2="models/{model}/benchmarks/ds/run2.json",
        pictures=video_artefacts,
        b1_log="models/{model}/benchmarks/b1/trtexec_b1.log",
        measured=lambda wildcards: chain_logs(wildcards) + run_logs(wildcards),
        latency="models/{model}/benchmarks/ds/ds_latency.log",
        builds=chain_build_logs,
        engines=chain_engines,
        half_accuracies=half_accuracies,
        preflight="build/toolchain/preflight.md",
        provenance="models/{model}/model/provenance.json",
        config="models/{model}/config/config.json",
        onnx="models/{model}/model/{model}.onnx",
        inspect="models/{model}/model/inspect.json",
        attempts="models/{model}/model/export_attempts.json",
        labels="models/{model}/config/labels.txt",
        labels_origin="models/{model}/config/labels_origin.json",
        gate="models/{model}/validation/gate.json",
        preprocess="models/{model}/validation/preprocess.json",
        agreement="models/{model}/validation/agreement.json",
        accuracy="models/{model}/validation/accuracy.json",
        batch_slots="models/{model}/validation/batch_slots.json",
        run_slots=run_slots,
        decoding="build/decoding/decoding.json",
        beside=figures_beside,
        sweep=sweep_of_report,
        scripts=expand("models/{{model}}/scripts/{script}.sh", script=SCRIPTS),
        clip="build/toolchain/video.json",
        target_fps="build/toolchain/target_fps.json",
        facts=facts(
            TOOLCHAIN.builder_facts()
            + TOOLCHAIN.runner_facts()
            + ["host", "cpu", "deepstream_headers", "compiler", "encoder", "wkhtmltopdf"]
        ),
    output:
        "models/{model}/reports/benchmark_data.json",
    log:
        "logs/{model}/collect_data.log",
    benchmark:
        "logs/{model}/wall_time/collect_data.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("collect_data"),
        settings={
            "trtexec": config["trtexec"],
            "deepstream": config["deepstream"],
        },
        threshold=lambda wildcards: entry_of(wildcards).get("threshold"),
        beside=lambda wildcards: entry_of(wildcards).get("beside"),
        has_video=HAS_VIDEO,
        has_half=PRECISION.needs_half_onnx,
    script:
        "../workflow/scripts/collect_data.py"


rule keep_history:
    input:
        data="models/{model}/reports/benchmark_data.json",
        facts=RUNNER_FACTS,
    output:
        # The job only adds a line, so Snakemake must not delete the file before the job runs.
        history=update("models/{model}/reports/history.jsonl"),
        since="models/{model}/reports/since_last_toolchain.json",
    log:
        "logs/{model}/keep_history.log",
    benchmark:
        "logs/{model}/wall_time/keep_history.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("keep_history"),
    script:
        "../workflow/scripts/keep_history.py"


rule draw_charts:
    input:
        data="models/{model}/reports/benchmark_data.json",
    output:
        # One job draws all of them: it loads pandas and seaborn once.
        [
            report(
                f"models/{{model}}/reports/charts/{chart}.png",
                caption="../workflow/report/chart.rst",
                category="Charts",
                labels={"model": "{model}", "chart": chart},
            )
            for chart in CHARTS
        ],
    log:
        "logs/{model}/draw_charts.log",
    benchmark:
        "logs/{model}/wall_time/draw_charts.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("draw_charts"),
    script:
        "../workflow/scripts/draw_charts.py"


rule render_markdown:
    input:
        data="models/{model}/reports/benchmark_data.json",
        since="models/{model}/reports/since_last_toolchain.json",
        template=TEMPLATES / "benchmark_report.md.j2",
    output:
        "models/{model}/reports/benchmark_report.md",
    log:
        "logs/{model}/render_markdown.log",
    benchmark:
        "logs/{model}/wall_time/render_markdown.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("render_markdown"),
    script:
        "../workflow/scripts/render_markdown.py"


rule render_html:
    input:
        markdown="models/{model}/reports/benchmark_report.md",
        style=TEMPLATES / "report.css",
        charts=expand("models/{{model}}/reports/charts/{chart}.png", chart=CHARTS),
        frames=["models/{model}/samples/frame_middle.jpg"] if HAS_VIDEO else [],
        sweep=sweep_chart,
    output:
        report(
            "models/{model}/reports/benchmark_report.html",
            caption="../workflow/report/benchmark_report.rst",
            category="Benchmark reports",
            labels={"model": "{model}", "result": "report as a page"},
        ),
    log:
        "logs/{model}/render_html.log",
    benchmark:
        "logs/{model}/wall_time/render_html.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("render_html"),
        is_cpu=RUNTIME.kind == "embedded",
    script:
        "../workflow/scripts/render_html.py"


rule write_software_bill:
    input:
        data="models/{model}/reports/benchmark_data.json",
        provenance="models/{model}/model/provenance.json",
        fetched=fetch_record,
        environment=export_environment,
        project=PROJECT / "pyproject.toml",
    output:
        "models/{model}/reports/software_bill.cdx.json",
    log:
        "logs/{model}/write_software_bill.log",
    benchmark:
        "logs/{model}/wall_time/write_software_bill.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("write_software_bill"),
    script:
        "../workflow/scripts/write_software_bill.py"


rule print_pdf:
    input:
        html="models/{model}/reports/benchmark_report.html",
        told_of=deliverables,
        # It lies beside the report.
        bill="models/{model}/reports/software_bill.cdx.json",
        converter="build/toolchain/wkhtmltopdf.json",
    output:
        pdf=report(
            "models/{model}/reports/benchmark_report.pdf",
            caption="../workflow/report/benchmark_report.rst",
            category="Benchmark reports",
            labels={"model": "{model}", "result": "report as PDF"},
        ),
        named="models/{model}/reports/benchmark_report_{model}.pdf",
    log:
        "logs/{model}/print_pdf.log",
    benchmark:
        "logs/{model}/wall_time/print_pdf.tsv"
    conda:
        "../envs/workflow.yaml"
    params:
        code=code_version("print_pdf"),
        page_size=config["report"]["page_size"],
        gone=gone_in_plan,
    script:
        "../workflow/scripts/print_pdf.py"
