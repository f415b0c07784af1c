import json
from dataclasses import replace

import pytest

from dsbench.boxes.kitti import ClassCount, Detection
from dsbench.checks.findings import Gate, OwnObjects
from dsbench.checks.gate import check_dump, check_truth
from dsbench.checks.verdict import CheckError
from dsbench.core.errors import BuildError
from dsbench.core.records import read_record, write_record


def box(label="car", left=0.0, top=0.0, right=10.0, bottom=10.0, confidence=0.9):
    return Detection(label, left, top, right, bottom, confidence)


def test_gate_passes_at_the_required_ratio_and_counts():
    frames = {number: [box(), box("dog")] if number else [] for number in range(10)}
    assert check_dump(frames, 0.9, expected_frames=10).required() == Gate(
        frames=10,
        frames_with_detection=9,
        ratio=0.9,
        required_ratio=0.9,
        passed=True,
        detections=18,
        per_class=[ClassCount("car", 9), ClassCount("dog", 9)],
    )


@pytest.mark.parametrize(
    ("frames", "expected_frames", "reason"),
    [
        ({}, None, "has no frame; gie-kitti-output-dir"),
        ({0: [box()]}, 300, "has 1 frames, the video 300"),
        ({0: [], 1: []}, None, "None of 2 frames has a detection; most often net-scale-factor"),
        ({0: [box()], 1: []}, None, r"1 of 2 frames have a detection \(50.0%\), 90% are required"),
        ({0: [box(confidence=3.0)]}, None, "zero-initialise .* another object size"),
        ({0: [box(confidence=float("nan"))]}, None, "1 of 1 detections are no boxes"),
        ({0: [box(right=float("inf"))]}, None, "no boxes"),
        ({0: [box(left=20.0)]}, None, "no boxes"),
    ],
)
def test_gate_stops_with_what_was_found_and_the_likely_cause(frames, expected_frames, reason):
    with pytest.raises(CheckError, match=reason) as error:
        check_dump(frames, 0.9, expected_frames).required()
    assert error.value.numbers.passed is False
    assert error.value.numbers.frames == len(frames)


def test_ratio_of_no_frame_is_unknown_not_zero():
    with pytest.raises(CheckError) as error:
        check_dump({}).required()
    assert error.value.numbers.ratio is None


def own(*counts, best=0.9, reference="preprocessor_config.json"):
    """Return what the model alone finds in as many frames."""
    return OwnObjects(
        reference=reference,
        frames=list(range(len(counts))),
        reference_counts=list(counts),
        reference_detections=sum(counts),
        reference_best_score=best,
    )


NOTHING = {number: [] for number in range(10)}
HALF = {number: [box()] * (number % 2) for number in range(10)}


@pytest.mark.parametrize(
    ("frames", "itself", "reason"),
    [
        (
            NOTHING,
            own(0, 0, 0, 0, 0, best=None),
            r"finds objects in none of 5 frames of the clip \(no score reaches half",
        ),
        (
            NOTHING,
            own(0, 0, 0, 0, 0, best=0.4),
            r"best score is 0\.400\): this clip has nothing, or too little, that",
        ),
        (
            HALF,
            own(0, 1, 0, 1, 0),
            r"5 of 10 frames .* in 2 of 5 frames .* Name another with video: in the config",
        ),
        (
            HALF,
            own(0, 0, 0, reference="family"),
            r"with its family's preprocessing.* No preprocessor_config.json says",
        ),
        (
            NOTHING,
            own(3, 2, 4, 1, 2),
            r"None of 10 frames .* in 5 of 5 frames of the clip, in 5 of which .*: the runtime loses them",
        ),
        (
            HALF,
            own(3, 2, 4, 1, 2),
            r"5 of 10 frames .*: the runtime loses them\. Most often net-scale-factor",
        ),
    ],
)
def test_a_clip_without_objects_is_told_from_a_runtime_that_loses_them(frames, itself, reason):
    with pytest.raises(CheckError, match=reason):
        check_dump(frames, 0.9, own=itself).required()


def test_objects_that_the_model_itself_does_not_find_are_stopped():
    crowded = {number: [box()] * 53 for number in range(10)}
    with pytest.raises(
        CheckError, match=r"reports 265 objects in 5 frames in which the model itself, .* finds none"
    ):
        check_dump(crowded, own=own(0, 0, 0, 0, 0, best=None)).required()
    with pytest.raises(CheckError, match=r"finds 20: they are not the model's\."):
        check_dump(crowded, own=own(4, 4, 4, 4, 4)).required()


@pytest.mark.parametrize("counts", [(50, 50, 50, 50, 50), (10, 0, 10, 10, 10), (900, 900, 900, 900, 900)])
def test_objects_that_the_model_finds_too_pass(counts):
    assert check_dump({number: [box()] * 53 for number in range(10)}, own=own(*counts)).required().passed


def test_one_object_at_the_threshold_passes_where_the_model_itself_just_misses_it():
    assert (
        check_dump({number: [box()] for number in range(10)}, own=own(0, 0, 0, 0, 0, best=0.49))
        .required()
        .passed
    )


NAMES = ("car", "person", "bicycle", "road_sign")
TRUTH = {
    number: [box(name, left=100.0 * place, right=100.0 * place + 80) for place, name in enumerate(NAMES)]
    for number in range(10)
}


def renamed(frames, names):
    return {
        number: [replace(one, label=names[one.label]) for one in found] for number, found in frames.items()
    }


def moved(frames, by):
    return {
        number: [replace(one, left=one.left + by, right=one.right + by) for one in found]
        for number, found in frames.items()
    }


def test_truth_that_is_found_passes_also_in_small_part():
    assert check_truth(TRUTH, TRUTH, NAMES, 0.05, "demo/truth").required().known_recall == 1.0
    weak = {number: found if number == 0 else [] for number, found in TRUTH.items()}
    result = check_truth(weak, TRUTH, NAMES, 0.05, "demo/truth").required()
    assert (result.known_recall, result.known_objects, result.required_recall) == (0.1, 40, 0.05)


def test_names_that_are_shifted_are_told_from_boxes_that_are_wrong():
    shifted = renamed(TRUTH, dict(zip(NAMES, [*NAMES[1:], "class_4"], strict=True)))
    with pytest.raises(CheckError) as error:
        check_truth(shifted, TRUTH, [*NAMES, "class_4"], 0.05, "demo/truth").required()
    assert "0 of 40 objects" in str(error.value)
    assert "100% have a box under another name (car as person, person as bicycle," in str(error.value)
    assert "class names are shifted" in str(error.value)
    assert error.value.numbers.known_recall == 0
    with pytest.raises(
        CheckError, match="0% have a box under any name: the boxes do not lie where the objects"
    ):
        check_truth(moved(TRUTH, 2000), TRUTH, NAMES, 0.05, "demo/truth").required()


def test_a_model_of_other_classes_or_a_truth_of_few_objects_is_not_checked():
    elsewhere = moved(renamed(TRUTH, dict.fromkeys(NAMES, "letter")), 2000)
    assert check_truth(elsewhere, TRUTH, ["letter"], 0.05, "demo/truth").required().known_recall is None
    few = {0: TRUTH[0]}
    assert check_truth({0: []}, few, NAMES, 0.05, "demo/truth").required().known_recall is None


def test_a_model_of_one_of_the_classes_is_checked_by_that_one():
    people = {number: [one for one in found if one.label == "person"] for number, found in TRUTH.items()}
    more = {number: found * 3 for number, found in TRUTH.items()}
    assert check_truth(
        people, more, ["person", "dog"], 0.05, "demo/truth"
    ).required().known_recall == pytest.approx(1 / 3)
    with pytest.raises(CheckError, match="0 of 30 objects"):
        check_truth(moved(people, 2000), more, ["person", "dog"], 0.05, "demo/truth").required()


def test_no_recall_is_asked_for_where_the_config_says_so():
    assert check_truth(moved(TRUTH, 2000), TRUTH, NAMES, 0, "demo/truth").required().known_recall == 0


def test_the_gate_is_read_as_it_was_written_and_another_shape_is_told(tmp_path):
    file, gate = tmp_path / "gate.json", check_dump(TRUTH, expected_frames=10).required()
    truth = check_truth(TRUTH, TRUTH, NAMES, 0.05, "demo/truth").required()
    write_record(file, replace(gate, ground_truth=truth))
    assert read_record(file, Gate) == replace(gate, ground_truth=truth)
    assert json.loads(file.read_text())["ground_truth"]["per_class"][0]["label"] == "bicycle"
    file.write_text(file.read_text().replace('"passed": true', '"passed": "yes"'))
    with pytest.raises(BuildError, match=r"gate\.json: is no Gate as this version .*passed.* makes it anew"):
        read_record(file, Gate)
