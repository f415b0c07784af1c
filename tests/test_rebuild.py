"""What runs again after which change, on the finished main job."""

import json
import os

import pytest

from workflow_run import PROJECT, REPORT, files, planned, snakemake

FAKES = PROJECT / "tests/fakes"
MEASURING = {
    "build_engine",
    "benchmark_max_batch",
    "benchmark_batch_1",
    "choose_max_batch",
    "dump_kitti",
    "judge_kitti",
    "judge_agreement",
    "check_batch_slots",
    "record_video",
    "extract_frames",
    "collect_data",
    "draw_chart",
    "render_markdown",
    "render_html",
    "print_pdf",
}
UNTOUCHED = {
    "make_export_environment",
    "export_onnx",
    "prepare_onnx",
    "prove_preprocessing",
    "write_labels",
    "write_parser",
    "compile_parser",
    "copy_config",
}
REPORTING = {"collect_data", "draw_chart", "render_markdown", "render_html", "print_pdf"}


def plan(tree, *arguments, **keywords):
    done = snakemake(tree, "-n", *(arguments or (REPORT,)), **keywords)
    assert done.returncode == 0, done.stdout[-4000:]
    return planned(done.stdout)


@pytest.fixture
def newer_openvino(tmp_path):
    folder = tmp_path / "newer/openvino-9999.1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 9999.1\n")
    return {"PYTHONPATH": str(folder.parent)}


def test_a_copy_of_the_finished_job_has_nothing_to_do(tree):
    assert plan(tree) == {}


def test_new_openvino_remakes_engine_and_numbers_and_leaves_onnx_labels_and_parser(tree, newer_openvino):
    before = files(tree)
    jobs = plan(tree, env=newer_openvino)
    assert set(jobs) >= MEASURING
    assert not UNTOUCHED & set(jobs)
    assert jobs["record_fact"] == 1
    assert not [path for path in files(tree) - before if not path.startswith(".snakemake/")]


def test_new_template_rerenders_only_the_report(tree):
    jobs = plan(tree, "--force", "models/rtdetr/reports/benchmark_report.md", REPORT)
    assert set(jobs) == {"render_markdown", "render_html", "print_pdf"}


def test_new_threshold_leaves_the_engine(tree):
    jobs = plan(tree, config="models: {rtdetr: {source: demo/checkpoint, threshold: 0.4}}\n")
    assert {"write_nvinfer_config", "dump_kitti"} | REPORTING <= set(jobs)
    assert not {"build_engine", "benchmark_max_batch", "export_onnx", "compile_parser"} & set(jobs)


def test_what_else_changed_is_seen_while_the_source_is_checked_again(tree):
    config = "models: {rtdetr: {source: demo/checkpoint, threshold: 0.4}}\n"
    jobs = plan(tree, REPORT, "--forcerun", "check_source", config=config)
    assert {"check_source", "write_nvinfer_config"} <= set(jobs)


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


def test_every_artefact_is_a_target_of_its_own(tmp_path):
    for target, rule in {
        "models/rtdetr/parser/libparser.so": "compile_parser",
        "models/rtdetr/model/rtdetr.onnx": "prepare_onnx",
        "models/rtdetr/benchmarks/engines/rtdetr_dynamic_b4.engine": "build_engine",
        "models/rtdetr/benchmarks/b4/trtexec_b4.log": "benchmark_max_batch",
        "models/rtdetr/benchmarks/ds/ds_s3_run1.log": "benchmark_streams",
        "models/rtdetr/config/labels.txt": "write_labels",
        "models/rtdetr/validation/preprocess.json": "prove_preprocessing",
        "models/rtdetr/reports/charts/chart_efficiency.png": "draw_chart",
        "models/rtdetr/scripts/ds_run1.sh": "write_scripts",
    }.items():
        assert rule in plan(tmp_path, target), target


def test_slurm_profile_plans_the_same_jobs(tmp_path):
    local = plan(tmp_path)
    profile = ("--workflow-profile", str(PROJECT / "profiles/slurm"), "--config", "facts=here")
    on_slurm = plan(tmp_path, REPORT, *profile)
    assert on_slurm == local


@pytest.fixture
def nvidia(tree, finished):
    """The finished job moved to NVIDIA's programs, which here are fakes that the embedded runtime works for."""
    env = {
        "PATH": f"{FAKES}:{FAKES / 'gstreamer'}:{os.environ['PATH']}",
        "FAKE_KITTI": str(finished / "models/rtdetr/samples/kitti_output"),
    }
    config = "runtime: nvidia\nfirst_batch: {nvidia: 4}\n"
    done = snakemake(tree, REPORT, env=env, config=config)
    assert done.returncode == 0, done.stdout[-4000:]
    return tree, env, config


def test_driver_upgrade_remakes_engines_and_numbers_on_nvidias_runtime(nvidia):
    tree, env, config = nvidia
    data = json.loads((tree / "models/rtdetr/reports/benchmark_data.json").read_text())
    assert data["runtime"]["name"] == "TensorRT 10.16.0, DeepStream 9.1.0 on NVIDIA L40S, 8.9, 46068 MiB"
    assert data["system"]["driver"] == "595.58.03"
    assert plan(tree, env=env, config=config) == {}
    jobs = plan(tree, env=env | {"FAKE_DRIVER": "600.10"}, config=config)
    assert set(jobs) >= MEASURING
    assert not UNTOUCHED & set(jobs)
    assert jobs["record_fact"] == 1
