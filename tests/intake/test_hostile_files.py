"""Hostile and broken model files: each ends in its sentence before a loader sees it, and leaves nothing."""

import json
import os
import resource
import subprocess
import sys
import time

import pytest

from bounded_child import run_child
from dsbench.core.errors import BuildError
from dsbench.intake.file_choice import IntakeError
from dsbench.intake.labels import label_names, read_source_labels
from dsbench.sources.fetch import fetch_source
from dsbench.sources.listing import list_source
from dsbench.sources.local_source import choose_local
from dsbench.sources.source import parse_source
from small_files import CONFIG, layout, message, number, onnx, safetensors, tensor, varint, write


def fetch(folder):
    source = parse_source(str(folder))
    return fetch_source(source, list_source(source), folder.parent / "downloads")


def refuse(tmp_path, files, says, prepare=None):
    folder = write(tmp_path / "m", files)
    if prepare:
        prepare(folder)
    started = time.monotonic()
    with pytest.raises(BuildError, match=says) as error:
        fetch(folder)
    assert time.monotonic() - started < 20
    text = str(error.value)
    assert "\n" not in text and "\x1b" not in text and len(text) < 800
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def deep(depth):
    return b"[" * depth + b"]" * depth


def config(**changes):
    return layout(config__json=CONFIG | changes)


def raw_config(text):
    return layout(config__json=text)


def preprocessor(**changes):
    return layout(preprocessor_config__json={"size": {"height": 320, "width": 320}} | changes)


CONFIGS = [
    (raw_config(b""), "not a readable JSON file"),
    (raw_config(b"{"), "not a readable JSON file"),
    (raw_config(b"\xff\xfe{}"), "not a readable JSON file"),
    (raw_config(b"[]"), "found a JSON list, expected an object"),
    (raw_config(b"null"), "found a JSON NoneType, expected an object"),
    (raw_config(b'{"a": NaN}'), "holds NaN"),
    (raw_config(b'{"a": Infinity}'), "holds Infinity"),
    (raw_config(b'{"a": -Infinity}'), "holds -Infinity"),
    (raw_config(b'{"a": 1e999}'), "holds 1e999"),
    (raw_config(b'{"a": %s}' % (b"9" * 5000)), "holds 9999"),
    (raw_config(b'{"a": %s}' % deep(100)), "nested deeper than 40"),
    (raw_config(b'{"a": %s}' % deep(200_000)), "nested deeper than 40"),
    (raw_config(b'{"model_type": "rt_detr", "model_type": "vit"}'), "a key occurs twice"),
    (raw_config(b'{"a": "%s"}' % (b"x" * (11 << 20))), "expected a plain file of at most 10 MiB"),
    (config(auto_map={"AutoModel": "modeling.Evil"}), "its own Python code"),
    (
        config(backbone_config={"auto_map": {"AutoModel": "m.E"}}),
        r"its own Python code \(backbone_config.auto_map\)",
    ),
    (config(trust_remote_code=True), "its own Python code"),
    (config(hidden_size=10**12), "hidden_size is 1000000000000"),
    (config(d_model=-1), "d_model is -1"),
    (config(num_queries=2**40), "num_queries is"),
    (config(backbone_config={"hidden_sizes": [16, 10**9]}), "hidden_sizes is 1000000000"),
    (config(encoder_layers=10**9), "encoder_layers is"),
    (config(num_channels=1e300), "num_channels is 1e[+]300"),
    (
        config(architectures=["ViTForImageClassification"]),
        "ViTForImageClassification is not an object detector",
    ),
    (config(architectures=["DetrForSegmentation"]), "DetrForSegmentation is not an object detector"),
    (config(architectures=["DPTForDepthEstimation"]), "DPTForDepthEstimation is not an object detector"),
    (config(architectures=["BertForMaskedLM"]), "BertForMaskedLM is not an object detector"),
    (
        config(architectures=["VitPoseForPoseEstimation"]),
        "VitPoseForPoseEstimation is not an object detector",
    ),
    (config(architectures=["RTDetrModel"]), "RTDetrModel is not an object detector"),
    (config(architectures=[], model_type="vit"), "is not an object detector"),
    (config(id2label={"car": "0"}), "a key that is not a class id"),
    (config(id2label={"0": "a", "1": "b", "01": "c"}), "two keys for the class id 1"),
    (config(id2label={"0": "a", "1": "b", "\u0661": "c"}), "a key that is not a class id"),
    (config(id2label={"0": "a", " 1": "b"}), "a key that is not a class id"),
    (config(id2label={"0": "a", "1_0": "b"}), "a key that is not a class id"),
    (config(id2label={"9" * 5000: "a"}), "a key that is not a class id"),
    (config(id2label={"0": ["a"]}), "no name for the class id 0"),
    (config(backbone="local-dir:/data/m"), "backbone is 'local-dir:/data/m', a place to load from"),
    (config(backbone="microsoft/resnet-50"), "backbone is 'microsoft/resnet-50', a place"),
    (config(backbone=".."), r"backbone is '\.\.', a place"),
    (config(backbone_config={"backbone": "local-dir:../m"}), "backbone_config.backbone is 'local-dir:"),
    (config(a=[{"b": {"backbone": "hf-hub:org/m"}}]), "a.b.backbone is 'hf-hub:"),
    (config(backbone_config={"architecture": "hf-hub:org/m"}), "backbone_config.architecture is"),
    (config(text_config={"x": "local-dir:m"}), "text_config.x is 'local-dir:m', a place"),
    (config(backbone_kwargs={"checkpoint_path": "/m.pth"}), "backbone_kwargs has checkpoint_path"),
    (config(_attn_implementation="org/kernels"), "_attn_implementation is 'org/kernels'"),
    (
        config(text_config={"_attn_implementation_internal": "x/y"}),
        "text_config._attn_implementation_internal",
    ),
    (config(attn_implementation={"text_config": "x/y"}), "attn_implementation is"),
    (config(quantization_config={"quant_method": "gptq"}), "quantization_config asks for quantised weights"),
    (config(vision_config={"quantization_config": {"a": 1}}), "vision_config.quantization_config asks"),
    (config(backbone_config={"b" * 2_000_000: {"trust_remote_code": True}}), "its own Python code"),
    (config(backbone="x/" * 2_000_000), "a place to load from"),
    (config(architectures=["x" * 2_000_000]), "not an object detector"),
    (config(architectures=[], model_type=["x" * 2_000_000]), "not an object detector"),
    (preprocessor(size={"height": "x" * 2_000_000}), "size.height is 'x"),
    (preprocessor(size={"height": 10**9, "width": 320}), "size.height is 1000000000"),
    (preprocessor(size={"height": -320, "width": 320}), "size.height is -320"),
    (preprocessor(size={"height": 320.5, "width": 320}), "size.height is 320.5"),
    (preprocessor(size={"height": "320", "width": 320}), "size.height is '320'"),
    (preprocessor(size=0), "size is 0"),
    (preprocessor(size={"shortest_edge": 10**9}), "size.shortest_edge is"),
    (preprocessor(auto_map={"AutoImageProcessor": "p.Evil"}), "its own Python code"),
    (layout(preprocessor_config__json=b"NaN"), "holds NaN"),
    (layout(tokenizer__json=deep(100)), "tokenizer.json: nested deeper"),
    (layout(model__safetensors=None), "model.safetensors missing"),
    (layout(model__safetensors=None, model__onnx=b""), "model.onnx: 0 bytes"),
    ({}, "the folder has no files"),
]


@pytest.mark.parametrize(("files", "says"), CONFIGS)
def test_settings_are_refused(tmp_path, files, says):
    (tmp_path / "m").mkdir()
    refuse(tmp_path, files, says)


def entry(dtype="F32", shape=(2, 2), offsets=(0, 16)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def one(**changes):
    return safetensors({"w": entry(**changes)})


SAFETENSORS = [
    (b"", "it is an empty file"),
    (b"\x02\0\0", "header too small"),
    ((1 << 63).to_bytes(8, "little") + b"{}", "a header of 9223372036854775808 bytes"),
    ((100).to_bytes(8, "little") + b"{}", "invalid header length"),
    ((26 << 20).to_bytes(8, "little") + bytes(27 << 20), "expected at most 25000000"),
    (safetensors(header=b"[]"), "invalid JSON in header"),
    (safetensors(header=b"{}"), "not fully covered"),
    (safetensors({}, b""), "no tensor"),
    (safetensors(header=b"\x80\x04pickle"), "invalid UTF-8 in header"),
    (safetensors(header=b'{"w": %s}' % deep(100)), "invalid JSON in header"),
    (safetensors(header=b'{"w": %s}' % deep(100_000)), "recursion limit exceeded"),
    (safetensors(header=b'{"w": NaN}'), "invalid JSON in header"),
    (safetensors(header=b'{"w": 1, "w": 2}'), "invalid JSON in header"),
    (safetensors({"w": 7}), "expected struct TensorInfo"),
    (safetensors({"w": {"dtype": "F32"}}), "missing field `shape`"),
    (safetensors({"__metadata__": {"a": 1}, "w": entry()}), "expected a string"),
    (safetensors({"__metadata__": [], "w": entry()}), "expected a map"),
    (one(dtype="OBJECT"), "unknown variant `OBJECT`"),
    (one(dtype=["F32"]), "invalid type: sequence"),
    (one(shape=[-2, -2]), "integer `-2`"),
    (one(shape=[2.0, 2]), "floating point `2.0`"),
    (one(shape=[True, 4]), "boolean `true`"),
    (one(shape="22"), "expected a sequence"),
    (one(shape=[1 << 41]), "invalid shape"),
    (one(shape=[1 << 40] * 16), "overflow computing buffer size"),
    (one(shape=[2, 3]), "invalid shape"),
    (one(offsets=[16, 0]), "invalid offset"),
    (one(offsets=[-16, 0]), "integer `-16`"),
    (one(offsets=[0]), "expected a tuple of size 2"),
    (one(offsets=[0, 16.0]), "floating point `16.0`"),
    (one(offsets=[0, 1 << 60]), "invalid shape"),
    (one(offsets=[16, 32]), "invalid offset for tensor"),
    (safetensors({"w": entry(), "v": entry()}), "invalid offset for tensor"),
    (safetensors({"w": entry(), "v": entry(offsets=[8, 24])}, bytes(24)), "invalid offset for tensor"),
    (safetensors({"w": entry(), "v": entry(offsets=[32, 48])}, bytes(48)), "invalid offset for tensor"),
    (safetensors(data=bytes(15)), "not fully covered"),
    (safetensors(data=bytes(17)), "not fully covered"),
]


@pytest.mark.parametrize(("content", "says"), SAFETENSORS)
def test_safetensors_is_refused(tmp_path, content, says):
    refuse(tmp_path, layout(model__safetensors=content), f"^model.safetensors: .*{says}")


SHARDS = [
    ({"weight_map": {"w": "../../etc/passwd"}}, "names the shard '../../etc/passwd'"),
    ({"weight_map": {"w": "/etc/passwd"}}, "names the shard '/etc/passwd'"),
    ({"weight_map": {"w": "pytorch_model.bin"}}, r"names the shard 'pytorch_model.bin'"),
    ({"weight_map": {"w": "model-00002-of-00002.safetensors"}}, "is missing; fetch it too"),
    ({"weight_map": {}}, "no weight_map"),
    ({"weight_map": ["a"]}, "no weight_map"),
    ({}, "no weight_map"),
]


@pytest.mark.parametrize(("index", "says"), SHARDS)
def test_shard_index_is_refused(tmp_path, index, says):
    refuse(tmp_path, layout(**{"model.safetensors.index.json": index}), f"index.json: .*{says}")


def nested(depth):
    """Return a graph whose one node has an attribute that is a graph, and so on."""
    inner = message(2, "g")
    for _ in range(depth):
        inner = message(1, message(5, message(6, inner)))
    return number(1, 9) + message(7, inner)


def external(**entries):
    return onnx(tensor(external=entries))


GOOD = {"location": "w.data", "offset": "0", "length": "16"}
PROTOBUF = [
    (b"", "0 bytes, expected an ONNX"),
    (b"\x80\x04pickle", "no sound ONNX"),
    (b"not an ONNX at all", "no sound ONNX"),
    (bytes(100), "no sound ONNX"),
    (number(1, 9), "it has no graph"),
    (message(7, b"")[:1], "no sound ONNX"),
    (varint(7 << 3 | 2) + varint(1 << 40), "no sound ONNX"),
    (varint(7 << 3 | 2) + varint((1 << 64) - 1), "no sound ONNX"),
    (message(7, varint(5 << 3 | 2) + varint(1000)), "no sound ONNX"),
    (b"\x08" + b"\xff" * 11, "no sound ONNX"),
    (b"\x08" + b"\xff" * 9 + b"\x7f", "it has no graph"),
    (varint(7 << 3 | 3), "no sound ONNX"),
    (varint(7 << 3 | 6), "no sound ONNX"),
    (number(7, 1), "it has no graph"),
    (varint(7 << 3 | 1) + b"\0", "no sound ONNX"),
    (nested(40), "no sound ONNX .Exceeded .*MaxDepth"),
    (nested(3000), "no sound ONNX .Exceeded .*MaxDepth"),
    (message(7, b"\x0a\x00" * 3_100_000), "more parts than a model has"),
    (onnx(tensor(raw=bytes(8))), "has 8 bytes, its shape needs 16"),
    (onnx(tensor(raw=b"")), "has 0 bytes, its shape needs 16"),
    (onnx(tensor(dims=(-2, 2), raw=bytes(16))), "a dimension of -2"),
    (onnx(tensor(dims=(1 << 62,), raw=bytes(16))), "a dimension of"),
    (onnx(tensor(dims=(1 << 33, 1 << 33))), "tensors of more than"),
    (onnx(tensor(dims=(1,) * 17, raw=bytes(4))), "has 17 dimensions"),
    (onnx(tensor(data_type=99, raw=bytes(16))), "unknown data type 99"),
    (onnx(tensor(data_type=0, raw=bytes(16))), "unknown data type 0"),
    (onnx(*[tensor(dims=(1 << 34,), name=str(n)) for n in range(3)]), "tensors of more than"),
    (onnx(inputs=[(1, 3, -2, 8)]), "a dimension of -2"),
    (onnx(inputs=[(1, 3, 1 << 60, 8)]), "a dimension of"),
    (onnx(nodes=[message(5, message(5, tensor(raw=b"")))]), "has 0 bytes, its shape needs 16"),
    (onnx(nodes=[message(5, message(10, tensor(dims=(-1,))))]), "a dimension of -1"),
    (onnx() + message(25, message(7, message(5, message(5, tensor(dims=(-1,)))))), "a dimension of -1"),
    (onnx() + message(20, message(1, message(5, tensor(dims=(-1,))))), "a dimension of -1"),
    (message(7, message(15, message(1, tensor(dims=(-1,))))), "a dimension of -1"),
    (external(location="../w.data"), "outside its folder"),
    (external(location="a/../../w.data"), "outside its folder"),
    (external(location="..\\w.data"), "outside its folder"),
    (external(location="/etc/passwd"), "outside its folder"),
    (external(location="\\\\host\\share\\w.data"), "outside its folder"),
    (external(location=""), "external data without a file name"),
    (external(offset="0"), "external data without a file name"),
    (external(location="C:\\w.data"), "characters that are refused"),
    (external(location="a\nb"), "characters that are refused"),
    (external(location="$(id)"), "characters that are refused"),
    (external(location="w\0.data"), "characters that are refused"),
    (external(location="x" * 5000), "characters that are refused"),
    (external(location="file:///etc/passwd"), "characters that are refused"),
    (external(location="~/w.data"), "characters that are refused"),
    (external(location=".ssh/id_rsa"), "characters that are refused"),
    (external(location="w.pt"), "no file of raw numbers"),
    (external(location="w.pkl"), "no file of raw numbers"),
    (external(location="config.json"), "no file of raw numbers"),
    (external(location="model.onnx"), "no file of raw numbers"),
    (external(location="gone.data"), "gone.data"),
    (external(**GOOD | {"offset": "-1"}), "the external offset '-1'"),
    (external(**GOOD | {"offset": "1e3"}), "the external offset '1e3'"),
    (external(**GOOD | {"offset": " 1"}), "the external offset ' 1'"),
    (external(**GOOD | {"offset": "0x10"}), "the external offset '0x10'"),
    (external(**GOOD | {"offset": "nan"}), "the external offset 'nan'"),
    (external(**GOOD | {"length": "-16"}), "the external length '-16'"),
    (external(**GOOD | {"length": "9" * 30}), "the external length '999"),
    (external(**GOOD | {"length": "8"}), "has 8 bytes in w.data, its shape needs 16"),
    (external(**GOOD | {"length": "32"}), "has 32 bytes in w.data, its shape needs 16"),
    (external(**GOOD | {"offset": "16"}), "ends at byte 32 of w.data, which has 16"),
    (external(**GOOD | {"offset": "999999999999999"}), "of w.data, which has 16"),
    (onnx(tensor(dims=(1 << 30,), external={"location": "w.data"})), "of w.data, which has 16"),
    (
        onnx(tensor(external=[("location", "w.data"), ("location", "/etc/passwd")])),
        "contradicting external data",
    ),
    (onnx(tensor(external=GOOD, is_external=False)), "contradicting external data"),
    (onnx(tensor(external=[])), "external data without a file name"),
    (onnx(tensor(data_type=8, external=GOOD)), "contradicting external data"),
]


@pytest.mark.parametrize(("content", "says"), PROTOBUF)
def test_onnx_is_refused(tmp_path, content, says):
    refuse(tmp_path, layout(model__onnx=content, w__data=bytes(16)), says)


@pytest.mark.parametrize(("content", "says"), PROTOBUF)
def test_lone_onnx_is_refused(tmp_path, content, says):
    path = write(tmp_path / "m", {"model.onnx": content, "w.data": bytes(16)}) / "model.onnx"
    with pytest.raises(BuildError, match=says):
        fetch(path)


def replaced(name, make):
    def prepare(folder):
        target = folder / name
        target.unlink(missing_ok=True)
        make(target)

    return prepare


def to_etc(target):
    target.symlink_to("/etc/passwd")


def to_sibling(target):
    target.with_name("real.data").write_bytes(bytes(16))
    target.symlink_to("real.data")


def hard_link(target):
    target.with_name("real.data").write_bytes(bytes(16))
    os.link(target.with_name("real.data"), target)


LINKS = [
    ("w.data", to_etc, "a symbolic link|a link that leaves"),
    ("w.data", to_sibling, "is a symbolic link"),
    ("w.data", hard_link, "has other hard links"),
    ("w.data", os.mkfifo, "not a regular file"),
    ("w.data", os.mkdir, "not a regular file"),
    ("w.data", lambda path: path.symlink_to("/dev/zero"), "not a regular file|a symbolic link"),
    ("model.onnx", to_etc, "a link that leaves its folder"),
    ("model.onnx", os.mkfifo, "not a regular file"),
    ("config.json", to_etc, "a link that leaves its folder"),
    ("config.json", os.mkfifo, "not a regular file"),
    ("config.json", lambda path: path.symlink_to("config.json"), "cannot be read"),
    ("labels.txt", to_etc, "a link that leaves its folder"),
    ("preprocessor_config.json", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
]


@pytest.mark.parametrize(("name", "make", "says"), LINKS)
def test_what_is_no_plain_file_is_refused(tmp_path, name, make, says):
    files = layout(model__onnx=external(**GOOD), w__data=bytes(16), model__safetensors=None)
    refuse(tmp_path, files, says, replaced(name, make))


def test_data_below_a_linked_folder_is_refused(tmp_path):
    files = layout(model__onnx=external(location="sub/w.data"), model__safetensors=None)
    outside = write(tmp_path / "m/real", {"w.data": bytes(16)})
    refuse(
        tmp_path,
        files,
        "is a symbolic link|a link that leaves",
        lambda folder: (folder / "sub").symlink_to(outside),
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no class name"),
        (b"\n\n \n", "holds no class name"),
        (b";;;", "holds no class name"),
        (b"\xff\xfe\xfa", "UTF-16, no UTF-8 text"),
        (b"a\n" * 20_001, "expected at most 20000 class names"),
        (b"x" * (5 << 20), "expected a text file of at most"),
        (b"\x80\x04\x95pickle", "no UTF-8 text"),
    ],
)
def test_label_file_is_refused(tmp_path, content, says):
    refuse(tmp_path, layout(labels__txt=content), f"labels.txt: .*{says}")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("traffic light", "traffic light"),
        ("tab\there", "tab here"),
        ("bell\x07", "bell"),
        ("nul\x00l", "nul l"),
        ("esc\x1b[31mred", "esc [31mred"),
        ("line\u2028separator", "line separator"),
        ("next\u0085line", "next line"),
        ("vertical\x0btab", "vertical tab"),
        ("\u202eflipped", "flipped"),
        ("\ufeffmark", "mark"),
        ("  padded  ", "padded"),
        ("carriage\rreturn", "carriage return"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("| cell", "| cell"),
        ("%n%s", "%n%s"),
        ("x" * 10_000, "x" * 127),
        ("ö" * 10_000, "ö" * 63),
        ("", "class_1"),
        ("\x00", "class_1"),
    ],
)
def test_label_becomes_one_harmless_line_from_a_file_and_from_config_json(tmp_path, written, name):
    path = tmp_path / "labels.txt"
    path.write_bytes(f"car\n{written}\nperson\n".encode())
    from_file = label_names(read_source_labels(path), 3).names
    from_config = label_names({0: "car", 1: written, 2: "person"}, 3).names
    assert from_file == from_config == ("car", name, "person")


def test_semicolon_ends_a_line_of_a_file_as_nvinfer_reads_it(tmp_path):
    (tmp_path / "labels.txt").write_text("car;\na;b\n;left\n")
    assert read_source_labels(tmp_path / "labels.txt") == {0: "car", 1: "a", 2: ""}


def test_labels_of_one_line_are_split_at_semicolons(tmp_path):
    (tmp_path / "labels.txt").write_text("person;bag;face\n")
    assert read_source_labels(tmp_path / "labels.txt") == {0: "person", 1: "bag", 2: "face"}


@pytest.mark.parametrize(
    "settings",
    [
        {"backbone": "resnet50", "use_timm_backbone": True, "use_pretrained_backbone": True},
        {"backbone": "resnet50.a1_in1k", "backbone_kwargs": {"in_chans": 3, "out_indices": [1, 2, 3, 4]}},
        {
            "backbone": None,
            "backbone_config": {"model_type": "rt_detr_resnet", "use_pretrained_backbone": False},
        },
        {"_attn_implementation_autoset": True, "quantization_config": None},
        {"id2label": {"0": "N/A", "2": "car", "10": None}},
    ],
)
def test_settings_of_usual_exports_pass(tmp_path, settings):
    assert fetch(write(tmp_path / "m", config(**settings)))[0] == tmp_path / "m"


def test_what_only_an_exporter_would_load_matters_not_beside_an_onnx(tmp_path):
    files = config(backbone="microsoft/resnet-50", quantization_config={"a": 1})
    files = files | {"model.safetensors": None, "model.onnx": onnx(tensor(raw=bytes(16)))}
    write(tmp_path / "m", {name: content for name, content in files.items() if content is not None})
    assert fetch(tmp_path / "m")[0] == tmp_path / "m"


def test_sound_files_pass(tmp_path):
    shards = {f"model-0000{n}-of-00002.safetensors": safetensors() for n in (1, 2)}
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = layout(model__safetensors=None, labels__txt=b"car\nperson\n") | shards
    write(tmp_path / "a", files | {"model.safetensors.index.json": json.dumps(index).encode()})
    assert fetch(tmp_path / "a")[0] == tmp_path / "a"
    files = {"model.onnx": onnx(tensor(external=GOOD), tensor(raw=bytes(16), name="v")), "w.data": bytes(16)}
    folder = write(tmp_path / "b", files)
    assert {entry.name for entry in fetch(folder)[1].files} == set(files)


def test_files_of_the_hub_clients_cache_may_be_links_to_its_blobs(tmp_path):
    write(tmp_path / "models--o--n/blobs", {str(n): content for n, content in enumerate(layout().values())})
    snapshot = tmp_path / "models--o--n/snapshots/abc"
    snapshot.mkdir(parents=True)
    for number_, name in enumerate(layout()):
        (snapshot / name).symlink_to(f"../../blobs/{number_}")
    assert fetch(snapshot)[0] == snapshot


# In a process of its own: one that has freed much before grows without asking for more.
PARSE_GROWING = """
import resource, sys
from dsbench.core.errors import BuildError
from dsbench.intake import onnx_files
from dsbench.sources.local_source import choose_local
from dsbench.sources.source import parse_source
onnx_files.SPARE_BYTES = 64 << 20
limits = resource.getrlimit(resource.RLIMIT_AS)
try:
    choose_local(parse_source(sys.argv[1]))
except BuildError as error:
    print(error, resource.getrlimit(resource.RLIMIT_AS) == limits)
"""


def test_a_file_that_grows_when_it_is_parsed_is_stopped(tmp_path):
    path = write(tmp_path, {"model.onnx": message(7, b"\x0a\x00" * 2_900_000)}) / "model.onnx"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PARSE_GROWING, path], env=env, capture_output=True, text=True, check=True
    )
    assert "model.onnx: no sound ONNX (Arena alloc failed)" in done.stdout
    assert done.stdout.endswith("True\n"), "the limit stays"


def test_names_that_are_no_utf_8_are_refused_or_harmless(tmp_path):
    content = onnx(tensor(name=b"\xff\xfe", external=[(b"location", b"\xff.data")]))
    refuse(tmp_path, layout(model__onnx=content), "characters that are refused")


def test_bombs_cost_no_memory(tmp_path):
    content = message(7, varint(5 << 3 | 2) + varint(1 << 31))
    path = write(tmp_path, {"model.onnx": content}) / "model.onnx"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(IntakeError):
        choose_local(parse_source(str(path)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


READ = """
import json, sys
from pathlib import Path
from dsbench.core.errors import BuildError
from dsbench.families.detector import id2label_of
from dsbench.intake.json_files import read_json_file
from dsbench.intake.labels import label_names, names_by_key, read_source_labels
read = {
    "labels": lambda path: label_names(read_source_labels(path), 2).names[0],
    "metadata": lambda path: names_by_key({"names": path.read_text()}),
    "tokenizer": read_json_file,
    "config": lambda path: label_names(id2label_of(path), 2).names,
    "classes": lambda path: label_names({0: "car"}, int(path.read_text())),
}[sys.argv[1]]
try:
    print("read", len(str(read(Path(sys.argv[2])))))
except BuildError as error:
    print(error)
"""
MARKS = "a" + "\u0301\u0327" * 1_000_000
LARGE = [
    ("labels", lambda: MARKS, "read"),
    ("config", lambda: json.dumps({"id2label": {"0": MARKS, "1": "b"}}, ensure_ascii=False), "read"),
    (
        "config",
        lambda: json.dumps({"id2label": {"999999999": "car"}}),
        "the class id 999999999, expected at most",
    ),
    ("metadata", lambda: str({number: f"c{number}" for number in range(700_000)}), "read 2"),
    ("metadata", lambda: "{'\u00b2': 'car', '1': 'bus'}", "read 2"),
    ("labels", lambda: "# " * 100_000 + "x", "read"),
    ("labels", lambda: "#\n" * 10_000 + "x", "read 1"),
    ("labels", lambda: "id,name\na" + "\t" * 1_000_000 + "b", "read"),
    ("labels", lambda: "x = [" + "]\n" * 100_000 + "y", "the class id 20000"),
    ("labels", lambda: "[a]\n" + " \n" * 100_000 + "y", "the class id 20000"),
    ("tokenizer", lambda: "[" + "[]," * (21 << 20) + "[]]", "more than 3000000 values"),
    (
        "tokenizer",
        lambda: json.dumps({str(number): number for number in range(3_000_001)}),
        "more than 3000000 values",
    ),
    ("classes", lambda: "1000000000", "has 1000000000 classes, expected at most 20000"),
]


@pytest.mark.parametrize(
    ("kind", "make", "says"), LARGE, ids=[f"{kind}-{says[:20]}" for kind, _, says in LARGE]
)
def test_large_texts_cost_seconds_and_little_memory(tmp_path, kind, make, says):
    file = tmp_path / "file"
    file.write_text(make())
    done = run_child(READ, kind, file, folder=tmp_path)
    assert says in done.text, done.text[-500:]
    assert done.seconds < 60
    assert done.peak_mb < 300
