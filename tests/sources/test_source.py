import os
import time

import pytest

from dsbench.core.errors import BuildError
from dsbench.core.records import write_record
from dsbench.dag.names import check_targets, model_entry
from dsbench.intake.file_choice import IntakeError, choose_files
from dsbench.sources import local_source
from dsbench.sources.fetch import fetch_source
from dsbench.sources.listing import choose_remote, list_source
from dsbench.sources.local_source import choose_local
from dsbench.sources.source import (
    FetchedFile,
    Source,
    SourceError,
    locate,
    parse_source,
    read_fetched,
    write_fetched,
)
from small_files import layout, onnx, tensor, write

NGC = "https://catalog.ngc.nvidia.com/orgs/nvidia"
HUB = "https://huggingface.co/org/name"


@pytest.mark.parametrize(
    ("text", "kind", "name", "revision", "file"),
    [
        ("org/name", "huggingface", "org/name", None, None),
        ("org/name@v1.0", "huggingface", "org/name", "v1.0", None),
        ("hf:org/na.me_1", "huggingface", "org/na.me_1", None, None),
        ("hf:org/name@refs/pr/3", "huggingface", "org/name", "refs/pr/3", None),
        (HUB, "huggingface", "org/name", None, None),
        (f"{HUB}/", "huggingface", "org/name", None, None),
        (f"{HUB}?library=transformers", "huggingface", "org/name", None, None),
        ("https://hf.co/org/name", "huggingface", "org/name", None, None),
        (f"{HUB}/tree/main", "huggingface", "org/name", "main", None),
        (f"{HUB}/tree/refs%2Fpr%2F3", "huggingface", "org/name", "refs/pr/3", None),
        (f"{HUB}/resolve/abc123/model.safetensors", "huggingface", "org/name", "abc123", None),
        (
            f"{HUB}/resolve/main/onnx/model_fp16.onnx?download=true",
            "huggingface",
            "org/name",
            "main",
            "onnx/model_fp16.onnx",
        ),
        (f"{HUB}/blob/main/config.json", "huggingface", "org/name", "main", None),
        (f"{NGC}/teams/tao/models/peoplenet", "ngc", "nvidia/tao/peoplenet", None, None),
        (f"{NGC}/models/net?version=1.2", "ngc", "nvidia/net", "1.2", None),
        (f"{NGC}/teams/tao/models/peoplenet/files?version=v2", "ngc", "nvidia/tao/peoplenet", "v2", None),
        ("nvidia/tao/peoplenet:deployable_v2.6", "ngc", "nvidia/tao/peoplenet", "deployable_v2.6", None),
        ("ngc:nvidia/tao/peoplenet", "ngc", "nvidia/tao/peoplenet", None, None),
        ("ngc:nvidia/net:1.2", "ngc", "nvidia/net", "1.2", None),
        (f"{NGC}/teams/tao/models/peoplenet/version", "ngc", "nvidia/tao/peoplenet", None, None),
    ],
)
def test_remote_sources_are_read(tmp_path, text, kind, name, revision, file):
    assert parse_source(text, [tmp_path]) == Source(text, kind, name, revision, file)


def test_a_folder_of_that_name_is_the_folder(tmp_path):
    (tmp_path / "org/name").mkdir(parents=True)
    assert parse_source("org/name", [tmp_path]).kind == "folder"
    assert parse_source("hf:org/name", [tmp_path]).kind == "huggingface"


def test_source_is_found_below_the_working_directory_before_the_project(tmp_path):
    workdir, project = tmp_path / "w", tmp_path / "p"
    for base in (workdir, project):
        (base / "m").mkdir(parents=True)
    assert parse_source("m", [workdir, project]).name == str(workdir / "m")
    (workdir / "m").rmdir()
    assert parse_source("m", [workdir, project]).name == str(project / "m")
    with pytest.raises(SourceError, match="no such file or folder"):
        parse_source("n", [workdir, project])
    with pytest.raises(SourceError, match="no such file below"):
        locate("labels.txt", [workdir])


@pytest.mark.parametrize(
    "text",
    [
        "org/name:main",
        "org/team/name",
        "a/b/model.onnx",
        "a/b/c.onnx:1",
        "clips/cam/12:30.onnx",
        "a/b/c.ONNX:1",
    ],
)
def test_what_may_be_of_another_hub_or_a_path_is_not_asked_for_at_ngc(tmp_path, text):
    with pytest.raises(SourceError, match=r"no such file or folder.*ngc:ORG\[/TEAM\]/NAME\[:VERSION\]"):
        parse_source(text, [tmp_path])


@pytest.mark.parametrize("text", ["ngc:net", "ngc:a/b/c/d", "ngc://a/b/c", "ngc:a/../c", "ngc:a/b:"])
def test_name_that_ngc_does_not_give_is_refused(tmp_path, text):
    with pytest.raises(SourceError, match="not a model's name at NGC"):
        parse_source(text, [tmp_path])


@pytest.mark.parametrize("text", ["/no/such/model", "./model", "../model.onnx", "~/no_such_model"])
def test_path_to_nothing_is_told_without_the_other_kinds_of_source(tmp_path, text):
    with pytest.raises(SourceError, match="no such file or folder") as error:
        parse_source(text, [tmp_path])
    assert str(error.value).endswith("expected a folder in Hugging Face layout or an .onnx file.")
    assert (f"below {tmp_path}" in str(error.value)) is text.startswith(".")


def listed(folder):
    return choose_local(Source(str(folder), "folder", str(folder)))


def test_folder_that_is_gone_empty_or_closed_is_not_told_to_lack_a_file(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    for name, says in (("gone", "gone: no such folder"), ("empty", "empty: the folder has no files")):
        with pytest.raises(SourceError, match=f"{says}; correct the source in the config, expected a folder"):
            listed(tmp_path / name)

    def closed(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    # Root may read every folder.
    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(SourceError, match=r"empty: cannot be read \(Permission denied\); correct the source"):
        listed(tmp_path / "empty")


def test_link_to_nothing_is_told_with_its_target(tmp_path):
    (tmp_path / "model.onnx").symlink_to("moved.onnx")
    with pytest.raises(
        SourceError, match=r"cannot be read \(No such file or directory, it is a link to 'moved"
    ):
        parse_source("model.onnx", [tmp_path])


def test_file_named_from_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "labels.txt").touch()
    assert locate("~/labels.txt", [tmp_path / "elsewhere"]) == tmp_path / "labels.txt"


def test_listing_of_a_folder_has_sizes_and_hashes_and_says_what_stays(tmp_path):
    write(
        tmp_path, layout() | {"pytorch_model.bin": b"\x80", "modeling.py": b"import os", "sub/x.json": b"{}"}
    )
    listing = list_source(parse_source(str(tmp_path)))
    assert [entry.name for entry in listing.files] == sorted(layout())
    assert {len(entry.sha256) for entry in listing.files} == {64}
    assert {entry.name for entry in listing.left} == {"pytorch_model.bin", "modeling.py", "sub/x.json"}


def test_pickled_weights_alone_are_refused_and_named(tmp_path):
    write(tmp_path, layout(model__safetensors=None) | {"pytorch_model.bin": b"\x80"})
    with pytest.raises(
        IntakeError,
        match=r"model\.safetensors missing.*pytorch_model\.bin is a file that may hold",
    ):
        list_source(parse_source(str(tmp_path)))


def test_folder_is_used_where_it_lies_and_its_licence_read_from_the_card(tmp_path):
    write(tmp_path / "m", layout())
    source = parse_source(str(tmp_path / "m"))
    folder, provenance = fetch_source(source, list_source(source), tmp_path / "downloads")
    assert folder == tmp_path / "m"
    assert provenance.license == "mit"
    assert provenance.revision is None
    assert not (tmp_path / "downloads").exists()


def test_file_changed_after_the_listing_is_refused(tmp_path):
    write(tmp_path, layout())
    source = parse_source(str(tmp_path))
    listing = list_source(source)
    (tmp_path / "README.md").write_text("other")
    with pytest.raises(BuildError, match=r"README\.md: changed after it was listed"):
        fetch_source(source, listing, tmp_path)


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["model.safetensors"], ["model.safetensors"]),
        (["onnx/model.onnx", "model.safetensors"], ["onnx/model.onnx"]),
        (["model.onnx", "model_fp16.onnx", "model_int8.onnx"], ["model.onnx", "model_fp16.onnx"]),
        (["onnx/model_quantized.onnx", "model.safetensors"], ["model.safetensors", "onnx/model_quantized.onnx"]),
        (["onnx/model_q4f16.onnx", "onnx/model_bnb4.onnx"], ["onnx/model_bnb4.onnx", "onnx/model_q4f16.onnx"]),
        (["a.onnx", "a_int8.onnx", "b_int8.onnx"], ["a.onnx", "b_int8.onnx"]),
        (["resnet34_peoplenet_int8.onnx"], ["resnet34_peoplenet_int8.onnx"]),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "adapter.safetensors"],
         ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]),
    ],
)  # fmt: skip
def test_one_kind_of_weights_is_taken(names, taken):
    assert list(choose_files(names, "x").taken) == taken


def test_a_url_of_one_onnx_takes_that_one():
    source = parse_source(f"{HUB}/resolve/main/onnx/model_int8.onnx")
    names = ["onnx/model.onnx", "onnx/model_int8.onnx", "config.json", "model.safetensors"]
    assert choose_remote(source, names).taken == ("config.json", "onnx/model_int8.onnx")
    with pytest.raises(IntakeError, match="has no file"):
        choose_remote(source, ["config.json"])


def test_of_several_models_in_a_repository_none_is_fetched():
    names = ["yolov8s.onnx", "yolov8n.onnx", "yolov8n_fp16.onnx", "nms-yolov8.onnx", "config.json"]
    with pytest.raises(
        IntakeError, match=r"holds 2 different models \(yolov8n.onnx, yolov8s.onnx\)"
    ) as error:
        choose_remote(parse_source("hf:org/name@v1"), names)
    named = str(error.value).partition("source: ")[2]
    assert named == "https://huggingface.co/org/name/resolve/v1/yolov8n.onnx"
    assert "yolov8s.onnx" not in choose_remote(parse_source(named), names).taken
    forms = ["onnx/model.onnx", "onnx/model_fp16.onnx", "onnx/model_int8.onnx", "onnx/decoder_model.onnx"]
    assert len(choose_remote(parse_source("hf:org/name"), forms).taken) == 3


def test_a_lone_onnx_takes_its_data_and_labels_and_nothing_else(tmp_path):
    model = onnx(tensor(external={"location": "m.data"}))
    write(
        tmp_path,
        {"m.onnx": model, "m.data": bytes(16), "labels.txt": b"a\n", "n.onnx": b"", "config.json": b"{}"},
    )
    assert choose_local(parse_source(str(tmp_path / "m.onnx"))).taken == ("labels.txt", "m.data", "m.onnx")


def test_an_onnx_that_has_not_changed_since_it_was_listed_is_not_looked_into_again(tmp_path, monkeypatch):
    model = onnx(tensor(external={"location": "m.data"}))
    folder = write(tmp_path / "m", {"m.onnx": model, "m.data": bytes(16), "n.data": bytes(16)})
    source, listing = parse_source(str(folder)), tmp_path / "source.json"
    taken = ("m.data", "m.onnx")
    assert choose_local(source, listing).taken == taken
    write_record(listing, list_source(source))
    looked_into = []
    monkeypatch.setattr(local_source, "external_names", lambda path: looked_into.append(path) or ["n.data"])
    assert choose_local(source, listing).taken == taken
    (folder / "m.data").rename(folder / "elsewhere")
    with pytest.raises(IntakeError, match=r"its external data m\.data is missing"):
        choose_local(source, listing)
    assert not looked_into
    # One that is older and as long, and was moved here now.
    other = write(tmp_path, {"other": model}) / "other"
    os.utime(other, (0, 0))
    time.sleep(0.02)
    other.rename(folder / "m.onnx")
    assert choose_local(source, listing).taken == ("m.onnx", "n.data")
    assert looked_into == [folder / "m.onnx"]


def test_what_is_listed_of_another_source_is_not_believed(tmp_path):
    for name, data in (("a", "a.data"), ("b", "b.data")):
        write(tmp_path / name, {"m.onnx": onnx(tensor(external={"location": data})), data: bytes(16)})
    listing = tmp_path / "source.json"
    write_record(listing, list_source(parse_source(str(tmp_path / "a"))))
    assert "b.data" in choose_local(parse_source(str(tmp_path / "b")), listing).taken


def test_record_of_fetched_files_notices_that_one_is_gone(tmp_path):
    write(tmp_path, {"config.json": b"{}"})
    write_fetched(tmp_path / "fetched.json", tmp_path, [FetchedFile("config.json", 2, "-")])
    assert read_fetched(tmp_path / "fetched.json").names == ("config.json",)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(BuildError, match=r"config\.json: gone or changed since it was fetched"):
        read_fetched(tmp_path / "fetched.json")


def test_command_line_source_is_for_models_without_an_entry():
    models = {"a": {"source": "x", "threshold": 0.3}}
    assert model_entry(models, "org/name", "a") == models["a"]
    assert model_entry(models, "org/name", "b") == {"source": "org/name"}
    check_targets(["--cores", "1", "models/b/model/b.onnx"], models, "org/name")
    with pytest.raises(BuildError, match="b: no such model, the config has a; add it"):
        check_targets(["--cores", "1", "models/b/model/b.onnx"], models, None)
    with pytest.raises(BuildError, match="a has the source x in the config"):
        check_targets(["models/a/model/a.onnx"], models, "org/name")
    with pytest.raises(BuildError, match="source=… needs a target that names the model"):
        check_targets(["--cores", "1", "all"], models, "org/name")
