"""The whole build of a detector unlike the demonstration: mean and std, BGR, letterbox, NMS, 91 names with gaps."""

import json
import os

import onnx
import pytest

from clip_kinds import first_frames
from dsbench.boxes.clustering import without_overlaps
from dsbench.boxes.kitti import read_directory
from dsbench.boxes.matching import as_rows, best_first
from dsbench.checks.agreement import read_keys
from dsbench.machine.clip import DEMO_CLIP, DEMO_TRUTH
from nvidia_job import FAKES
from second_detector import CLASSES, ENTRY, GAPS, IDS, MEAN, NAMES, STD, second_detector
from workflow_run import PROJECT, planned, snakemake

TREE = "models/second"
REPORT = f"{TREE}/reports/benchmark_report.md"
STATED = "preprocessing: in the config"
# Two seconds of the demonstration's clip: what is held here needs no more.
FRAMES = 60
COST = """
first_batch: {embedded: 2}
largest_batch: {embedded: 2}
video: source/clip.mp4
truth: source/truth
"""


def build(directory, *arguments, entry=ENTRY):
    """Return the finished process of the build to the report's text, without a video; the main job has both."""
    config = f"models: {{second: {{source: source/detector.onnx, preprocessing: {entry}}}}}\n{COST}"
    env = {"PATH": f"{FAKES / 'no_encoder'}:{os.environ['PATH']}"}
    return snakemake(directory, REPORT, *arguments, config=config, env=env)


@pytest.fixture(scope="module")
def second(finished, tmp_path_factory):
    """The working directory with the finished build; never changed by a test."""
    directory = tmp_path_factory.mktemp("second")
    (directory / "source").mkdir()
    demonstration = onnx.load(finished / "models/rtdetr/model/rtdetr.onnx")
    onnx.save(second_detector(demonstration), directory / "source/detector.onnx")
    first_frames(PROJECT / DEMO_CLIP, directory / "source/clip.mp4", FRAMES)
    (directory / "source/truth").mkdir()
    for file in sorted((PROJECT / DEMO_TRUTH).iterdir())[:FRAMES]:
        lines = file.read_text().splitlines(keepends=True)
        # The detector has another name for it.
        known = [line for line in lines if not line.startswith("road_sign ")]
        (directory / "source/truth" / file.name).write_text("".join(known))
    done = build(directory)
    assert done.returncode == 0, done.stdout[-8000:]
    return directory


@pytest.fixture(scope="module")
def data(second):
    return json.loads((second / TREE / "reports/benchmark_data.json").read_text())


def test_nvinfer_is_told_what_the_entry_states(second):
    keys = read_keys(second / TREE / "config/config_infer_primary_second.txt")
    assert [float(offset) for offset in keys["offsets"].split(";")] == list(MEAN)
    told = {
        "net-scale-factor": "1",
        "model-color-format": "1",
        "maintain-aspect-ratio": "1",
        "symmetric-padding": "1",
        "cluster-mode": "2",
        "num-detected-classes": str(CLASSES),
    }
    assert {key: keys[key] for key in told} == told


def test_inspection_says_what_the_onnx_does_itself_and_who_stated_the_rest(second):
    found = json.loads((second / TREE / "model/inspect.json").read_text())["preprocessing"]
    assert found["folded_std"] == list(STD)
    assert found["derived_from"] == STATED
    assert "Padding is black in nvinfer, 114 of 255 in the model's own preprocessing." in found["notes"]


def test_preprocessing_is_proven_against_what_the_entry_states_and_no_other_is_near(data):
    proof = data["preprocessing"]["proof"]
    derived, *others = proof["alternatives"]
    assert proof["passed"] and proof["told_by_detections"] and not proof["warnings"]
    assert proof["reference"] == STATED
    assert derived["mean_difference"] < 5
    assert derived["mean_difference"] + 10 < min(row["mean_difference"] for row in others)
    assert derived["agreement"] > 0.05 + max(row["agreement"] for row in others)


def test_boxes_are_those_of_the_reference_and_lie_where_the_objects_are(data):
    agreement = data["validation"]["agreement"]
    assert agreement["precision"] > 0.95 and agreement["recall"] > 0.95
    found = {row["label"]: row for row in data["validation"]["ground_truth"]["per_class"]}
    for label in ("car", "person", "bicycle"):
        assert found[label]["precision"] > 0.75 and found[label]["recall"] > 0.85, label


def test_names_are_on_their_ids_and_gaps_are_never_seen(second):
    labels = (second / TREE / "config/labels.txt").read_text().splitlines()
    assert labels == [NAMES[number] for number in range(CLASSES)]
    assert {labels[number] for number in GAPS} == {"N/A"}
    frames = read_directory(second / TREE / "samples/kitti_output")
    assert {box.label for boxes in frames.values() for box in boxes} == set(IDS)


def test_nms_has_dropped_the_second_box_of_every_object(second):
    frames = read_directory(second / TREE / "samples/kitti_output")
    for boxes in frames.values():
        rows = as_rows(best_first(boxes), {})
        # Of 0.45, as clustering has it, on the boxes before they are clipped to the frame.
        assert len(without_overlaps(rows, 0.5)) == len(rows)


def test_report_shows_offsets_and_how_frames_are_fed(second, data):
    assert data["preprocessing"]["offsets"] == list(MEAN)
    section = (second / REPORT).read_text().split("## 3.")[1].split("## 4.")[0]
    for row in (
        f"| Derived from | `{STATED}` |",
        "| offsets | 103.53; 116.28; 123.675 |",
        "| Colour order | BGR |",
        "| symmetric-padding | yes |",
        "| cluster-mode | 2 |",
    ):
        assert row in section
    assert "against the pipeline that the config states, on 10 frames" in section


def test_another_statement_runs_what_depends_on_it(second):
    assert planned(build(second, "-n").stdout) == {}
    jobs = planned(build(second, "-n", entry="{color: RGB}").stdout)
    remade = {"export_onnx", "prepare_onnx", "prove_preprocessing", "write_nvinfer_config", "render_markdown"}
    assert remade <= set(jobs)
    assert not {"fetch_source", "list_source", "inspect_video"} & set(jobs)
