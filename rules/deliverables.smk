"""What a model's build leaves for its user, and the report that comes back with a file of these that was deleted."""

from dsbench.dag.snakemake_internals import wildcards_of


def deliverables(wildcards):
    """Return every file of a model that its report mentions; of the measured files those whose names are known.

    The report takes them all, so that one which was deleted comes back with it.
    """
    model = wildcards.model
    return [
        *chain_engines(wildcards),
        *chain_build_logs(wildcards),
        *chain_logs(wildcards),
        *run_logs(wildcards),
        *run_engines(wildcards),
        *run_slots(wildcards),
        *[log.replace(".log", ".txt") for log in run_logs(wildcards)],
        *video_artefacts(wildcards),
        *sweep_files(wildcards),
        *expand(
            [
                "models/{model}/model/source.json",
                "models/{model}/model/provenance.json",
                "models/{model}/model/{model}.onnx",
                "models/{model}/model/inspect.json",
                "models/{model}/model/inspect.md",
                "models/{model}/model/export_attempts.json",
                "models/{model}/model/variants.json",
                "models/{model}/parser/{parser_file}",
                "models/{model}/parser/libparser.so",
                "models/{model}/config/config_infer_primary_{model}.txt",
                "models/{model}/config/deepstream_app_kitti_{model}.txt",
                "models/{model}/config/labels.txt",
                "models/{model}/config/labels_origin.json",
                "models/{model}/config/config.json",
                "models/{model}/scripts/{script}.sh",
                "models/{model}/benchmarks/max_bs.json",
                "models/{model}/benchmarks/engines/timing.cache",
                "models/{model}/benchmarks/b1/trtexec_b1.log",
                "models/{model}/benchmarks/ds/config_infer_ds_{model}.txt",
                "models/{model}/benchmarks/ds/run1.json",
                "models/{model}/benchmarks/ds/run2.json",
                "models/{model}/benchmarks/ds/ds_latency.log",
                "models/{model}/samples/kitti_output",
                "models/{model}/validation/{validated}.json",
                "models/{model}/reports/history.jsonl",
                "models/{model}/reports/charts/{chart}.png",
                "models/{model}/reports/benchmark_report.md",
            ],
            model=model,
            chart=CHARTS,
            parser_file=PARSER_SOURCES,
            script=SCRIPTS,
            validated=VALIDATED,
        ),
    ]


def all_artefacts(_):
    """Return every file of every configured model; without wkhtmltopdf no PDF, whose failure would stop the others."""
    reports = ["benchmark_report.html", "software_bill.cdx.json"]
    if recorded("wkhtmltopdf", lambda: TOOLCHAIN.probe("wkhtmltopdf")):
        reports += ["benchmark_report.pdf", "benchmark_report_{model}.pdf"]
    wanted = ["build/toolchain/target_fps.json"]
    for model in config["models"]:
        wanted += deliverables(wildcards_of(model=model))
        wanted += expand([f"models/{{model}}/reports/{name}" for name in reports], model=model)
    return wanted


def gone_of(wildcards):
    return [file for file in deliverables(wildcards) if not os.path.exists(file)]


def gone_in_plan(wildcards):
    """The files that a dry run shows as the reason to remake the report; where jobs run, that is removed below."""
    return [] if CALL.runs_jobs else gone_of(wildcards)


# Snakemake makes no missing file for a report that is there and newer than all others.
if CALL.makes_dag and CALL.runs_jobs:
    for model in reports_of(sys.argv[1:]):
        finished = Path(f"models/{model}/reports/benchmark_report.pdf")
        if finished.is_file() and (gone := gone_of(wildcards_of(model=model))):
            print(f"{finished} is made anew with {', '.join(gone)}, now missing", file=sys.stderr)
            finished.unlink()
