"""Files that are not what their names say are named as what they are, with what to do."""

import gzip
import io
import pickle
import re
import tarfile
import zipfile

import pytest

from dsbench.core.errors import BuildError
from dsbench.sources.local_source import choose_local
from dsbench.sources.source import parse_source
from dsbench.sources.source_files import check_folder
from small_files import layout, onnx, tensor, write

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 167000000\n"
PAGE = b"\xef\xbb\xbf\r\n<!DOCTYPE html><html><title>Sign in</title>" + b"0" * 3000
LFS = r"Git LFS pointer to a file of 167000000 bytes; run `git lfs pull`"


def zipped(name):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "x")
    return stream.getvalue()


def tarred():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return stream.getvalue()


KINDS = {
    "pointer": (POINTER, LFS),
    "page": (PAGE, r"saved web page \(HTML\)"),
    "empty": (b"", r"0 bytes"),
    "zip": (zipped("model.onnx"), "a ZIP archive; unpack it"),
    "torch": (zipped("archive/data.pkl"), "PyTorch file of pickles, never opened"),
    "pickle": (pickle.dumps({"weights": [1.0]}), "a Python pickle"),
    "gzip": (gzip.compress(b"x" * 100), "a gzip archive"),
    "tar": (tarred(), "a tar archive"),
    "error": (b'{"error": "Entry not found"}', r"JSON, as a server may send .*Entry not found"),
    "denied": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML, as a server"),
    "text": (b"404: Not Found\n", "text, as a server .*404: Not Found"),
    "engine": (b"ftrt" + bytes(range(200)), "a TensorRT engine; give the ONNX"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors"])
def test_weights_that_are_something_else_are_named(tmp_path, name, kind):
    content, says = KINDS[kind]
    write(tmp_path, {name: content})
    with pytest.raises(BuildError, match=f"^{re.escape(name)}: .*{says}"):
        check_folder(tmp_path, [name])


@pytest.mark.parametrize(("content", "says"), [(POINTER, LFS), (PAGE, "web page"), (b"", "an empty file")])
def test_json_that_is_something_else_is_named(tmp_path, content, says):
    write(tmp_path, layout(config__json=content))
    with pytest.raises(BuildError, match=rf"^config\.json: not a readable JSON file .*{says}"):
        check_folder(tmp_path, layout())


def test_broken_json_is_a_text_as_expected_and_the_place_is_told(tmp_path):
    write(tmp_path, layout(config__json=b'{"a": 1,}'))
    with pytest.raises(BuildError, match=r"not a readable JSON file \(.*column.*\); fetch it again\.$"):
        check_folder(tmp_path, layout())


def test_pointer_to_safetensors_is_named_without_the_number_its_first_bytes_would_be(tmp_path):
    write(tmp_path, layout(model__safetensors=POINTER))
    with pytest.raises(BuildError, match=rf"^model\.safetensors: no sound safetensors file: it is a {LFS}"):
        check_folder(tmp_path, layout())


def test_broken_onnx_of_no_known_kind_keeps_its_own_words(tmp_path):
    write(tmp_path, {"model.onnx": onnx(tensor(raw=bytes(16)))[:-9]})
    with pytest.raises(BuildError, match=r"no sound ONNX \(.*\); fetch or export it again\.$"):
        check_folder(tmp_path, ["model.onnx"])


def external(location):
    return onnx(tensor(external={"location": location, "offset": "0", "length": "16"}))


@pytest.mark.parametrize("source", ["model.onnx", "."])
def test_renamed_external_data_is_missing_under_the_name_that_the_onnx_has(tmp_path, source):
    write(
        tmp_path, {"model.onnx": external("yolo.onnx.data"), "model.onnx.data": bytes(16), "small.txt": b"x"}
    )
    with pytest.raises(BuildError) as caught:
        choose_local(parse_source(str(tmp_path / source)))
    assert "model.onnx: its external data yolo.onnx.data is missing; put that file of at least 16" in str(
        caught.value
    )
    assert "changed if it is model.onnx.data." in str(caught.value)


def test_external_data_that_is_a_pointer_is_named(tmp_path):
    big = onnx(tensor(dims=(64,), external={"location": "w.data", "offset": "0", "length": "256"}))
    write(tmp_path, {"model.onnx": big, "w.data": POINTER})
    with pytest.raises(BuildError, match=rf"w\.data, which has \d+; it is a {LFS}"):
        check_folder(tmp_path, ["model.onnx", "w.data"])
