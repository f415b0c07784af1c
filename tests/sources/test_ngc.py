"""NGC's catalogue over real HTTP, and through a fake `ngc` command."""

import io
import json
import os
import stat
import tarfile
import zipfile

import pytest
from ngc_server import NgcServer

from dsbench.core.errors import BuildError
from dsbench.sources import download
from dsbench.sources.fetch import fetch_source
from dsbench.sources.listing import list_source
from dsbench.sources.source import parse_source
from small_files import onnx, tensor

URL = "https://catalog.ngc.nvidia.com/orgs/nvidia/teams/tao/models/peoplenet"
NAME = "nvidia/tao/peoplenet"
ONNX = onnx(tensor(raw=bytes(16)))
FILES = {
    "resnet34_peoplenet.onnx": ONNX,
    "labels.txt": b"Person\nBag\nFace\n",
    "nvinfer_config.txt": b"[property]\n",
}
KEY = "nvapi-secretKeyOfTheTests"


@pytest.fixture
def ngc(monkeypatch):
    server = NgcServer()
    server.models[NAME] = {"latest": "v2.6", "versions": {"v2.6": FILES, "v1.0": {"old.onnx": ONNX}}}
    monkeypatch.setenv("NGC_API_URL", server.url)
    monkeypatch.setenv("NGC_AUTHN_URL", server.url)
    monkeypatch.setattr(download, "PAUSE_S", 0)
    for name in ("NGC_API_KEY", "NGC_CLI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield server
    server.shutdown()
    server.server_close()


def fetch(text, folder):
    source = parse_source(text, [folder])
    return fetch_source(source, list_source(source), folder / "downloads")


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def test_latest_version_is_resolved_once_and_written_down(ngc, tmp_path):
    source = parse_source(URL)
    listing = list_source(source)
    assert listing.revision == "v2.6"
    ngc.models[NAME]["latest"] = "v3.0"
    folder, provenance = fetch_source(source, listing, tmp_path)
    assert provenance.revision == "v2.6"
    assert folder == tmp_path / "ngc/nvidia--tao--peoplenet/v2.6"
    assert {entry.name for entry in provenance.files} == set(FILES)


@pytest.mark.parametrize("end", ["?version=v1.0", "/files?version=v1.0"])
def test_version_of_the_address_is_taken(ngc, tmp_path, end):
    folder, _ = fetch(URL + end, tmp_path)
    assert (folder / "old.onnx").read_bytes() == ONNX


def test_labels_without_config_json_are_enough(ngc, tmp_path):
    folder, _ = fetch(URL, tmp_path)
    assert (folder / "labels.txt").read_text().splitlines() == ["Person", "Bag", "Face"]
    assert not (folder / "config.json").exists()


def test_cut_connection_is_resumed(ngc, tmp_path):
    ngc.cut["resnet34_peoplenet.onnx"] = [20, 30]
    folder, _ = fetch(URL, tmp_path)
    assert (folder / "resnet34_peoplenet.onnx").read_bytes() == ONNX


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_archive_is_unpacked_once_and_its_wrapping_folder_left_out(ngc, tmp_path, pack):
    name = "model.zip" if pack is zipped else "model.tar.gz"
    content = pack(
        {f"peoplenet_v2.6/{file}": data for file, data in FILES.items()} | {"peoplenet_v2.6/m.etlt": b"x"}
    )
    ngc.models[NAME]["versions"]["v2.6"] = {name: content}
    folder, provenance = fetch(URL, tmp_path)
    assert (folder / "resnet34_peoplenet.onnx").read_bytes() == ONNX
    assert {entry.name for entry in provenance.files} == set(FILES)
    assert not (folder / "m.etlt").exists()
    assert fetch(URL, tmp_path)[0] == folder
    assert ngc.fetched(name) == 1


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"m.etlt": b"x", "labels.txt": b"a"}, r"m\.etlt is encrypted by TAO"),
        ({"m.tlt": b"x"}, r"m\.tlt is encrypted by TAO"),
        ({"m.engine": b"x"}, r"m\.engine is a TensorRT engine, which fits one GPU"),
        ({"m.hdf5": b"x"}, "TensorFlow model"),
        ({"a.zip": b"", "b.zip": b""}, r"has the archives a\.zip, b\.zip"),
        ({"a.zip": zipped({"m.etlt": b"x"})}, r"found no file at all"),
        ({"a.zip": b"no archive"}, "cannot be unpacked"),
        ({"a.tar.gz": b"no archive"}, "cannot be unpacked"),
        ({}, "has no files"),
        ({"a\x1b[2J\n.etlt": b"x"}, r"found a\?\[2J\?\.etlt is encrypted"),
        ({"../../up.onnx": ONNX}, "expected model.safetensors or an .onnx"),
    ],
)
def test_version_without_a_usable_model_is_refused(ngc, tmp_path, files, says):
    ngc.models[NAME]["versions"]["v2.6"] = files
    with pytest.raises(BuildError, match=says):
        fetch(URL, tmp_path)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"status": 401}, "not open to guests; set NGC_API_KEY"),
        ({"status": 403}, "not open to guests; accept its terms"),
        ({"status": 404}, "no such model or version"),
        ({"status": 429}, "rate limit is reached"),
        ({"status": 500}, "answers with status 500"),
        ({"latest": None, "versions": {}}, "names no latest version"),
        ({"latest": "v9", "versions": {}}, "no such model or version"),
    ],
)
def test_each_refusal_has_its_own_sentence(ngc, model, says):
    ngc.models[NAME] |= model
    with pytest.raises(BuildError, match=f"^{NAME}: .*{says}"):
        list_source(parse_source(URL))


def test_unreachable_api_is_a_sentence(ngc):
    ngc.shutdown()
    ngc.server_close()
    with pytest.raises(BuildError, match=r"cannot be reached .*check the network"):
        list_source(parse_source(URL))


@pytest.mark.parametrize(("key", "bearer"), [(KEY, KEY), ("legacy-key-for-tests", "session-token-for-tests")])
def test_key_of_both_kinds_opens_a_private_model(ngc, tmp_path, monkeypatch, key, bearer):
    ngc.models[NAME]["bearer"] = bearer
    with pytest.raises(BuildError, match="not open to guests"):
        fetch(URL, tmp_path)
    monkeypatch.setenv("NGC_API_KEY", key)
    fetch(URL, tmp_path)


def test_wrong_key_is_refused_without_being_told(ngc, monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", "wrong-legacy-key")
    with pytest.raises(BuildError, match=r"NGC refuses NGC_API_KEY \(401\)") as error:
        list_source(parse_source(URL))
    assert "wrong-legacy-key" not in str(error.value)


def test_address_of_the_key_exchange_that_is_none_is_named(ngc, monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", "legacy-key-for-tests")
    monkeypatch.setenv("NGC_AUTHN_URL", "authn.example")
    with pytest.raises(BuildError, match=r"NGC_AUTHN_URL is authn\.example, which is no address"):
        list_source(parse_source(URL))


def test_exchanged_token_that_no_header_can_carry_is_not_told(ngc, monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", ngc.key)
    ngc.token = "session-sEcRe7\ntoken"
    with pytest.raises(BuildError, match="gave no token for NGC_API_KEY") as error:
        list_source(parse_source(URL))
    assert "sEcRe7" not in str(error.value)


CLI = """#!/usr/bin/env python3
import json, os, pathlib, sys
arguments = sys.argv[1:]
assert "HF_TOKEN" not in os.environ
pathlib.Path(os.environ["NGC_CALLS"]).open("a").write(json.dumps(arguments) + "\\n")
if "NO_ORG" in os.environ:
    print("Error: Missing org - If apikey is set, org is also required.")
    sys.exit(1)
if "FAIL" in os.environ:
    print("Error: denied for key " + os.environ.get("NGC_CLI_API_KEY", ""), file=sys.stderr)
    sys.exit(3)
if arguments[2] == "info":
    notice = os.environ.get("NOTICE", "")
    print(notice, end="")
    files = [{"path": "m.onnx", "sizeInBytes": SIZE}, {"path": "labels.txt", "sizeInBytes": 4}]
    print(json.dumps({"model": {"latestVersionIdStr": "v7"}, "modelFiles": files if "--files" in arguments else []}))
    print(notice, end="")
else:
    folder = pathlib.Path(arguments[arguments.index("--dest") + 1]) / "peoplenet_vv7"
    folder.mkdir()
    (folder / "m.onnx").write_bytes(bytes.fromhex("CONTENT"))
    (folder / "labels.txt").write_bytes(b"car\\n")
""".replace("SIZE", str(len(ONNX))).replace("CONTENT", ONNX.hex())


@pytest.fixture
def cli(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ngc"
    program.write_text(CLI)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NGC_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("NGC_API_URL", "http://127.0.0.1:9")
    return tmp_path / "calls"


def test_ngc_command_is_used_where_it_is_installed(cli, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of-the-other-hub")
    folder, provenance = fetch(URL, tmp_path)
    assert provenance.revision == "v7"
    assert (folder / "m.onnx").read_bytes() == ONNX
    calls = [json.loads(line) for line in cli.read_text().splitlines()]
    assert calls[-1][:4] == ["registry", "model", "download-version", f"{NAME}:v7"]
    fetch_source(parse_source(URL), list_source(parse_source(URL)), tmp_path / "downloads")
    assert "download-version" not in cli.read_text().splitlines()[-1]


def test_what_ngc_says_of_a_newer_version_of_itself_is_passed_over(cli, monkeypatch):
    monkeypatch.setenv("NOTICE", "CLI_VERSION: Latest - 3.64.3 available (current: 3.41.4). Please update.\n")
    assert list_source(parse_source(URL)).revision == "v7"
    monkeypatch.setenv("NOTICE", "[WARNING] The configuration is readable by others.\n")
    assert list_source(parse_source(URL)).revision == "v7"
    monkeypatch.setenv("NOTICE", "{")
    with pytest.raises(BuildError, match="ngc printed no JSON"):
        list_source(parse_source(URL))


def test_failing_ngc_command_is_quoted_without_the_key(cli, monkeypatch):
    monkeypatch.setenv("FAIL", "1")
    monkeypatch.setenv("NGC_API_KEY", KEY)
    with pytest.raises(BuildError, match="ngc ended with exit status 3: Error: denied for key <NGC_API_KEY>"):
        list_source(parse_source(URL))


def test_api_is_asked_where_the_ngc_command_has_no_organisation(cli, ngc, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NO_ORG", "1")
    monkeypatch.setenv("NGC_API_KEY", KEY)
    monkeypatch.setenv("NGC_API_URL", ngc.url)
    folder, _ = fetch(URL, tmp_path)
    assert (folder / "resnet34_peoplenet.onnx").read_bytes() == ONNX
    assert "NGC's API is asked instead" in capsys.readouterr().err
    (folder / "labels.txt").unlink()
    fetch(URL, tmp_path)
    assert (folder / "labels.txt").read_bytes() == FILES["labels.txt"]
