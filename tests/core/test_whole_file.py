import os

import pytest

from dsbench.core.files import copy_whole, scratch_beside, write_whole, written_beside


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path):
    file = tmp_path / "max_bs.json"
    with written_beside(file) as partial:
        partial.write_text("{")
        assert not file.exists()
        partial.write_text("{}")
    assert file.read_text() == "{}"
    assert os.listdir(tmp_path) == ["max_bs.json"]


def test_a_failure_leaves_what_was_there_and_nothing_beside_it(tmp_path):
    file = tmp_path / "max_bs.json"
    write_whole(file, "{}")
    with pytest.raises(OSError, match="full"), written_beside(file) as partial:
        partial.write_text("{")
        raise OSError("full")
    assert file.read_text() == "{}"
    assert os.listdir(tmp_path) == ["max_bs.json"]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    source, copy = tmp_path / "a.log", tmp_path / "b.log"
    source.write_text("whole")
    (tmp_path / ".partial-b.log").write_text("much more than whole")
    copy_whole(source, copy)
    assert copy.read_text() == "whole"
    assert sorted(os.listdir(tmp_path)) == ["a.log", "b.log"]


def test_a_scratch_folder_starts_empty_and_goes(tmp_path):
    left = tmp_path / ".partial-model.npz.d"
    left.mkdir()
    (left / "old.onnx").write_text("old")
    with scratch_beside(tmp_path / "model.npz") as folder:
        assert os.listdir(folder) == []
        (folder / "new.onnx").write_text("new")
    assert os.listdir(tmp_path) == []
