import pytest

from dsbench.labels import (
    MAX_LABEL_BYTES,
    LabelsError,
    harmless_label,
    label_names,
    read_labels,
    write_labels,
)


def test_names_stand_at_their_id():
    labels = label_names({10: "dog", 2: "traffic light", 0: "car", 1: "N/A"}, 4)
    assert labels.names == ("car", "N/A", "traffic light", "class_3")


def test_coco_with_91_ids_keeps_gaps_and_repeated_na():
    id2label = {index: "N/A" if index in (12, 26) else f"name {index}" for index in range(1, 91)}
    labels = label_names(id2label, 91)
    assert len(labels.names) == 91
    assert (labels.names[0], labels.names[12], labels.names[26], labels.names[90]) == (
        "class_0",
        "N/A",
        "N/A",
        "name 90",
    )
    assert labels.notes == ("No name for 1 of 91 classes (first id 0).",)


def test_ids_are_never_shifted_and_those_without_a_column_are_noted():
    labels = label_names({1: "car", 2: "dog"}, 2)
    assert labels.names == ("class_0", "car")
    assert any("no tensor column (first id 2)" in note for note in labels.notes)


def test_no_names_at_all_give_numbered_classes():
    assert label_names({}, 2).names == ("class_0", "class_1")


def test_no_class_is_refused():
    with pytest.raises(LabelsError, match="0 classes"):
        label_names({}, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("traffic light", "traffic light"),
        ("a;b", "a,b"),
        ("a\nb\r\nc\td", "a b c d"),
        ("  car  ", "car"),
        ("\x00\x1b[31mred", "[31mred"),
        ("left\u202eright\u2028next", "left right next"),
        ("\ud800broken", "broken"),
        ("größe", "größe"),
        (" \n ", ""),
    ],
)
def test_label_becomes_one_harmless_line(text, expected):
    assert harmless_label(text) == expected


def test_long_label_is_cut_between_characters():
    label = harmless_label("ö" * 100)
    assert len(label.encode()) <= MAX_LABEL_BYTES and set(label) == {"ö"}


def test_blank_name_would_shift_nvinfers_ids_and_is_replaced():
    labels = label_names({0: "\n", 1: "dog;cat"}, 2)
    assert labels.names == ("class_0", "dog,cat")
    assert len(labels.notes) == 2


def test_written_file_reads_back_as_nvinfer_reads_it(tmp_path):
    names = label_names({0: "N/A", 1: "traffic light", 2: "a;b\nc"}, 4).names
    write_labels(names, tmp_path / "labels.txt")
    assert tuple(read_labels(tmp_path / "labels.txt")) == names


def test_nvinfers_own_reading_of_odd_files(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"car;ignored\n\ndog\r\ncat")
    assert read_labels(path) == ["car", "dog\r", "cat"]


@pytest.mark.parametrize("name", ["", "a;b", "a\nb", "x" * 200, " padded"])
def test_name_that_would_read_back_otherwise_is_not_written(tmp_path, name):
    with pytest.raises(LabelsError, match="class 1"):
        write_labels(["car", name], tmp_path / "labels.txt")
    assert not (tmp_path / "labels.txt").exists()


def test_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(LabelsError, match=r"labels\.txt: .*expected one class name per line"):
        read_labels(tmp_path / "labels.txt")
