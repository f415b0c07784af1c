"""A bad entry in the configuration stops the model that has it, and no other."""

import pytest

import tiny_graphs as graphs
from workflow_run import snakemake

INSPECT = "models/{}/model/inspect.json"
BAD = {
    "./nowhere/model": "{}: ./nowhere/model: no such file or folder below ",
    "page/model.onnx": "{}: model.onnx: ",
    "good/model.onnx, labels: no.txt": "{}: no.txt: no such file below ",
    "good/model.onnx, family: yolo8": "config: models.{}.family is 'yolo8'",
}


@pytest.fixture
def tree(tmp_path):
    graphs.write(graphs.queries(), tmp_path / "good/model.onnx")
    (tmp_path / "good/labels.txt").write_text("car\nbus\nvan\ntram\n")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/model.onnx").write_bytes(b"<html>Sign in</html>")
    return tmp_path


def run(tree, entries, *arguments):
    """Return the finished process of snakemake, with the bad `entries` by their names beside two good ones."""
    models = "".join(f"  {name}: {{source: {entry}}}\n" for name, entry in entries.items())
    good = "  good: {source: good/model.onnx}\n  rtdetr: {source: good/model.onnx}\n"
    return snakemake(tree, *arguments, config=f"models:\n{models}{good}")


def test_another_models_target_looks_at_none_of_them(tree):
    entries = {f"bad{number}": entry for number, entry in enumerate(BAD)}
    done = run(tree, entries, "-n", INSPECT.format("good"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert not [name for name, entry in entries.items() if BAD[entry].format(name) in done.stdout]


# tests/onnx/test_lone_onnx.py asks for the other two.
@pytest.mark.parametrize(
    ("entry", "target"),
    [
        ("./nowhere/model", [INSPECT.format("bad")]),
        ("page/model.onnx", [INSPECT.format("bad")]),
        ("./nowhere/model", []),
    ],
)
def test_asked_for_it_is_one_sentence_before_any_job(tree, entry, target):
    done = run(tree, {"bad": entry}, "-n", *target)
    assert done.returncode != 0
    assert BAD[entry].format("bad") in done.stdout
    assert "InputFunctionException" not in done.stdout and "Traceback" not in done.stdout


def test_with_keep_going_the_others_are_built_and_their_own_jobs_say_why(tree):
    entries = {"gone": "./nowhere/model", "nameless": "good/model.onnx, labels: no.txt"}
    targets = [INSPECT.format(name) for name in (*entries, "good")]
    done = run(tree, entries, "--keep-going", *targets)
    assert done.returncode != 0
    for name, entry in entries.items():
        assert f"ERROR {BAD[entry].format(name).removeprefix(f'{name}: ')}" in done.stdout
        assert not (tree / INSPECT.format(name)).exists()
    assert (tree / INSPECT.format("good")).exists()
