import json

import pytest

from dsbench.intake.file_choice import IntakeError
from dsbench.intake.labels import (
    MAX_LABEL_BYTES,
    MOST_CLASSES,
    LabelsError,
    harmless_label,
    label_names,
    names_by_key,
    parse_names,
    read_labels,
    read_source_labels,
    write_labels,
)
from dsbench.onnx.class_names import Columns, NameSources, choose_names


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


FORMS = {
    "numbered": ("0: car\n1: person\n", ["car", "person"]),
    "numbered with equals": ("0 = car\n1 = person\n", ["car", "person"]),
    "numbered with tabs": ("0\tcar\n1\tperson\n", ["car", "person"]),
    "numbered with blanks": ("0 car\n1 person\n", ["car", "person"]),
    "table": ("id,name\n0,car\n1,person\n", ["car", "person"]),
    "table with semicolons": ("id;name\n0;car\n1;person\n", ["car", "person"]),
    "table with semicolons and more fields": ("0;car;red\n1;person;blue\n", ["car", "person"]),
    "Python or TOML": ('names = ["car", "person"]\n', ["car", "person"]),
    "JavaScript": ("export const NAMES = ['car', 'person'];\n", ["car", "person"]),
    "labelling tool without ids": (
        '[{"name": "car", "color": "red"}, {"name": "person"}]',
        ["car", "person"],
    ),
    "bullets": ("* car\n* person\n", ["car", "person"]),
    "Chinese commas": ("轿车\uff0c行人\n", ["轿车", "行人"]),
    "Chinese enumeration": ("轿车、行人\n", ["轿车", "行人"]),
    "numbers and nvinfer's second field": ("0;\n1;\n", ["0", "1"]),
    "ids behind": ("car,0\nperson,1\n", ["car", "person"]),
    "numbered in one line": ("0: car, 1: person", ["car", "person"]),
    "yaml mapping": ("path: ../x\nnc: 2\nnames:\n  0: car\n  1: 'on'\n", ["car", "on"]),
    "yaml list": ("train: images\nnames: [car, no]\nnc: 2\n", ["car", "no"]),
    "yaml items": ("# classes\n- car\n- road sign\n", ["car", "road sign"]),
    "json object": ('{"0": "car", "1": "person"}', ["car", "person"]),
    "json list": ('["car", "person"]', ["car", "person"]),
    "json to ids": ('{"person": 1, "car": 0}', ["car", "person"]),
    "digits": ('{"0": "1", "1": "0"}', ["1", "0"]),
    "json of a config": ('{"id2label": {"0": "car", "1": "person"}, "n": 2}', ["car", "person"]),
    "coco": ('{"categories": [{"id": 1, "name": "person"}, {"id": 0, "name": "car"}]}', ["car", "person"]),
    "python": ("{0: 'car', 1: \"driver's seat\"}", ["car", "driver's seat"]),
    "commas": ("car, road sign\n", ["car", "road sign"]),
    "a comma behind each": ("car,\nperson,\n", ["car", "person"]),
    "semicolons": ("person;bag;face\n", ["person", "bag", "face"]),
    "nvinfer": ("car;ignored\nperson;\n", ["car", "person"]),
    "one for nvinfer": ("car;\n", ["car"]),
    "mac": ("car\rperson\r", ["car", "person"]),
    "windows": ("\ufeffcar\r\nroad sign\r\n", ["car", "road sign"]),
    "heading": ("# classes\ncar\nperson\n", ["car", "person"]),
    "quoted": ('"car"\n"person"\n', ["car", "person"]),
    "coins": ("1 euro\n2 euro\n", ["1 euro", "2 euro"]),
    "bottles": ("0,5 l\n1,0 l\n", ["0,5 l", "1,0 l"]),
    "one with a number": ("1 car\n", ["1 car"]),
    "numbers that are names": ("30 km/h\n50 km/h\n", ["30 km/h", "50 km/h"]),
    "commas in names": ("lorry, red\nlorry, blue\n", ["lorry, red", "lorry, blue"]),
    "tuple": ("CLASSES = ('car', 'person')\n", ["car", "person"]),
    "tuple over lines": ("(\n    'car',\n    'person',\n)\n", ["car", "person"]),
    "MMDetection": ("METAINFO = {'classes': ('car', 'person'), 'palette': [(1, 2, 3)]}", ["car", "person"]),
    "C": ('const char* names[] = {"person", "car"};\n', ["person", "car"]),
    "C++": ('std::vector<std::string> names = {"person", "car"};\n', ["person", "car"]),
    "JavaScript module": ("module.exports = ['car', 'person'];\n", ["car", "person"]),
    "a section of TOML": ('[labels]\n0 = "car"\n1 = "person"\n', ["car", "person"]),
    "yaml below a key": ("data:\n  nc: 2\n  names:\n    0: car\n    1: person\n", ["car", "person"]),
    "numbered with bars": ("0|car\n1|person\n", ["car", "person"]),
    "numbered with arrows": ("0 -> car\n1 -> person\n", ["car", "person"]),
    "ids without a class": ("0 ???\n1 person\n2 ???\n3 car\n", ["???", "person", "???", "car"]),
    "ids without a class, N/A": ("0 N/A\n1 person\n2 N/A\n3 car\n", ["N/A", "person", "N/A", "car"]),
    "ids of which one has a class": ("0 N/A\n1 person\n", ["N/A", "person"]),
    "ids of which one in the middle has a class": ("0 ???\n1 person\n2 ???\n", ["???", "person", "???"]),
    "C++ pairs": (
        'const Label kLabels[] = {{0, "person"}, {1, "car"}, {2, "bus"}};\n',
        ["person", "car", "bus"],
    ),
    "C++ map": ('const std::map<int, std::string> kNames = {{1, "car"}, {0, "bus"}};', ["bus", "car"]),
    "a remark before Python": ("# COCO\n\n# of 2017\nCLASSES = ('car', 'person')\n", ["car", "person"]),
    "a remark before JavaScript": ("// names\nconst names = ['car', 'person'];\n", ["car", "person"]),
    "a list in a section of TOML": ('[labels]\nnames = ["car", "person"]\n', ["car", "person"]),
    "yaml with one list twice": (
        "train:\n  names: [car, bus]\nval:\n  names: {0: car, 1: bus}\n",
        ["car", "bus"],
    ),
    "commas and numbers in names": (
        "Ford, F150, 2015\nAudi, A4, 2019\n",
        ["Ford, F150, 2015", "Audi, A4, 2019"],
    ),
    "commas and numbers in numbered names": (
        "0: Ford, F150, 1\n1: Audi, A4, 2\n",
        ["Ford, F150, 1", "Audi, A4, 2"],
    ),
    "commas in the one numbered name": ("0: Ford, F150, 2015\n", ["Ford, F150, 2015"]),
    "emoji": ("0 \N{AUTOMOBILE}\n1 \N{BUS}\n", ["\N{AUTOMOBILE}", "\N{BUS}"]),
    "brackets in a name": ("[unknown]\ncar\n", ["[unknown]", "car"]),
    "not latin": ("轿车\nمشاة\nसड़क\n", ["轿车", "مشاة", "सड़क"]),  # noqa: RUF001
}


@pytest.mark.parametrize("form", FORMS)
def test_names_are_read_in_every_form_that_people_have_them_in(tmp_path, form):
    text, names = FORMS[form]
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert read_source_labels(tmp_path / "labels.txt") == dict(enumerate(names))


def test_ids_that_are_written_down_stay_and_a_blank_line_keeps_its_own():
    assert parse_names("1: person\n3: car\n", "f") == {1: "person", 3: "car"}
    assert parse_names("names:\n  1: person\n  90: toothbrush\n", "f") == {1: "person", 90: "toothbrush"}
    assert parse_names("car\n\nperson\n", "f") == {0: "car", 1: "", 2: "person"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0: car\nperson\n2: bus\n", "'person' has no class id before it"),
        ("0: car\n0: person\n", "0 occurs twice"),
        ("01: car\n1: person\n", "1 occurs twice"),
        ("names:\n  0: car\n  0: person\n", "0 occurs twice"),
        ('{"0": "car", "0": "person"}', "a class id occurs twice"),
        ("{0: 'car', 0: 'person'}", "a class id occurs twice"),
        ('{"0": "car", "1": "per', "cannot be read as one"),
        ('{"version": 3}', "'version' is no class id"),
        ('{"car": 0, "person": 2}', "'car' is no class id"),
        ('["car", ["person"]]', "no class id with one name"),
        ("names: data/coco.names\n", "has 'data/coco.names' where the class names are expected"),
        ("names: &a [*a]\n", "a class name is a list or a mapping"),
        ("names: " + "[" * 50_000, "cannot be read as one"),
        ("[" * 50_000 + "]" * 50_000, "cannot be read as one"),
        ("names: [" + "car," * 200_000 + "]", "expected at most 524288"),
        (f"{MOST_CLASSES}: car\n", f"the class id {MOST_CLASSES}"),
        ("car\n# others\nperson\n", "line 2 begins with #"),
        ("<!DOCTYPE html>\n<html>", "a web page"),
        ("<annotation>\n<name>car</name>\n</annotation>\n", "a web page or XML"),
        ("classes= 2\ntrain  = train.txt\nnames = data/obj.names\n", "a Darknet .data file"),
        ("c\0a\0r\0\n\0", "UTF-16 text; save it as UTF-8"),
        ("\0c\0a\0r\0\n", "UTF-16 text; save it as UTF-8"),
        ('[{"id": 1, "name": "car"}, {"name": "person"}]', "'None' is no class id"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer"),
        ("item {\n  id: 1\n  name: 'person'\n}\n", "a TensorFlow label map"),
        ("# of COCO\nitem {\n  id: 1\n  name: 'person'\n}\n", "a TensorFlow label map"),
        ("0\tcar\t255,0,0\n1\tperson\t0,255,0\n", "more columns than an id and a name, as in"),
        ("id,name,kind\n0,car,vehicle\n1,person,human\n", "keep these two, as in 0: person"),
        ("car,vehicle,0\nperson,human,1\n", "more columns than an id and a name"),
        ("car,vehicle,1\nperson,human,2\n", "more columns than an id and a name"),
        ('kLabels[] = {{"person", "red"}, {"car", "blue"}};', "'person' is no class id"),
        ("names = ['car', {'person', 'bus'}]", "'1' is no class id with one name"),
        ("CLASSES = ('car', 'bus')\nPALETTE = [(1, 2, 3)]\n", "a list of names among other lines of code"),
        (
            "train:\n  names: [cat, dog]\nval:\n  names: [dog, cat]\n",
            "other class names below 'train: names' than below 'val: names'; keep one",
        ),
        ("<<<<<<< HEAD\ncar\n=======\nlorry\n>>>>>>> other\n", "Git's marks of a conflict"),
    ],
)
def test_what_is_no_list_of_names_is_refused_by_name(text, says):
    with pytest.raises(IntakeError, match=says) as error:
        parse_names(text, "labels.txt")
    assert str(error.value).startswith("labels.txt: ") and len(str(error.value)) < 300


@pytest.fixture
def chosen(tmp_path):
    """Return the function that chooses from what a config.json and other sources say."""

    def choose(class_count, config=None, in_front=0, behind=False, largest_seen=None, **sources):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config or {}))
        for kind in ("labels_in_config", "labels_of_source"):
            if kind in sources:
                (tmp_path / f"{kind}.txt").write_text(sources[kind])
                sources[kind] = tmp_path / f"{kind}.txt"
        columns = Columns(class_count, in_front, behind, largest_seen)
        return choose_names(NameSources(path, **sources), columns)

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


@pytest.mark.parametrize("last", ["no object", "N/A", "Background", "???", "void", "other", "no_class"])
def test_name_of_a_background_behind_the_classes_is_left_out_where_the_head_has_one(chosen, last):
    names = {"id2label": {"0": "table", "1": "table rotated", "2": last}}
    labels = chosen(2, names, behind=True).labels
    assert labels.names == ("table", "table rotated")
    assert labels.notes == ("1 named ids have no tensor column (first id 2).",)
    with pytest.raises(LabelsError, match="One name has no column"):
        chosen(2, names)


@pytest.mark.parametrize(
    ("id2label", "names"),
    [
        ({"0": "car", "1": "dog", "2": "cat"}, ("car", "dog", "cat")),
        ({"1": "dog", "2": "cat"}, ("class_0", "dog", "cat")),
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


def numbered(count, first=0):
    return {n: f"thing {n}" for n in range(first, first + count)}


@pytest.mark.parametrize(
    ("names", "classes", "counts", "cause"),
    [
        (numbered(4), 5, "4 class names", "nothing says at which end"),
        (numbered(4, first=1), 4, r"4 class names \(ids 1 to 4\)", "ids of the names begin at 1"),
        (numbered(5), 4, "5 class names", "One name has no column"),
        (numbered(80), 91, "80 class names", "COCO's 80 classes have ids up to 90"),
        (numbered(91), 80, "91 class names", "COCO's 80 classes have ids up to 90"),
        (numbered(80), 90, "80 class names", "COCO's 80 classes have ids up to 90"),
        (numbered(80), 12, "80 class names", "of another model or data set"),
        (numbered(18), 2096, "18 class names", "family: may be wrong"),
    ],
)
@pytest.mark.parametrize("place", ["config.json", "labels.txt", "metadata", "labels:"])
def test_names_that_are_more_or_fewer_than_the_classes_stop_the_build_wherever_they_are_from(
    chosen, tmp_path, place, names, classes, counts, cause
):
    lines = "".join(f"{n}: {name}\n" for n, name in names.items())
    sources = {
        "config.json": {"config": {"id2label": names}},
        "labels.txt": {"labels_of_source": lines},
        "metadata": {"metadata": {"names": names}},
        "labels:": {"labels_in_config": lines},
    }
    with pytest.raises(
        LabelsError, match=f"{counts}, but the model's tensors have {classes} classes"
    ) as error:
        chosen(classes, **sources[place])
    assert cause in str(error.value) and "with labels: in the model's entry" in str(error.value)
    place = {"metadata": "the ONNX's metadata (names)"}.get(place, str(tmp_path))
    assert str(error.value).startswith(place)


def test_names_without_the_background_in_front_are_refused_since_each_would_name_the_class_before(chosen):
    with pytest.raises(LabelsError, match="The first 1 of them is background: begin the names with a line"):
        chosen(4, labels_of_source="person\nface\nbag\n", in_front=1)
    named = chosen(4, labels_of_source="BG\nperson\nface\nbag\n", in_front=1)
    assert named.labels.names == ("BG", "person", "face", "bag")
    assert chosen(2, in_front=1).labels.names == ("class_0", "class_1")


def test_background_in_front_with_the_name_of_a_thing_is_refused(chosen):
    with pytest.raises(
        LabelsError,
        match=r"calls class 0 'car', but column 0 of the model is background; .* rename that line",
    ) as error:
        chosen(4, labels_of_source="car\nperson\nface\nbag\n", in_front=1)
    assert "take the line out that then has no column" in str(error.value)
    with pytest.raises(LabelsError, match="calls class 1 'car', but column 1"):
        chosen(3, labels_of_source="BG\ncar\nbag\n", in_front=2)
    no_names = ("N/A", "???", "-", "class0", "void", "other")
    for first in ("BG", "unlabeled", "_bg_", "no_class", "background class", *no_names):
        assert chosen(2, labels_of_source=f"{first}\nface\n", in_front=1).labels.names == (first, "face")


def test_prompt_with_another_number_of_phrases_than_columns_is_refused(chosen):
    with pytest.raises(
        LabelsError, match="the prompt: 1 class names, but the model's tensors have 2 classes"
    ):
        chosen(2, prompt="person")


def test_class_in_an_answer_that_no_name_reaches_is_refused(chosen):
    eighty = {"metadata": {"names": numbered(80)}}
    assert len(chosen(None, **eighty, largest_seen=79).labels.names) == 80
    with pytest.raises(LabelsError, match="80 class names, but the model answers with class 89"):
        chosen(None, **eighty, largest_seen=89)


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


def test_placeholders_that_are_more_or_fewer_name_nothing(chosen):
    named = chosen(3, {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})
    assert named.origin == "nowhere" and named.labels.names == ("class_0", "class_1", "class_2")
    assert named.labels.notes == ("No name for 3 of 3 classes (first id 0).",)


def test_real_names_beside_placeholders_are_taken(chosen):
    placeholders = {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}
    named = chosen(2, placeholders, metadata={"names": {0: "car", 1: "dog"}})
    assert named.origin == "the ONNX's metadata" and named.labels.names == ("car", "dog")


def test_names_for_as_many_classes_as_the_tensors_win_and_the_others_are_noted(chosen, tmp_path):
    copied = {"id2label": {str(i): f"thing {i}" for i in range(80)}}
    named = chosen(2, copied, labels_of_source="car\ndog\n")
    assert named.origin == "labels.txt" and named.labels.names == ("car", "dog")
    note = f"The 80 names in {tmp_path / 'config.json'} are not taken: the model has 2 classes."
    assert named.labels.notes == (note,)
    with pytest.raises(
        LabelsError, match=r"80 class names and .*: 2 class names, but the model's tensors have 3"
    ):
        chosen(3, copied, labels_of_source="car\ndog\n")


def test_two_lists_that_fit_and_differ_stop_the_build_and_both_are_shown(chosen, tmp_path):
    config = {"id2label": {"0": "car", "1": "dog", "2": "N/A"}}
    with pytest.raises(LabelsError) as error:
        chosen(3, config, labels_of_source="car\ncat\nbus\n")
    said = (
        f"{tmp_path / 'config.json'} calls class 1 'dog', {tmp_path / 'labels_of_source.txt'} calls it 'cat'"
    )
    assert str(error.value).startswith(said) and "1 of 3 names differ" in str(error.value)
    with pytest.raises(LabelsError, match=r"metadata \(names\) calls class 0 'a', .*\(labels\) calls it 'b'"):
        chosen(1, metadata={"names": {0: "a"}, "labels": {0: "b"}})
    assert (
        chosen(3, config, labels_in_config="a\nb\nc\n", labels_of_source="car\ncat\nbus\n").labels.names[0]
        == "a"
    )


def test_names_that_differ_in_writing_alone_agree(chosen):
    config = {"id2label": {"0": "Traffic Light", "1": "N/A", "2": "LABEL_2", "3": ""}}
    named = chosen(4, config, labels_of_source="traffic_light\nbus\ncar\ncat\n")
    assert named.origin == "config.json"
    assert named.labels.names == ("Traffic Light", "N/A", "LABEL_2", "class_3")


def test_a_class_called_other_contradicts_a_thing_where_no_background_is_proven(chosen):
    with pytest.raises(LabelsError, match="calls class 1 'other'"):
        chosen(2, {"id2label": {"0": "car", "1": "other"}}, labels_of_source="car\nbus\n")


def test_two_numbers_of_classes_stop_the_build_where_the_tensors_do_not_tell(chosen):
    config = {"id2label": {str(n): f"thing {n}" for n in range(3)}}
    with pytest.raises(LabelsError, match=r"names 3 classes, .* names 4, and the tensors do not tell"):
        chosen(None, config, labels_of_source="thing 0\nthing 1\nthing 2\nthing 3\n")
    assert len(chosen(None, config, labels_of_source="thing 0\nthing 1\nthing 2\n").labels.names) == 3


@pytest.mark.parametrize(
    "names", ["['car', 'road sign']", "{0: 'car', 1: 'road sign'}", "{'0': 'car', '1': 'road sign'}"]
)
def test_metadata_has_a_list_or_a_dict_of_names(chosen, names):
    named = chosen(2, metadata=names_by_key({"names": names}))
    assert named.origin == "the ONNX's metadata" and named.labels.names == ("car", "road sign")


def test_names_tell_the_number_of_classes_where_the_tensors_do_not(chosen):
    assert chosen(None, metadata={"names": {0: "car", 2: "dog"}}).labels.names == ("car", "class_1", "dog")
    with pytest.raises(LabelsError, match="name a text file"):
        chosen(None)


def test_what_somebody_wrote_down_for_the_model_comes_first(chosen):
    config = {"id2label": {"0": "a", "1": "b"}}
    named = chosen(2, config, labels_in_config="car\nroad sign\n", labels_of_source="x\ny\nz\n")
    assert named.origin == "labels: in the config" and named.labels.names == ("car", "road sign")
    assert chosen(2, config, prompt="Person . road  sign").labels.names == ("person", "road sign")
