"""Answers of an engine, as trtexec writes them."""

import sys

import numpy as np
import pytest

from dsbench.core.errors import BuildError
from dsbench.tools.tool_run import ToolFailedError
from dsbench.trtexec.answers import AnswersError, AskedEngine, EmbeddedEngine, images_at_once, read_answers
from dsbench.trtexec.command import Profile
from embedded_models import SIDE, write_engine
from workflow_run import PROJECT

WRITTEN = """[
  { "name" : "boxes"
  , "dimensions" : "2x1x2"
  , "values" : [ 0.5, 1e-05, nan, -inf ]
  }
, { "name" : "count"
  , "dimensions" : "2x1"
  , "values" : [ 3, 70000 ]
  }
]
"""
# It answers each image with its mean and says how many it was given.
TOOL = """#!{python}
import sys
import numpy as np
given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
name, _, file = given["--loadInputs"].rpartition(":")
images = np.fromfile(file, np.float32).reshape(-1, 12)
assert ("--shapes" in given) != {static}, given
means = ", ".join(f"{{mean:g}}" for mean in images.mean(1))
with open(given["--exportOutput"], "w") as out:
    out.write(f'[ {{{{ "name" : "mean"\\n , "dimensions" : "{{len(images)}}"\\n , "values" : [ {{means}} ]\\n }}}}]')
print(name)
sys.exit({status})
"""


def asked(folder, static=False, status=0):
    tool = folder / "trtexec"
    tool.write_text(TOOL.format(python=sys.executable, static=static, status=status))
    tool.chmod(0o755)
    profile = Profile("images", (3, 2, 2), 4, static)
    return AskedEngine(str(tool), folder / "m.engine", profile, folder / "asked.log", {})


def test_tensors_are_read_as_a_c_stream_writes_them(tmp_path):
    (tmp_path / "out.json").write_text(WRITTEN)
    found = read_answers(tmp_path / "out.json", 2)
    assert found["count"].tolist() == [[3], [70000]]
    assert np.array_equal(
        found["boxes"], np.array([[[0.5, 1e-5]], [[np.nan, -np.inf]]], np.float32), equal_nan=True
    )


@pytest.mark.parametrize(
    ("changed", "batch", "sentence"),
    [
        (("2x1x2", "2x1x3"), 2, "boxes has 4 numbers, expected 2x1x3"),
        (("1e-05", "what"), 2, "boxes has a value that is no number"),
        (("", ""), 3, r"it has boxes \(2, 1, 2\), count \(2, 1\), expected tensors of batch 3"),
        (('"name"', '"title"'), 2, "it has no tensor, expected tensors of batch 2"),
    ],
)
def test_a_file_that_does_not_hold_what_it_says_is_refused(tmp_path, changed, batch, sentence):
    (tmp_path / "out.json").write_text(WRITTEN.replace(*changed))
    with pytest.raises(AnswersError, match=sentence):
        read_answers(tmp_path / "out.json", batch)


@pytest.mark.parametrize("static", [False, True])
def test_images_reach_the_tool_and_a_static_batch_is_filled(tmp_path, static):
    images = np.arange(36, dtype=np.float32).reshape(3, 3, 2, 2)
    assert asked(tmp_path, static).answers(images)["mean"].tolist() == [5.5, 17.5, 29.5]


def test_a_tool_that_fails_is_told(tmp_path):
    with pytest.raises(ToolFailedError, match="exit status 3"):
        asked(tmp_path, status=3).answers(np.zeros((1, 3, 2, 2), np.float32))


def test_as_many_images_are_asked_at_once_as_the_text_may_have_values():
    assert images_at_once([["batch", 300, 4], ["batch", 300, 80]], 64) == 64
    assert images_at_once([["batch", 84, 8400]], 64) == 8
    assert images_at_once([[1, 100_000_000]], 64) == 1
    assert images_at_once([["batch", "boxes", 4]], 64) == 1


def test_both_ways_to_ask_an_engine_give_the_same(tmp_path):
    engine = write_engine(tmp_path)
    images = np.random.default_rng(3).uniform(0, 1, (2, 3, SIDE, SIDE)).astype(np.float32)
    trtexec = PROJECT / "workflow/embedded/bin/trtexec"
    profile = Profile("images", (3, SIDE, SIDE), 4)
    told = AskedEngine(str(trtexec), engine, profile, tmp_path / "asked.log", {}).answers(images)
    answered = EmbeddedEngine(engine).answers(images)
    assert told.keys() == answered.keys()
    for name, values in answered.items():
        assert np.allclose(told[name], values, rtol=1e-5, atol=1e-6)


def test_a_file_that_is_no_engine_of_this_machine_is_refused(tmp_path):
    (tmp_path / "m.engine").write_bytes(b"something else")
    with pytest.raises(BuildError, match=r"m\.engine"):
        EmbeddedEngine(tmp_path / "m.engine")
