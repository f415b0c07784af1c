import json

import pytest

from dsbench.class_names import NameSources, choose_names
from dsbench.graph_facts import metadata_names
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


def test_names_without_the_background_in_front_are_refused_since_each_would_name_the_class_before():
    names = {0: "person", 1: "face", 2: "bag"}
    with pytest.raises(LabelsError, match="3 of 4 classes, of which the first 1 is background"):
        label_names(names, 4, background=1)
    assert label_names({0: "BG", 1: "person"}, 2, background=1).names == ("BG", "person")
    assert label_names({}, 2, background=1).names == ("class_0", "class_1")


def test_no_names_at_all_give_numbered_classes():
    assert label_names({}, 2).names == ("class_0", "class_1")


def test_no_class_is_refused():
    with pytest.raises(LabelsError, match="Neither the tensors nor any file tell the model's classes"):
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


@pytest.fixture
def chosen(tmp_path):
    """Return the function that chooses from what a config.json and other sources say."""

    def choose(class_count, config=None, **sources):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config or {}))
        for kind in ("labels_in_config", "labels_of_source"):
            if kind in sources:
                (tmp_path / f"{kind}.txt").write_text(sources[kind])
                sources[kind] = tmp_path / f"{kind}.txt"
        return choose_names(NameSources(path, **sources), class_count)

    return choose


COCO_GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def test_coco_of_91_keeps_every_name_at_its_column_with_string_keys_in_any_order(chosen):
    names = {str(i): "N/A" if i in COCO_GAPS else f"thing {i}" for i in sorted(range(91), key=str)}
    labels = chosen(91, {"id2label": names}).labels
    assert labels.names == tuple("N/A" if i in COCO_GAPS else f"thing {i}" for i in range(91))
    assert labels.notes == ()


def test_coco_with_ids_left_out_gets_numbered_classes_in_the_gaps(chosen):
    names = {str(i): f"thing {i}" for i in range(91) if i not in COCO_GAPS}
    labels = chosen(91, {"id2label": names}).labels
    assert [i for i, name in enumerate(labels.names) if name == f"class_{i}"] == list(COCO_GAPS)
    assert labels.names[90] == "thing 90"
    assert labels.notes == ("No name for 11 of 91 classes (first id 0).",)


def test_background_in_front_is_a_line_since_it_is_a_column(chosen):
    named = chosen(4, labels_of_source="background\ncar\nperson\nroad sign\n")
    assert named.labels.names == ("background", "car", "person", "road sign")
    assert named.origin == "labels.txt" and named.labels.notes == ()


def test_background_behind_the_classes_is_no_line(chosen):
    labels = chosen(2, {"id2label": {"0": "table", "1": "table rotated", "2": "no object"}}).labels
    assert labels.names == ("table", "table rotated")
    assert labels.notes == ("1 named ids have no tensor column (first id 2).",)


@pytest.mark.parametrize(
    ("id2label", "names"),
    [
        ({"0": "car", "1": "dog", "2": "cat"}, ("car", "dog", "cat")),
        ({"10": "k", "2": "c", "1": "b"}, ("class_0", "b", "c")),
        ({"1": "car", "2": "dog", "3": "cat"}, ("class_0", "car", "dog")),
        ({"0": 63, "1": 2.5, "2": True}, ("63", "2.5", "True")),
        ({"0": None, "1": "dog", "2": "cat"}, ("class_0", "dog", "cat")),
        ({"0": " traffic  light ", "1": "a;b", "2": "car\n"}, ("traffic light", "a,b", "car")),
        ({"0": "same", "1": "same", "2": "same"}, ("same", "same", "same")),
        ({}, ("class_0", "class_1", "class_2")),
        (None, ("class_0", "class_1", "class_2")),
    ],
)
def test_id2label_gives_one_line_for_each_column(chosen, id2label, names):
    assert chosen(3, {} if id2label is None else {"id2label": id2label}).labels.names == names


@pytest.mark.parametrize(
    ("label2id", "names"),
    [
        ({"car": 0, "dog": 1}, ("car", "dog")),
        ({"dog": "1", "car": "0"}, ("car", "dog")),
        ({"car": 0, "auto": 0, "dog": 1}, ("class_0", "class_1")),
        ({"N/A": 12, "car": 0}, ("class_0", "class_1")),
    ],
)
def test_label2id_stands_in_only_where_it_is_complete(chosen, label2id, names):
    assert chosen(2, {"label2id": label2id}).labels.names == names


def test_placeholders_are_kept_with_a_note_that_says_what_to_do(chosen):
    labels = chosen(2, {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}).labels
    assert labels.names == ("LABEL_0", "LABEL_1")
    assert labels.notes == (
        "2 of 2 names are placeholders (first LABEL_0); name a text file with one class per line with labels:"
        " in the model's entry.",
    )


def test_real_names_beside_placeholders_are_taken(chosen):
    placeholders = {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}
    named = chosen(2, placeholders, metadata={0: "car", 1: "dog"})
    assert named.origin == "the ONNX's metadata" and named.labels.names == ("car", "dog")


def test_names_for_as_many_classes_as_the_tensors_win(chosen):
    copied = {"id2label": {str(i): f"thing {i}" for i in range(80)}}
    named = chosen(2, copied, labels_of_source="car\ndog\n")
    assert named.origin == "labels.txt" and named.labels.names == ("car", "dog")
    assert chosen(3, copied, labels_of_source="car\ndog\n").origin == "config.json"


@pytest.mark.parametrize(
    "names", ["['car', 'road sign']", "{0: 'car', 1: 'road sign'}", "{'0': 'car', '1': 'road sign'}"]
)
def test_metadata_has_a_list_or_a_dict_of_names(chosen, names):
    named = chosen(2, metadata=metadata_names({"names": names}))
    assert named.origin == "the ONNX's metadata" and named.labels.names == ("car", "road sign")


def test_names_tell_the_number_of_classes_where_the_tensors_do_not(chosen):
    assert chosen(None, metadata={0: "car", 2: "dog"}).labels.names == ("car", "class_1", "dog")
    with pytest.raises(LabelsError, match="name a text file"):
        chosen(None)


def test_what_somebody_wrote_down_for_the_model_comes_first(chosen):
    config = {"id2label": {"0": "a", "1": "b"}}
    named = chosen(2, config, labels_in_config="car\nroad sign\n", labels_of_source="x\ny\n")
    assert named.origin == "labels: in the config" and named.labels.names == ("car", "road sign")
    assert chosen(2, config, prompt="Person . road  sign").labels.names == ("person", "road sign")


@pytest.mark.parametrize("text", ["car\n", "car\ndog\nno object\n"])
def test_named_file_with_another_count_is_refused_with_file_found_and_expected(chosen, tmp_path, text):
    with pytest.raises(LabelsError) as error:
        chosen(2, labels_in_config=text)
    count = text.count("\n")
    assert f"{tmp_path / 'labels_in_config.txt'}: {count} class names" in str(error.value)
    assert "tensors have 2 classes" in str(error.value)
