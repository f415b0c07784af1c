"""What runs again after which change, on the finished main job."""

import json
import os
import re

import pytest
import yaml

from dsbench.dag.jobs import dag_jobs
from workflow_run import BY_STREAMS, PROJECT, REPORT, environment, files, planned, rebuilt, snakemake

MEASURING = {
    "build_engine",
    "benchmark_engine",
    "benchmark_engine_b1",
    "choose_max_batch",
    "dump_kitti",
    "judge_kitti",
    "run_engine",
    "judge_agreement",
    "measure_accuracy",
    "check_batch_slots",
    "record_video",
    "extract_frames",
    "collect_data",
    "draw_charts",
    "render_markdown",
    "render_html",
    "print_pdf",
}
UNTOUCHED = {
    "make_environment_export",
    "export_onnx",
    "prepare_onnx",
    "prove_preprocessing",
    "write_labels",
    "write_parser",
    "compile_parser",
    "copy_config",
}
REPORTING = {"collect_data", "draw_charts", "render_markdown", "render_html", "print_pdf"}


def plan(tree, *arguments, **keywords):
    done = snakemake(tree, "-n", *(arguments or (REPORT,)), **keywords)
    assert done.returncode == 0, done.stdout[-4000:]
    jobs = planned(done.stdout)
    jobs.pop(BY_STREAMS, None)
    return jobs


@pytest.fixture
def newer_openvino(tmp_path):
    folder = tmp_path / "newer/openvino-9999.1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 9999.1\n")
    return {"PYTHONPATH": str(folder.parent)}


def test_new_openvino_remakes_engine_and_numbers_and_leaves_onnx_labels_and_parser(tree, newer_openvino):
    before = files(tree)
    jobs = plan(tree, env=newer_openvino)
    assert set(jobs) == rebuilt("embedded", "OpenVINO") - {BY_STREAMS}
    assert set(jobs) >= MEASURING
    assert not UNTOUCHED & set(jobs)
    assert jobs["record_fact"] == 1
    assert not [path for path in files(tree) - before if not path.startswith(".snakemake/")]


def test_new_template_rerenders_only_the_report(tree):
    jobs = plan(tree, "--force", "models/rtdetr/reports/benchmark_report.md", REPORT)
    assert set(jobs) == {"render_markdown", "render_html", "print_pdf"} == rebuilt("embedded", "template")


def test_new_threshold_leaves_the_engine(tree):
    jobs = plan(tree, config="models: {rtdetr: {source: demo/checkpoint, threshold: 0.4}}\n")
    assert set(jobs) == rebuilt("embedded", "threshold") - {BY_STREAMS}
    assert {"write_nvinfer_config", "dump_kitti"} | REPORTING <= set(jobs)
    assert not {"build_engine", "benchmark_engine", "export_onnx"} & set(jobs)


def test_what_else_changed_is_seen_while_the_source_is_checked_again(tree):
    config = "models: {rtdetr: {source: demo/checkpoint, threshold: 0.4}}\n"
    jobs = plan(tree, REPORT, "--forcerun", "fetch_source_from_disk", config=config)
    assert {"fetch_source_from_disk", "write_nvinfer_config"} <= set(jobs)


def test_new_gate_leaves_the_measurements_of_the_engine(tree):
    jobs = plan(tree, config="gate: {required_ratio: 0.5}\n")
    assert "judge_kitti" in jobs
    assert not {"build_engine", "dump_kitti", "export_onnx"} & set(jobs)


def test_deleted_measured_log_comes_back_with_all(tree):
    log = next(tree.glob("models/rtdetr/benchmarks/ds/ds_s*_run2.log"))
    log.unlink()
    jobs = plan(tree, "all")
    assert "benchmark_streams" in jobs
    assert not {"build_engine", "export_onnx", "dump_kitti"} & set(jobs)


def test_a_touched_tree_and_a_fresh_checkout_have_nothing_to_do(tree):
    for file in tree.rglob("*"):
        if file.is_file() and not file.is_symlink() and ".snakemake" not in file.parts:
            # Now all files of the project are newer, as in a fresh checkout; then the ONNX is newer than its engine.
            os.utime(file, (0, 10**9))
    assert plan(tree, "all") == {}
    (tree / "models/rtdetr/model/rtdetr.onnx").touch()
    assert plan(tree, "all") == {}


REMADE = {
    "parser/libparser.so": "compile_parser",
    "parser/parser.cpp": "write_parser",
    "model/rtdetr.onnx": "prepare_onnx",
    "model/export_attempts.json": "export_onnx",
    "config/labels.txt": "write_labels",
    "config/config_infer_primary_rtdetr.txt": "write_nvinfer_config",
    "config/deepstream_app_kitti_rtdetr.txt": "write_app_config_kitti",
    "benchmarks/ds/config_infer_ds_rtdetr.txt": "write_nvinfer_config_ds",
    "benchmarks/engines/build_b4.log": "build_engine",
    "benchmarks/engines/rtdetr_dynamic_b4.engine": "keep_engine",
    "benchmarks/engines/rtdetr_dynamic_b4.engine.json": "keep_engine",
    "benchmarks/engines/timing.cache": "choose_max_batch",
    "benchmarks/b4/trtexec_b4.log": "benchmark_engine",
    "benchmarks/b1/trtexec_b1.log": "benchmark_engine_b1",
    "benchmarks/ds/run2.json": "summarise_run2",
    "benchmarks/ds/ds_latency.log": "measure_latency",
    "samples/kitti_output": "dump_kitti",
    "samples/frame_first.jpg": "extract_frames",
    "validation/truth.json": "read_truth",
    "validation/preprocess.json": "prove_preprocessing",
    "validation/reference_run.json": "run_reference",
    "validation/engine_run.json": "run_engine",
    "validation/agreement.json": "judge_agreement",
    "validation/accuracy.json": "measure_accuracy",
    "validation/batch_slots.json": "check_batch_slots",
    "scripts/ds_run1.sh": "write_scripts",
    "reports/charts/chart_efficiency.png": "draw_charts",
    "reports/benchmark_report.md": "render_markdown",
}


def test_the_report_takes_every_deliverable_from_the_rule_that_makes_it(main_jobs):
    (report,) = (job for job in main_jobs if job["rule"] == "print_pdf")
    makers = {file: job["rule"] for job in main_jobs for file in job["output"]}
    wanted = {f"models/rtdetr/{file}": rule for file, rule in REMADE.items()}
    assert wanted.keys() <= set(report["input"])
    assert {file: makers.get(file) for file in wanted} == wanted


# A file beside a checkpoint's answer, one with a measured name, a folder.
@pytest.mark.parametrize(
    "deleted",
    [
        "benchmarks/engines/timing.cache",
        "benchmarks/engines/rtdetr_dynamic_b4.engine.json",
        "samples/kitti_output",
    ],
)
def test_a_deleted_deliverable_comes_back_with_the_report(tree, deleted):
    gone = tree / "models/rtdetr" / deleted
    gone.rename(tree / "aside")
    jobs = plan(tree, REPORT)
    assert {REMADE[deleted], "print_pdf"} <= set(jobs)
    # What was built is where the engine was.
    assert ("build_engine" in jobs) == ("keep_engine" in jobs)


def test_deleted_deliverables_come_back_and_the_rest_stays(tree):
    reports = tree / "models/rtdetr/reports"
    before = {file for file in files(tree) if not file.startswith(".snakemake/")}
    engine = next(tree.glob("models/rtdetr/benchmarks/engines/*.engine")).stat().st_mtime_ns
    for file in (next(reports.glob("charts/*.png")), reports / "benchmark_report.md"):
        file.unlink()
    done = snakemake(tree, REPORT)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "benchmark_report.pdf is made anew with models/rtdetr/reports/charts/" in done.stdout
    assert before <= files(tree) and plan(tree, "all") == {}
    assert next(tree.glob("models/rtdetr/benchmarks/engines/*.engine")).stat().st_mtime_ns == engine


def test_a_kitti_folder_that_lost_a_file_is_dumped_again(nvidia):
    lost = nvidia.directory / "models/rtdetr/samples/kitti_output/00_000_000135.txt"
    lost.unlink()
    said = nvidia.run("models/rtdetr/validation/kitti_manifest.json")
    assert "samples/kitti_output: has 299 of its 300 frames, so it is made anew" in said
    assert lost.is_file() and len(re.findall(r"^\[.*\] dump_kitti rtdetr ", said, re.M)) == 1


def test_engine_is_rebuilt_for_a_changed_threshold_where_it_was_deleted(tree):
    next(tree.glob("models/rtdetr/benchmarks/engines/*.engine")).unlink()
    jobs = plan(tree, config="models: {rtdetr: {source: demo/checkpoint, threshold: 0.4}}\n")
    assert {"build_engine", "dump_kitti", "print_pdf"} <= set(jobs)


def test_every_artefact_is_a_target_of_its_own(tmp_path):
    wanted = {
        "models/rtdetr/parser/libparser.so": "compile_parser",
        "models/rtdetr/model/rtdetr.onnx": "prepare_onnx",
        "models/rtdetr/benchmarks/engines/rtdetr_dynamic_b4.engine": "keep_engine",
        "models/rtdetr/benchmarks/b4/trtexec_b4.log": "benchmark_engine",
        "models/rtdetr/benchmarks/ds/ds_s3_run1.log": "benchmark_streams",
        "models/rtdetr/benchmarks/ds/ds_latency.log": "measure_latency",
        "models/rtdetr/config/labels.txt": "write_labels",
        "models/rtdetr/validation/preprocess.json": "prove_preprocessing",
        "models/rtdetr/reports/charts/chart_efficiency.png": "draw_charts",
        "models/rtdetr/scripts/ds_run1.sh": "write_scripts",
    }
    config = yaml.safe_load((PROJECT / "config/config.yaml").read_text())
    jobs = dag_jobs(PROJECT / "Snakefile", tmp_path, config, wanted, env=environment({}))
    makers = {file: job["rule"] for job in jobs if job["runs"] for file in job["output"]}
    assert {file: makers.get(file) for file in wanted} == wanted


def test_driver_that_does_not_answer_once_is_not_recorded_as_gone(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    fact = tmp_path / "build/toolchain/driver.json"
    fact.parent.mkdir(parents=True)
    fact.write_text('"595.58.03"\n')
    env = {"PATH": f"{tmp_path}:{PROJECT / 'tests/fakes'}:{os.environ['PATH']}"}
    done = snakemake(tmp_path, "build/toolchain/driver.json", env=env, config="runtime: nvidia\n")
    assert done.returncode != 0
    assert (
        "driver.json: driver was 595.58.03, now nothing answers (NVIDIA's driver: https://www.nvidia.com/drivers)"
        in done.stdout
    )
    assert fact.read_text() == '"595.58.03"\n'
    fact.unlink()
    assert (
        snakemake(tmp_path, str(fact.relative_to(tmp_path)), env=env, config="runtime: nvidia\n").returncode
        == 0
    )
    assert fact.read_text() == "null\n"


def test_slurm_profile_plans_the_same_jobs(tmp_path):
    local = plan(tmp_path)
    profile = ("--workflow-profile", str(PROJECT / "profiles/slurm"), "--config", "facts=here")
    on_slurm = plan(tmp_path, REPORT, *profile)
    assert on_slurm == local


def test_driver_upgrade_remakes_engines_and_numbers_on_nvidias_runtime(nvidia):
    data = nvidia.data
    assert data["runtime"]["name"] == "TensorRT 10.16.0, DeepStream 9.1.0 on NVIDIA L40S, 8.9, 46068 MiB"
    assert data["system"]["driver"] == "595.58.03"
    assert planned(nvidia.run("-n", REPORT)) == {}
    nvidia.upgrade("600.10", images_per_s=80, total_fps=70)
    jobs = planned(nvidia.run("-n", REPORT))
    assert set(jobs) == rebuilt("nvidia", "driver")
    assert set(jobs) >= MEASURING
    assert not UNTOUCHED & set(jobs)
    assert jobs["record_fact"] == 1

    check_plan(nvidia)
    check_report_after_upgrade(nvidia)
    assert "Upgrade plan: nothing would be rebuilt." in nvidia.run("upgrade_plan")

    # Measured once more, the toolchain before is still the one that another driver had.
    since = "models/rtdetr/reports/since_last_toolchain.json"
    nvidia.run(since, "-R", "benchmark_engine_b1")
    again = json.loads((nvidia.directory / since).read_text())
    assert [fact["name"] for fact in again["facts"]] == ["driver"]


def check_plan(job):
    """The plan says why and how long, and makes nothing."""
    tree = job.directory
    before = {path: (tree / path).read_bytes() for path in files(tree) if not path.startswith(".snakemake/")}
    said = job.run("upgrade_plan")
    assert "  driver: 595.58.03 -> 600.10\n" in said
    assert re.search(r"^  build_engine rtdetr batch=4 +[\d.]+ s  driver$", said, re.M)
    assert not re.search(r"never measured|unknown|export_onnx|compile_parser", said)
    assert before == {path: (tree / path).read_bytes() for path in before}
    assert {path for path in files(tree) - set(before) if not path.startswith(".snakemake/")} == {
        "logs/upgrade_plan.log"
    }


def check_report_after_upgrade(job):
    """The report compares with the toolchain before; old numbers are nowhere else, and nothing is left to do."""
    reports = job.directory / "models/rtdetr/reports"
    kept = (reports / "history.jsonl").read_text()
    job.run(REPORT)
    assert planned(job.run("-n", "all")) == {}
    table = job.text.split("### Since the last toolchain")[1].split("\n## 1.")[0]
    assert "| driver | 595.58.03 | 600.10 |" in table
    assert "| trtexec, images/s at batch 1 | 75.0 ± 0.0 | 80.0 ± 0.0 | +6.7 % | better |" in table
    history = (reports / "history.jsonl").read_text()
    assert history.startswith(kept) and history.count("\n") == kept.count("\n") + 1
    assert job.data["trtexec"]["bs1"]["imgs_per_sec"] == 80
    assert "595.58.03" not in json.dumps(job.data)
