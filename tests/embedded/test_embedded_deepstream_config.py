"""What the embedded deepstream-app reads from its configuration files, and what it refuses."""

import json
from pathlib import Path

import pytest

from dsembed.deepstream_app import app_keys, nvinfer_settings
from dsembed.deepstream_app.app_settings import AppSettings, read_app_settings
from dsembed.deepstream_app.nvinfer_settings import NvinferSettings, read_nvinfer_settings
from dsembed.shared.declared_keys import RefusedError
from dsembed.shared.keyfile import KeyFile, KeyFileError

DATA = Path(__file__).parents[1] / "data"
MEASURED = json.loads((DATA / "deepstream_app_9.1_keys.json").read_text())
MEASURED_NVINFER = json.loads((DATA / "nvinfer_9.1_keys.json").read_text())
APP = {
    "application": {"enable-perf-measurement": "1", "perf-measurement-interval-sec": "5"},
    "source0": {"enable": "1", "type": "2", "uri": "file://clips/a%20b.mp4"},
    "streammux": {"batch-size": "1", "width": "1280", "height": "720"},
    "sink0": {"enable": "1", "type": "1", "sync": "0"},
    "primary-gie": {"enable": "1", "config-file": "infer.txt"},
}
NVINFER = {
    "property": {
        "model-engine-file": "m.engine",
        "custom-lib-path": "libparser.so",
        "parse-bbox-func-name": "Parse",
        "num-detected-classes": "3",
        "scaling-filter": "1",
        "cluster-mode": "2",
        "labelfile-path": "labels.txt",
    },
    "class-attrs-all": {"pre-cluster-threshold": "0.5"},
}


def written(path: Path, groups: dict) -> Path:
    lines = (
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
        for name, keys in groups.items()
    )
    path.write_text("\n".join(lines))
    return path


def app(tmp_path: Path, **changes: dict) -> tuple[AppSettings, list[str]]:
    groups = {name: dict(keys) for name, keys in APP.items()}
    for name, keys in changes.items():
        groups.setdefault(name.replace("_", "-"), {}).update(
            {key.replace("_", "-"): value for key, value in keys.items()}
        )
    warnings: list[str] = []
    return read_app_settings(written(tmp_path / "app.txt", groups), warnings.append), warnings


def nvinfer(tmp_path: Path, groups: dict | None = None, **changes: str) -> tuple[NvinferSettings, list[str]]:
    groups = {**{name: dict(keys) for name, keys in NVINFER.items()}, **(groups or {})}
    groups["property"].update({key.replace("_", "-"): value for key, value in changes.items()})
    written(tmp_path / "infer.txt", groups)
    if not (tmp_path / "labels.txt").exists():
        (tmp_path / "labels.txt").write_text("car\nperson\n")
    gie = app(tmp_path)[0].gie
    warnings: list[str] = []
    return read_nvinfer_settings(gie, warnings.append), warnings


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("1 # x", 1), ("+3", 3), ("-4", -4), (" 7 ", 7), ("7\t# seven", 7)]
)
def test_integer_ignores_what_follows_white_space(tmp_path, text, value):
    path = tmp_path / "a.txt"
    path.write_text(f"[g]\nk={text}\n")
    assert KeyFile.read(path).integer("g", "k") == value


@pytest.mark.parametrize("text", ["1#x", "1;2", "1.5", "true", "", "0x10", "99999999999", "1_0"])
def test_integer_with_other_trailing_text_is_an_error(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(f"[g]\nk={text}\n")
    with pytest.raises(KeyFileError, match=r"a\.txt: \[g\] k=.* is not an integer"):
        KeyFile.read(path).integer("g", "k")


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("true", 1), ("0 ", 0), (" false\t", 0)])
def test_boolean_is_one_of_four_words(tmp_path, text, value):
    path = tmp_path / "a.txt"
    path.write_text(f"[g]\nk={text}\n")
    assert KeyFile.read(path).boolean("g", "k") == value


@pytest.mark.parametrize("text", ["+1", "01", "2", "1 # x", "t", "TRUE", "yes", "", "-0"])
def test_boolean_is_strict(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(f"[g]\nk={text}\n")
    with pytest.raises(KeyFileError, match="is not true, false, 1 or 0"):
        KeyFile.read(path).boolean("g", "k")


def test_repeated_key_stands_where_its_last_value_stands(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("[g]\na=1\nb=2\na=3\n")
    assert list(KeyFile.read(path).groups["g"].items()) == [("b", "2"), ("a", "3")]


@pytest.mark.parametrize("text", ["1.5 ", "0.25 # x", "1_0", "x", ""])
def test_number_with_trailing_text_is_an_error(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(f"[g]\nk={text}\n")
    with pytest.raises(KeyFileError, match="without trailing text"):
        KeyFile.read(path).number("g", "k")


def test_string_keeps_comment_and_undoes_escapes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("[g]\nk= a # b\\s\\t\nbad=a\\q\n")
    keyfile = KeyFile.read(path)
    assert keyfile.string("g", "k") == "a # b \t"
    with pytest.raises(KeyFileError, match="escapes"):
        keyfile.string("g", "bad")


@pytest.mark.parametrize(
    "text", ["k=5\n", "[a]\njunk\n", "[a] x\nk=5\n", "[a\nk=1\n", "[]\nk=1\n", "[a]\n=5\n"]
)
def test_line_that_is_no_group_pair_or_comment_is_refused_with_its_number(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=r"a\.txt:[12]: "):
        KeyFile.read(path)


def test_groups_are_merged_and_the_last_value_wins(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"#c\r\n\r\n [a] \r\n k = 1\r\nl=2\r\n[b]\r\n[a]\r\nk=5\r\n")
    assert KeyFile.read(path).groups == {"a": {"k": "5", "l": "2"}, "b": {}}


def test_good_configuration(tmp_path):
    settings, warnings = app(tmp_path)
    assert warnings == []
    assert settings.sources == (tmp_path / "clips/a b.mp4",)
    assert (settings.perf_interval_s, settings.kitti_dir, settings.file_loop) == (5, None, False)
    assert settings.gie.config_file == tmp_path / "infer.txt"


def test_unknown_key_is_warned_about(tmp_path):
    _, warnings = app(tmp_path, source0={"width": "7"}, streammux={"colour": "1"})
    assert warnings == [
        "** WARN: <parse_source:781>: Unknown key 'width' for group [source0]",
        "** WARN: <parse_streammux:0>: Unknown key 'colour' for group [streammux]",
    ]


@pytest.mark.parametrize("table", MEASURED["tables"])
def test_keys_and_their_kinds_are_those_of_deepstream_app(table):
    """The tables were read from the configuration parser's own source; the file says which and how."""
    known = {name: key.kind for name, key in getattr(app_keys, table).items()}
    assert known == MEASURED["tables"][table]


@pytest.mark.parametrize("table", MEASURED_NVINFER["tables"])
def test_keys_and_their_kinds_are_those_of_nvinfer(table):
    """The tables were read from nvinfer's own parser; the file says which and how."""
    known = {name: key.kind for name, key in getattr(nvinfer_settings, table).items()}
    assert known == MEASURED_NVINFER["tables"][table]


def test_keys_for_other_networks_are_known_to_nvinfer_and_do_nothing(tmp_path):
    assert nvinfer(tmp_path, classifier_threshold="0.5", input_object_min_width="16") == nvinfer(tmp_path)


def test_stages_of_deepstream_app_are_known_and_refused():
    assert sorted(app_keys.OTHER_STAGES + app_keys.OTHER_STAGE_PREFIXES) == MEASURED["stages"]


def test_key_of_an_older_release_is_unknown_and_one_without_effect_is_taken(tmp_path):
    _, warnings = app(tmp_path, streammux={"interpolation-method": "1"})
    assert warnings == [
        "** WARN: <parse_streammux:0>: Unknown key 'interpolation-method' for group [streammux]"
    ]
    _, warnings = app(
        tmp_path,
        streammux={"sort-batch": "0", "cache-buffer": "false", "frame-duration": "-1"},
        sink0={"width": "1280", "height": "720"},
    )
    assert warnings == []


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("-1", 2**64 - 1), (" 7", 7), ("9" * 30, 2**64 - 1)])
def test_unsigned_integer_wraps_as_in_glib(tmp_path, text, value):
    path = tmp_path / "a.txt"
    path.write_text(f"[g]\nk={text}\nbad={text} # x\n")
    assert KeyFile.read(path).unsigned("g", "k") == value
    with pytest.raises(KeyFileError, match="without trailing text"):
        KeyFile.read(path).unsigned("g", "bad")


def test_disabled_groups_are_skipped_whatever_they_say(tmp_path):
    settings, _ = app(
        tmp_path,
        source1={"enable": "yes", "type": "99"},
        sink1={"enable": "0", "type": "2"},
        tracker={"enable": "0"},
        no_such_group={"enable": "1"},
    )
    assert len(settings.sources) == 1


def test_multi_uri_copies_follow_all_declared_sources(tmp_path):
    settings, _ = app(
        tmp_path,
        source0={"type": "3", "uri": "file:///v%d.mp4", "num-sources": "3"},
        source1={"enable": "1", "type": "2", "uri": "file:///w.mp4"},
        streammux={"batch-size": "4"},
    )
    assert [path.name for path in settings.sources] == ["v0.mp4", "w.mp4", "v1.mp4", "v2.mp4"]


def test_source_list_sets_both_batch_sizes(tmp_path):
    settings, _ = app(
        tmp_path,
        source0={"enable": "0"},
        source_list={"list": "file:///a.mp4;file:///b.mp4;"},
        source_attr_all={"enable": "1", "type": "2"},
    )
    assert [path.name for path in settings.sources] == ["a.mp4", "b.mp4"]
    assert settings.gie.batch_size == 2


REFUSALS = [
    ({"source0": {"type": "4"}}, r"\[source0\] type=4: the embedded runtime supports only 2, 3"),
    ({"source0": {"uri": "rtsp://x"}}, "only file:// sources"),
    ({"source0": {"drop-frame-interval": "2"}}, "drop-frame-interval=2"),
    ({"source": {"enable": "1"}}, r"a \[source\] group without a number"),
    ({"source00": {"enable": "0"}}, "same number"),
    ({"source_list": {"list": "file:///a.mp4"}}, r"\[source-attr-all\] group not present"),
    ({"sink0": {"type": "2"}}, r"\[sink0\] type=2: the embedded runtime supports only 1"),
    ({"sink0": {"sync": "1"}}, "sync=1"),
    ({"sink0": {"enable": "0"}}, "no \\[sinkN\\]"),
    ({"streammux": {"sort-batch": "1"}}, r"\[streammux\] sort-batch=1: the embedded runtime supports only 0"),
    (
        {"visionencoder": {"enable": "1"}},
        r"\[visionencoder\] enable=1: the embedded runtime has no such stage",
    ),
    ({"pre_process": {"enable": "1"}}, r"\[pre-process\] enable=1"),
    ({"streammux": {"batch-size": "4"}}, "batch-size=4 with 1 sources"),
    ({"streammux": {"batched-push-timeout": "40000"}}, "batched-push-timeout=40000"),
    ({"streammux": {"width": "0"}}, "width=0 height=720"),
    ({"streammux": {"height": "16385"}}, "height=16385: set both to the surface size, 2 to 16384 pixels"),
    ({"osd": {"enable": "1"}}, r"\[osd\] enable=1"),
    ({"tiled_display": {"enable": "2"}}, r"\[tiled-display\] enable=2"),
    ({"tracker": {"enable": "1"}}, r"\[tracker\] enable=1: the embedded runtime has no such stage"),
    ({"secondary_gie0": {"enable": "1"}}, r"\[secondary-gie0\]"),
    ({"primary_gie": {"enable": "0"}}, r"no \[primary-gie\]"),
    ({"primary_gie": {"interval": "2"}}, "interval=2"),
    ({"application": {"kitti-track-output-dir": "k"}}, "does not support this key"),
    ({"application": {"perf-measurement-interval-sec": "0"}}, "interval-sec=0: set 1 or more"),
    ({"tests": {"pipeline-recreate-sec": "3"}}, "pipeline-recreate-sec=3"),
]


@pytest.mark.parametrize(("change", "sentence"), REFUSALS)
def test_what_is_not_supported_is_refused_by_name(tmp_path, change, sentence):
    with pytest.raises(RefusedError, match=sentence) as refusal:
        app(tmp_path, **change)
    assert str(refusal.value).startswith(str(tmp_path / "app.txt"))


def test_the_new_streammux_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("USE_NEW_NVSTREAMMUX", "yes")
    with pytest.raises(RefusedError, match=r"USE_NEW_NVSTREAMMUX=yes: .* unset the variable"):
        app(tmp_path)


def test_unique_id_of_the_application_file_is_checked_too(tmp_path):
    settings, _ = app(tmp_path, primary_gie={"gie-unique-id": "-1"})
    written(tmp_path / "infer.txt", NVINFER)
    (tmp_path / "labels.txt").write_text("car\n")
    with pytest.raises(RefusedError, match="gie-unique-id=-1"):
        read_nvinfer_settings(settings.gie, print)


def test_bad_integer_fails_the_file(tmp_path):
    with pytest.raises(KeyFileError, match="1280x is not an integer"):
        app(tmp_path, streammux={"width": "1280x"})


@pytest.mark.parametrize("name", ["app.yml", "app.conf"])
def test_other_suffixes_are_refused(tmp_path, name):
    with pytest.raises(RefusedError, match=r"only key files named \.txt"):
        read_app_settings(tmp_path / name, print)


def test_good_nvinfer_configuration(tmp_path):
    settings, warnings = nvinfer(tmp_path, offsets="1;2.5;3;", infer_dims="3;320;640")
    assert warnings == []
    assert settings.engine_file == tmp_path / "m.engine"
    assert settings.labels == ("car", "person", "")
    assert (settings.offsets, settings.infer_dims) == ((1.0, 2.5, 3.0), (3, 320, 640))
    assert [attributes.pre_cluster_threshold for attributes in settings.classes] == [0.5] * 3


def test_class_group_inherits_from_all(tmp_path):
    attrs = {"class-attrs-1": {"topk": "7", "threshold": "0.75"}}
    settings, _ = nvinfer(tmp_path, attrs)
    assert [attributes.top_k for attributes in settings.classes] == [-1, 7, -1]
    assert [attributes.pre_cluster_threshold for attributes in settings.classes] == [0.5, 0.75, 0.5]


@pytest.mark.parametrize(
    ("pairs", "threshold"),
    [
        ("threshold=0.1\npre-cluster-threshold=0.2", 0.2),
        ("pre-cluster-threshold=0.2\nthreshold=0.1", 0.1),
        ("threshold=0.1\npre-cluster-threshold=0.2\nthreshold=0.3", 0.3),
    ],
)
def test_last_of_the_two_names_of_the_threshold_counts(tmp_path, pairs, threshold):
    nvinfer(tmp_path)
    path = tmp_path / "infer.txt"
    path.write_text(path.read_text().replace("pre-cluster-threshold=0.5", pairs))
    settings = read_nvinfer_settings(app(tmp_path)[0].gie, print)
    assert settings.classes[0].pre_cluster_threshold == threshold


def test_class_number_ends_where_its_digits_end(tmp_path):
    groups = {
        "class-attrs-2 ": {"topk": "7"},
        "class-attrs- 1x": {"topk": "5"},
        "class-attrs-2": {"detected-min-w": "3"},
    }
    settings, _ = nvinfer(tmp_path, groups)
    assert [attributes.top_k for attributes in settings.classes] == [-1, 5, 7]
    assert [attributes.min_width for attributes in settings.classes] == [0, 0, 3]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 6])
def test_scaling_filters_that_the_runtime_has(tmp_path, number):
    assert nvinfer(tmp_path, scaling_filter=str(number))[0].scaling_filter == number


def test_unknown_nvinfer_keys_are_named_as_nvinfer_does(tmp_path):
    _, warnings = nvinfer(tmp_path, {"class-attrs-0": {"colour": "1"}}, model_type="3")
    assert warnings == [
        "Unknown or legacy key specified 'model-type' for group [property]",
        "Unknown key 'colour' for group [property]",
    ]


def test_labels_are_the_first_token_of_each_line_that_is_not_blank(tmp_path):
    (tmp_path / "labels.txt").write_bytes(b"traffic light;x\n\nb\r\n" + b"c" * 200)
    assert nvinfer(tmp_path)[0].labels == ("traffic light", "b\r", "c" * 127)


NVINFER_REFUSALS = [
    ({"property": {"process-mode": "2"}}, "process-mode=2"),
    ({"property": {"network-type": "1"}}, "network-type=1"),
    ({"property": {"cluster-mode": "1"}}, "cluster-mode=1: the embedded runtime supports only 2, 4"),
    ({"property": {"scaling-filter": "4"}}, r"scaling-filter=4 \(Lanczos\)"),
    ({"property": {"scaling-filter": "5"}}, r"scaling-filter=5 \(nearest, a pixel aside\)"),
    ({"property": {"scaling-filter": "7"}}, "scaling-filter=7: the embedded runtime has 0 and 6"),
    ({"class-attrs-x": {}}, r"\[class-attrs-x\]: name it \[class-attrs-all\] or \[class-attrs-N\]"),
    ({"class-attrs-": {}}, r"\[class-attrs-\]: name it"),
    ({"class-attrs--1": {}}, r"\[class-attrs--1\] is beyond"),
    ({"property": {"output-tensor-meta": "1"}}, "output-tensor-meta=1"),
    ({"property": {"model-color-format": "2"}}, "model-color-format=2"),
    ({"property": {"net-scale-factor": "0"}}, r"net-scale-factor=0\.0"),
    ({"property": {"mean-file": "m.ppm"}}, "mean-file"),
    ({"property": {"offsets": "1;2"}}, "2 values, expected 3"),
    ({"property": {"batch-size": "2000"}}, "expected 1 to 1024"),
    ({"property": {"num-detected-classes": "0"}}, "num-detected-classes=0"),
    ({"property": {"num-detected-classes": "65537"}}, "num-detected-classes=65537.* 1 to 65536"),
    ({"property": {"gie-unique-id": "0"}}, "gie-unique-id=0: expected 1 or more"),
    ({"property": {"net-scale-factor": "nan"}}, "net-scale-factor=nan"),
    ({"property": {"net-scale-factor": "inf"}}, "net-scale-factor=inf"),
    ({"property": {"offsets": "1;nan;3"}}, "offsets=.*nan"),
    ({"class-attrs-all": {"nms-iou-threshold": "1.01"}}, "nms-iou-threshold=1.01: expected 0 to 1"),
    ({"class-attrs-all": {"nms-iou-threshold": "nan"}}, "nms-iou-threshold=nan"),
    ({"class-attrs-1": {"pre-cluster-threshold": "nan"}}, "pre-cluster-threshold=nan"),
    ({"class-attrs-1": {"post-cluster-threshold": "inf"}}, "post-cluster-threshold=inf"),
    ({"property": {"labelfile-path": "none.txt"}}, "No such file"),
    ({"class-attrs-3": {}}, "beyond num-detected-classes=3"),
    ({"class-attrs-0": {"topk": "-1"}}, "topk=-1 is negative"),
    ({"class-attrs-all": {"detected-min-w": "-2"}}, "detected-min-w=-2 is negative"),
]


@pytest.mark.parametrize(("change", "sentence"), NVINFER_REFUSALS)
def test_what_nvinfer_settings_are_not_supported(tmp_path, change, sentence):
    properties = {**NVINFER["property"], **change.get("property", {})}
    with pytest.raises(RefusedError, match=sentence):
        nvinfer(tmp_path, {**change, "property": properties})


def test_missing_required_keys_are_named(tmp_path):
    for key in (
        "model-engine-file",
        "custom-lib-path",
        "parse-bbox-func-name",
        "cluster-mode",
        "scaling-filter",
    ):
        properties = {name: value for name, value in NVINFER["property"].items() if name != key}
        with pytest.raises(RefusedError, match=f"has no {key}"):
            nvinfer(tmp_path, {"property": properties})


def test_number_with_a_comment_is_a_wrong_value(tmp_path):
    with pytest.raises(KeyFileError, match="without trailing text"):
        nvinfer(tmp_path, {"class-attrs-all": {"pre-cluster-threshold": "0.25 # x"}})
