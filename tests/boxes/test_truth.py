"""True boxes are read alike from each form, and what is not of this clip and model is refused with the remedy."""

import json
from types import SimpleNamespace

import pytest

from dsbench.boxes import truth
from dsbench.boxes.kitti import Detection
from dsbench.boxes.truth import TruthError, read_truth

CLIP = SimpleNamespace(width=640, height=360, frames=3)
LABELS = ["car", "traffic light"]
CAR = Detection("car", 10.0, 20.0, 110.0, 80.0, 1.0)
LIGHT = Detection("traffic light", 600.0, 0.0, 640.0, 50.0, 1.0)
TRUE = {0: [CAR], 1: [], 2: [CAR, LIGHT]}
LINES = {
    "car": "car 0 0 0 10 20 110 80 0 0 0 0 0 0 0",
    "light": "traffic light 0 0 0 600 -4 640 50 0 0 0 0 0 0 0",
    "dumped": "car 0.0 0 0.0 10.0 20.0 110.0 80.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 1.0",
    "any": "DontCare -1 -1 -10 5 5 9 9 -1 -1 -1 -1000 -1000 -1000 -10",
}


def kitti(folder, frames, name="{:06d}.txt", first=0):
    folder.mkdir(exist_ok=True)
    for number, kinds in frames.items():
        text = "".join(f"{LINES.get(kind, kind)}\n" for kind in kinds)
        (folder / name.format(number + first)).write_text(text)
    return folder


def coco(tmp_path, **changes):
    document = {
        "info": {"year": 2026},
        "images": [
            {"id": 7 + n, "file_name": f"images/frame_{n + 1:04d}.jpg", "width": 640, "height": 360}
            for n in range(3)
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 100, 60], "iscrowd": 0},
            {"id": 2, "image_id": 9, "category_id": 3, "bbox": [10, 20, 100, 60]},
            {"id": 3, "image_id": 9, "category_id": 5, "bbox": [600, -4, 40, 54]},
            {"id": 4, "image_id": 9, "category_id": 5, "bbox": [0, 0, 640, 360], "iscrowd": 1},
        ],
        "categories": [{"id": 3, "name": "car"}, {"id": 5, "name": "traffic light"}],
    }
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(document | changes))
    return file


def mot(
    tmp_path, text="1,1,10,20,100,60,1,1,1\n3,1,10,20,100,60,1,1,1\n3,2,600,-4,40,54,1,2,0.9\n", names=LABELS
):
    (tmp_path / "gt").mkdir()
    file = tmp_path / "gt/gt.txt"
    file.write_text(text)
    if names:
        (tmp_path / "gt/labels.txt").write_text("".join(f"{name}\n" for name in names))
    return file


def test_a_kitti_folder_is_read_with_scores_or_without_and_counted_from_0_or_1(tmp_path):
    frames = {0: ["car", "any"], 1: [], 2: ["dumped", "light"]}
    assert read_truth(kitti(tmp_path / "labels", frames), CLIP, LABELS) == TRUE
    dumped = kitti(tmp_path / "dump", frames, "00_000_{:06d}.txt")
    assert read_truth(dumped, CLIP, LABELS) == TRUE
    assert read_truth(kitti(tmp_path / "ones", frames, "{:04d}.txt", 1), CLIP, LABELS) == TRUE


def test_a_coco_json_is_read_and_a_crowd_is_no_object(tmp_path):
    assert read_truth(coco(tmp_path), CLIP, LABELS) == TRUE


def test_a_mot_file_is_read_with_the_names_beside_it_and_what_is_not_valid_left_out(tmp_path):
    file = mot(tmp_path)
    file.write_text(f"{file.read_text()}2,9,0,0,50,50,0,1,1\n")
    assert read_truth(file, CLIP, LABELS) == TRUE


@pytest.mark.parametrize(
    "line", ["1,1,10,20,100,60,1,-1,-1,-1", "1,1,10,20,100,60", "1,1,10,20,100,60,1,1,1"]
)
def test_a_mot_file_of_a_model_of_one_class_needs_no_names(tmp_path, line):
    assert read_truth(mot(tmp_path, line, names=()), CLIP, ["car"]) == {0: [CAR], 1: [], 2: []}


def test_a_class_that_the_model_does_not_have_is_left_out_of_a_truth_that_nobody_named(tmp_path):
    folder = kitti(tmp_path / "t", {0: ["car", LINES["car"].replace("car", "van")], 1: [], 2: []})
    assert read_truth(folder, CLIP, LABELS, is_named=False) == {0: [CAR], 1: [], 2: []}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Car 0 0 0 1 2 30 40 0 0 0 0 0 0 0", "'Car' .1 boxes. is no class of the model, which has car, traffic light;"
         " write 'car' where that is meant, or leave"),
        ("van 0 0 0 1 2 30 40 0 0 0 0 0 0 0", "write the model's own name for it, or leave its boxes out"),
        ("car 0 0 0 700 2 900 40 0 0 0 0 0 0 0", "frame 0: 'car' at 700, 2, 900, 40 .left, top, right, bottom. lies"
         " outside the frame of 640x360; scale the boxes"),
        ("car 0 0 0 30 2 1 40 0 0 0 0 0 0 0", "has no area; correct or remove it"),
        ("car 10 20 110 80", "000000.txt, line 1: 'car 10 20 110 80' is no line of KITTI"),
        ("", "000001.txt"),
    ],
)  # fmt: skip
def test_what_is_no_truth_of_this_clip_is_refused(tmp_path, line, sentence):
    folder = kitti(tmp_path / "t", {0: [line] if line else [], 1: [] if line else ["nan"], 2: []})
    with pytest.raises(TruthError, match=sentence):
        read_truth(folder, CLIP, LABELS)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        (
            {0: [], 2: []},
            "frame 1 is missing, and the clip has the frames 0 to 2; a frame without objects needs",
        ),
        (
            {0: [], 1: [], 2: [], 3: []},
            "has a frame 3, and the clip has the frames 0 to 2; name the truth of this",
        ),
        ({}, "no .txt file in it; name a folder of KITTI files, a COCO JSON or a MOT file"),
    ],
)
def test_a_truth_of_other_frames_is_refused(tmp_path, frames, sentence):
    with pytest.raises(TruthError, match=sentence):
        read_truth(kitti(tmp_path / "t", frames), CLIP, LABELS)


def image(number, name, width=640):
    return {"id": number, "file_name": name, "width": width, "height": 360}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"images": [image(n, f"{n}.jpg", 1280) for n in range(3)]}, "'0.jpg' is 1280x360, the clip's frames are 640"),
        ({"images": [image(n, "frame.jpg") for n in range(3)]}, "'frame.jpg' has no number in it"),
        ({"images": [image(n, "1.jpg") for n in range(3)]}, "frame 1 is there twice"),
        ({"categories": []}, "annotation 0 is of category 3, which the file does not list; export it again"),
        ({"annotations": {}}, "no COCO JSON with images, annotations and categories"),
    ],
)  # fmt: skip
def test_a_coco_json_that_does_not_fit_is_refused(tmp_path, changes, sentence):
    with pytest.raises(TruthError, match=sentence):
        read_truth(coco(tmp_path, **changes), CLIP, LABELS)


@pytest.mark.parametrize(
    ("text", "names", "sentence"),
    [
        ("4,1,10,20,100,60,1,1,1\n", LABELS, "line 1: frame 4, and the clip has the frames 1 to 3"),
        (
            "1,1,10,20,100,60,1,3,1\n",
            LABELS,
            "class 3 has no name; write the names of the classes into .*labels.txt",
        ),
        ("1,1,10,20,100,60,1,1,1\n", (), "class 1 has no name"),
        ("frame,id,left\n", LABELS, "'frame,id,left' is no line of MOT"),
        ("1,1,nan,20,100,60\n", LABELS, "is no line of MOT"),
    ],
)
def test_a_mot_file_that_does_not_fit_is_refused(tmp_path, text, names, sentence):
    with pytest.raises(TruthError, match=sentence):
        read_truth(mot(tmp_path, text, names), CLIP, LABELS)


def test_another_file_is_refused(tmp_path):
    picture = tmp_path / "truth.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    said = r"no UTF-8 text .*; expected a file of true boxes of .*: name a folder of KITTI files, a COCO"
    with pytest.raises(TruthError, match=said):
        read_truth(picture, CLIP, LABELS)


def test_more_files_than_frames_are_refused_before_any_is_read(tmp_path, monkeypatch):
    folder = kitti(tmp_path / "labels", {number: ["car"] for number in range(9)})
    monkeypatch.setattr(truth, "read_bounded", None)
    with pytest.raises(TruthError, match=r"the clip has the frames|is there twice"):
        read_truth(folder, CLIP, LABELS)


def test_a_file_of_zeros_without_an_end_is_no_frame(tmp_path):
    folder = kitti(tmp_path / "labels", {0: ["car"], 1: []})
    (folder / "000002.txt").symlink_to("/dev/zero")
    with pytest.raises(
        TruthError, match=r"000002\.txt: is a folder, a pipe or a device; expected a plain file of"
    ):
        read_truth(folder, CLIP, LABELS)
