"""When the clip is decoded, what waits for it, and what a moved project still plays."""

import json
import re
import shutil

import pytest

import clip_kinds as kinds
from workflow_run import PROJECT, REPORT, planned, snakemake

KITTI_CONFIG = "models/rtdetr/config/deepstream_app_kitti_rtdetr.txt"
OF_RTDETR = "models: {{rtdetr: {{source: demo/checkpoint, truth: {truth}}}}}\n"


def test_a_dry_run_plans_to_decode_and_says_that_more_may_follow(tmp_path):
    clip = kinds.changing(tmp_path)
    done = snakemake(tmp_path, "-n", REPORT, env={"DS_VIDEO": str(clip)})
    assert done.returncode == 0, done.stdout[-3000:]
    assert planned(done.stdout)["inspect_video"] == 1
    assert re.search(r"more jobs may follow from what these find out: .*note_target_fps", done.stdout)


def test_what_the_first_frame_tells_is_said_before_any_job_and_only_where_the_clip_is_played(tmp_path):
    clip = kinds.turned(tmp_path)
    done = snakemake(tmp_path, REPORT, env={"DS_VIDEO": str(clip)})
    assert done.returncode != 0 and "Job stats" not in done.stdout
    assert f"{clip}: a note in it says to show it turned by 90 degrees" in done.stdout
    other = snakemake(tmp_path, "-n", "models/rtdetr/model/rtdetr.onnx", env={"DS_VIDEO": str(clip)})
    assert other.returncode == 0 and "inspect_video" not in planned(other.stdout)


def test_no_engine_is_built_for_a_clip_that_is_refused_half_way(tree):
    shutil.rmtree(tree / "models/rtdetr/benchmarks")
    clip = kinds.changing(tree)
    done = snakemake(tree, "--keep-going", REPORT, env={"DS_VIDEO": str(clip)})
    assert done.returncode != 0
    assert f"ERROR {clip}: frame 40 is 48x32, the frames before it are 64x48" in done.stdout
    assert not (tree / "models/rtdetr/benchmarks").exists() or not list(tree.rglob("*.engine"))


@pytest.mark.parametrize(
    ("config", "noted", "decodes"),
    [
        ("", {"target_fps": 30.0, "from": "clip"}, True),
        ("target_fps: 12\n", {"target_fps": 12, "from": "config"}, False),
    ],
)
def test_target_is_the_busiest_rate_of_the_clip_unless_the_config_names_one(tmp_path, config, noted, decodes):
    clip = kinds.write(tmp_path / "clip.mp4", 60, at=lambda number: number + 5 * max(0, number - 30))
    target = "build/toolchain/target_fps.json"
    done = snakemake(tmp_path, target, env={"DS_VIDEO": str(clip)}, config=config)
    assert done.returncode == 0, done.stdout[-3000:]
    assert json.loads((tmp_path / target).read_text()) == noted
    assert (tmp_path / "build/toolchain/video.json").exists() is decodes


def test_a_moved_project_plays_its_clip_where_it_is_now(tree):
    shutil.copy(PROJECT / "demo/sample_720p.mp4", tree / "clip.mp4")
    done = snakemake(tree, KITTI_CONFIG, config="video: clip.mp4\n")
    assert done.returncode == 0, done.stdout[-3000:]
    moved = tree.rename(tree.with_name("moved"))
    try:
        assert planned(snakemake(moved, "-n", KITTI_CONFIG, config="video: clip.mp4\n").stdout) == {}
        assert "uri=file://../../../clip.mp4\n" in (moved / KITTI_CONFIG).read_text()
    finally:
        moved.rename(tree)


def test_a_project_in_a_folder_with_braces_is_refused_in_a_sentence(tmp_path):
    folder = tmp_path / "a {models} b"
    folder.mkdir()
    done = snakemake(folder, "-n", REPORT)
    assert done.returncode != 0
    assert f"{folder}: the working directory has a brace" in done.stdout
    assert "NameError" not in done.stdout


def test_a_truth_that_is_not_there_is_refused_and_another_one_is_measured_on_the_same_dump(tree):
    missing = snakemake(tree, "-n", REPORT, env={"DS_TRUTH": "boxes.json"})
    assert missing.returncode != 0
    assert "boxes.json: no such file or folder; correct DS_TRUTH or the config's `truth`" in missing.stdout
    other = snakemake(tree, "-n", REPORT, env={"DS_TRUTH": str(PROJECT / "demo/sample_720p_kitti")})
    assert {"read_truth", "judge_kitti", "measure_accuracy", "print_pdf"} <= planned(other.stdout).keys()
    assert not {"build_engine", "dump_kitti"} & planned(other.stdout).keys()
    config = snakemake(tree, "-n", REPORT, config="truth: boxes.json\n")
    assert "boxes.json: no such file or folder" in config.stdout


def test_no_engine_is_built_for_a_truth_with_a_class_that_the_model_does_not_have(tree):
    shutil.rmtree(tree / "models/rtdetr/benchmarks")
    truth = tree / "boxes"
    shutil.copytree(PROJECT / "demo/sample_720p_kitti", truth)
    for file in truth.iterdir():
        file.write_text(file.read_text().replace("car ", "automobile "))
    done = snakemake(tree, "--keep-going", REPORT, config=OF_RTDETR.format(truth=truth))
    assert done.returncode != 0
    assert re.search(rf"ERROR {truth}: 'automobile' \(\d+ boxes\) is no class of the model", done.stdout)
    assert not list(tree.rglob("*.engine"))


def test_a_model_may_have_its_own_truth_and_the_environment_wins(tree):
    entry = OF_RTDETR.format(truth="boxes.json")
    missing = snakemake(tree, "-n", REPORT, config=f"truth: {PROJECT}/demo/sample_720p_kitti\n{entry}")
    assert "rtdetr: boxes.json: no such file or folder" in missing.stdout
    drawn = str(PROJECT / "demo/sample_720p_kitti")
    assert snakemake(tree, "-n", REPORT, config=entry, env={"DS_TRUTH": drawn}).returncode == 0
