import hashlib
import os
import shutil
from pathlib import Path

import pytest

from dsbench.boxes.kitti import (
    ClassCount,
    Detection,
    KittiError,
    manifest,
    parse_line,
    read_directory,
    short_dumps,
)
from dsbench.core.records import write_record

CAR = "car 0.0 0 0.0 512.250000 401.500000 733.125000 560.750000 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.913574"
REAL_LOGS = Path(os.environ.get("REAL_LOGS", Path(__file__).parents[3] / "shared/real-logs"))


def test_line_gives_label_corners_and_confidence():
    assert parse_line(CAR, "x") == Detection("car", 512.25, 401.5, 733.125, 560.75, 0.913574)


@pytest.mark.parametrize("label", ["traffic light", "", "a  b ", "7 11", "größe"])
def test_label_may_hold_spaces_or_be_empty(label):
    assert parse_line(label + CAR.removeprefix("car"), "x").label == label


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="the real logs are kept outside the repository")
def test_real_lines_of_the_tracker_give_their_boxes_and_the_id_after_the_label():
    lines = (REAL_LOGS / "kitti-1.txt").read_text().splitlines()[1:]
    found = [parse_line(line, "x") for line in lines]
    assert found[0] == Detection("person 1", 964.094116, 263.143738, 1177.927734, 851.131775, 0.980957)
    assert [box.label for box in found] == ["person 1", "person 2", "person 0"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("car 0.0 0 0.0 1 2 3 4", "8 fields"),
        ("", "1 fields"),
        (CAR.replace("401.500000", "x"), "could not convert"),
        (CAR.removeprefix("car ").replace("0.913574", ""), "could not convert"),
    ],
)
def test_other_lines_are_refused_with_their_place(line, reason):
    with pytest.raises(KittiError, match=f"file, line 3: .*{reason}"):
        parse_line(line, "file, line 3")


@pytest.mark.parametrize(
    "line",
    [
        "car 7 0.0 0 0.0 512.2 401.5 733.1 560.7 0.0 0.0 0.0 0.0 0.0 1.5 2.5 0.9 0.8 600.0 550.0",
        CAR.replace("car 0.0 0 0.0", "car 0.0 2 0.0"),
    ],
    ids=["20 fields", "occluded"],
)
def test_row_that_a_tracker_wrote_is_no_detection(line):
    with pytest.raises(
        KittiError, match=r"line 3: .* is no detection, .*tracker writes it; give the folder of gie-"
    ):
        parse_line(line, "file, line 3")


@pytest.fixture
def dump(tmp_path):
    (tmp_path / "00_000_000002.txt").write_text(CAR + "\n" + CAR.replace("car", "traffic light") + "\n")
    (tmp_path / "00_000_000000.txt").write_text(CAR + "\n")
    (tmp_path / "00_000_000001.txt").write_text("")
    (tmp_path / "00_001_000000.txt").write_text(CAR.replace("car", "dog") + "\n")
    return tmp_path


def test_directory_gives_the_frames_of_one_stream_in_order(dump):
    frames = read_directory(dump)
    assert list(frames) == [0, 1, 2]
    assert [[box.label for box in frame] for frame in frames.values()] == [
        ["car"],
        [],
        ["car", "traffic light"],
    ]
    assert [box.label for box in read_directory(dump, stream=1)[0]] == ["dog"]


def test_foreign_file_is_refused(dump):
    (dump / "notes.txt").write_text("")
    with pytest.raises(KittiError, match=r"notes\.txt: not a file of a KITTI dump"):
        read_directory(dump)


def test_missing_directory_is_explained(tmp_path):
    with pytest.raises(KittiError, match="deepstream-app does not make it"):
        read_directory(tmp_path / "absent")


def test_file_that_is_no_text_is_refused(dump):
    (dump / "00_000_000003.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(KittiError, match=r"00_000_000003\.txt: no UTF-8"):
        read_directory(dump)


def test_manifest_counts_and_hashes_the_dump(dump):
    facts = manifest(dump)
    assert (facts.frames, facts.frames_with_detection, facts.detections) == (4, 3, 4)
    assert facts.per_class == [ClassCount("car", 2), ClassCount("dog", 1), ClassCount("traffic light", 1)]
    listing = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(dump.iterdir())
    )
    assert facts.sha256 == hashlib.sha256(listing.encode()).hexdigest()


def test_manifest_changes_with_any_byte(dump):
    before = manifest(dump).sha256
    (dump / "00_000_000001.txt").write_text(CAR + "\n")
    assert manifest(dump).sha256 != before


def test_a_dump_that_lost_a_file_is_told_and_whole_or_unread_ones_are_not(dump, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    short, whole, foreign = (folder / name for name in ("short", "whole", "foreign"))
    for tree in (short, whole, foreign):
        shutil.copytree(dump, tree / "samples/kitti_output")
        (tree / "validation").mkdir()
        write_record(tree / "validation/kitti_manifest.json", manifest(dump))
    (short / "samples/kitti_output/00_000_000001.txt").unlink()
    (foreign / "validation/kitti_manifest.json").write_text('{"frames": "many"}')
    ((file, loss),) = short_dumps([short, whole, foreign, folder / "absent"])
    assert file == short / "validation/kitti_manifest.json"
    assert loss == f"{short}/samples/kitti_output: has {len(list(dump.iterdir())) - 1} of its 4 frames"
