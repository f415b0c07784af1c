"""Bad input ends in one sentence, a non-zero exit status, and loses nothing."""

import json
import shutil

import onnx
import pytest

import tiny_graphs
from slurm_cluster import write_profile
from workflow_run import PROJECT, REPORT, files, snakemake


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("tensorrt: {}\n", "config: there is no setting 'tensorrt'; "),
        ("target_fps: .nan\n", "target_fps is nan, expected a finite number"),
        ("video: no_such.mp4\n", "no_such.mp4: no such video"),
        ("runtime: nvidia\n", "trtexec and deepstream-app is not on PATH"),
    ],
)
def test_broken_configuration_is_named(tmp_path, config, says):
    done = snakemake(tmp_path, "-n", REPORT, config=config)
    assert done.returncode != 0
    assert says in done.stdout.replace("\n", " ")


def test_config_that_replaces_a_cluster_profiles_stops_before_the_first_job(tmp_path):
    profile = ("--workflow-profile", str(write_profile(tmp_path)))
    done = snakemake(tmp_path, "build/toolchain/preflight.md", *profile, "--config", "precision=fp32")
    assert done.returncode != 0 and "config: facts is here, but the jobs run elsewhere" in done.stdout
    assert not (tmp_path / "build/toolchain").exists()


@pytest.mark.parametrize("option", ["--until", "--omit-from"])
def test_hook_that_plans_left_out_jobs_anew_cannot_be_left_out(tmp_path, option):
    done = snakemake(tmp_path, "--no-hooks", REPORT, option, "render_html")
    assert done.returncode != 0
    assert "--no-hooks: with --until or --omit-from, jobs that follow" in done.stdout.replace("\n", " ")
    assert not (tmp_path / "models").exists()


def source(tmp_path, **changes):
    folder = tmp_path / "source"
    shutil.copytree(PROJECT / "demo/checkpoint", folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    return f"models: {{rtdetr: {{source: {folder}}}}}\n"


def test_non_detector_is_refused_before_anything_is_built(tmp_path):
    config = source(tmp_path, architectures=["ViTForImageClassification"], model_type="vit")
    done = snakemake(tmp_path, "models/rtdetr/config/config.json", config=config)
    assert done.returncode != 0
    assert "ViTForImageClassification is not an object detector that can be built" in done.stdout
    assert "Logfile" not in done.stdout
    assert not [path for path in files(tmp_path) if path.startswith("models/rtdetr/")]


def test_weights_that_are_a_git_lfs_pointer_are_named_where_only_the_graph_is_asked_for(tmp_path):
    config = source(tmp_path)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{7:064d}\nsize 167000000\n"
    (tmp_path / "source/model.safetensors").write_text(pointer)
    done = snakemake(tmp_path, "models/rtdetr/model/inspect.md", config=config)
    assert done.returncode != 0
    assert "model.safetensors: no sound safetensors file: it is a Git LFS pointer" in done.stdout
    assert "torchscript" not in done.stdout


def test_an_onnx_folder_is_checked_where_only_the_graph_is_asked_for(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    onnx.save(tiny_graphs.queries(), folder / "model.onnx")
    (folder / "preprocessor_config.json").write_text('{"size": {"height": -5, "width": 320}}')
    config = f"models: {{rtdetr: {{source: {folder}}}}}\n"
    done = snakemake(tmp_path, "models/rtdetr/model/inspect.md", config=config)
    assert done.returncode != 0
    assert "preprocessor_config.json: size.height is -5, expected 1 to" in done.stdout


def test_video_that_is_none_is_refused(tmp_path):
    video = tmp_path / "clip.mp4"
    video.write_text("this is no video")
    done = snakemake(tmp_path, "build/toolchain/video.json", env={"DS_VIDEO": str(video)})
    assert done.returncode != 0
    assert f"{video}: not a video that can be read" in done.stdout


def test_gate_that_fails_stops_before_the_multi_stream_runs(nvidia, tmp_path):
    shutil.rmtree(nvidia.directory / "models/rtdetr/benchmarks/ds")
    for number in range(300):
        (tmp_path / f"00_000_{number:06d}.txt").touch()
    nvidia.env["FAKE_KITTI"] = str(tmp_path)
    nvidia.settings["models"] = {"rtdetr": {"source": "demo/checkpoint", "threshold": 0.9999}}
    said = nvidia.refused(REPORT)
    assert "None of 300 frames has a detection. The model itself" in said
    assert "finds objects in none of 10 frames of the clip (its best score is 0.9" in said
    assert "this clip has nothing, or too little, that this model knows" in said
    assert not list(nvidia.directory.glob("models/rtdetr/benchmarks/ds/ds_s*.log"))


ACCURACY = "models/rtdetr/validation/accuracy.json"


def test_engine_that_answers_otherwise_than_its_onnx_is_the_stage_that_is_named(nvidia):
    nvidia.env["FAKE_TRTEXEC"] = "other-answers"
    said = nvidia.refused(ACCURACY, "-R", "run_engine").replace("\n", " ")
    assert "The stage is precision: the engine's boxes " in said


def test_engine_that_trtexec_does_not_run_on_images_leaves_the_precision_untold(nvidia):
    nvidia.env["FAKE_TRTEXEC"] = "no-answers"
    said = nvidia.run(ACCURACY, "-R", "run_engine")
    assert "the engine's own boxes stay unknown: logs/rtdetr/run_engine.log: " in said
    run = json.loads((nvidia.directory / "models/rtdetr/validation/engine_run.json").read_text())
    assert run["frames"] is None and "Error[2]: out of memory" in run["problem"]
    stages = json.loads((nvidia.directory / ACCURACY).read_text())["stages"]
    assert [each["stage"] for each in stages] == ["pixels", "runtime"]


def test_more_streams_than_the_engine_serves_are_refused(tree):
    done = snakemake(tree, "-n", "models/rtdetr/benchmarks/ds/ds_s64_run2.txt")
    assert done.returncode != 0
    assert "ds_s64: rtdetr's engine serves at most 4 streams; ask for at most that many" in done.stdout
