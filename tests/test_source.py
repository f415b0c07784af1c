import pytest

from dsbench.code_version import code_version
from dsbench.source import SourceError, list_source, locate, source_files


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_text(name)
    return tmp_path


def test_listing_has_sizes_and_hashes(folder):
    listing = list_source(source_files(folder))
    assert [entry["name"] for entry in listing] == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert listing[0]["bytes"] == 11
    assert len(listing[0]["sha256"]) == 64


def test_pickled_weights_are_refused_and_named(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"model\.safetensors missing \(pytorch_model\.bin is a pickle"):
        source_files(folder)


def test_file_instead_of_a_folder_is_refused(folder):
    with pytest.raises(SourceError, match="must be a folder in Hugging Face layout"):
        source_files(folder / "config.json")


def test_source_is_found_below_the_working_directory_before_the_project(tmp_path):
    workdir, project = tmp_path / "w", tmp_path / "p"
    for base in (workdir, project):
        (base / "m").mkdir(parents=True)
    assert locate("m", workdir, project) == workdir / "m"
    (workdir / "m").rmdir()
    assert locate("m", workdir, project) == project / "m"
    with pytest.raises(SourceError, match="no such file or folder"):
        locate("n", workdir, project)


def test_code_version_covers_imported_modules():
    assert code_version("deepstream_run") != code_version("perf_log")
    assert code_version("streams") == code_version("streams")
