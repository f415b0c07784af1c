import json
from dataclasses import dataclass

import numpy as np
import pytest
from msgspec import UNSET, UnsetType

from dsbench.core.errors import BuildError
from dsbench.core.records import read_record, write_record


@dataclass(frozen=True)
class Box:
    label: str
    corner_px: tuple[float, float]


@dataclass(frozen=True)
class Found:
    frames: dict[int, tuple[Box, ...]]
    reason: str | None
    truth: Box | UnsetType = UNSET


FOUND = Found({6: (Box("car", (1.0, 2.5)),)}, None)
TEXT = {"frames": {"6": [{"label": "car", "corner_px": [1.0, 2.5]}]}, "reason": None}


def test_a_record_is_read_as_it_was_written(tmp_path):
    write_record(tmp_path / "found.json", FOUND)
    assert json.loads((tmp_path / "found.json").read_text()) == TEXT
    assert read_record(tmp_path / "found.json", Found) == FOUND


def test_keys_stand_in_the_order_of_their_declaration(tmp_path):
    write_record(tmp_path / "found.json", Found(reason="none", frames={}, truth=FOUND.frames[6][0]))
    assert list(json.loads((tmp_path / "found.json").read_text())) == ["frames", "reason", "truth"]


def test_a_float_of_numpy_is_written_as_a_number(tmp_path):
    write_record(tmp_path / "box.json", Box("car", (np.float64(0.1), 2.0)))
    assert json.loads((tmp_path / "box.json").read_text())["corner_px"] == [0.1, 2.0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"frames": {"6": [{"label": "car", "corner_px": ["left", 2.5]}]}}, "Expected `float`, got `str`"),
        ({"frames": {"six": []}}, "Expected `int`, got `str`"),
        ({"reason": 3}, r"at `\$\.reason`"),
        ({"frames": None}, "Expected `object`, got `null`"),
    ],
)
def test_another_type_is_refused_with_the_file_and_the_key(tmp_path, changed, said):
    file = tmp_path / "found.json"
    file.write_text(json.dumps(TEXT | changed))
    with pytest.raises(BuildError, match=rf"found\.json: is no Found .*{said}.*delete it"):
        read_record(file, Found)
    assert file.exists()


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "found.json").write_text("{}")
    with pytest.raises(BuildError, match="missing required field `frames`"):
        read_record(tmp_path / "found.json", Found)


def test_a_file_cut_short_is_removed_so_that_it_is_made_anew(tmp_path):
    file = tmp_path / "found.json"
    file.write_text('{"frames": {')
    with pytest.raises(BuildError, match="is no whole JSON"):
        read_record(file, Found)
    assert not file.exists()
