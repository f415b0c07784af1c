"""A bad entry in the configuration stops the model that has it, and no other."""

import pytest

import tiny_graphs as graphs
from workflow_run import snakemake

INSPECT = "models/{}/model/inspect.json"
BAD = {
    "./nowhere/model": "bad: ./nowhere/model: no such file or folder below ",
    "hff:org/name": "bad: source 'hff:org/name': not a kind of source this build reads",
    "page/model.onnx": "bad: model.onnx: ",
    "good/model.onnx, labels: no.txt": "bad: no.txt: no such file below ",
    "good/model.onnx, family: yolo8": "bad: config: models.bad.family is 'yolo8'",
}


@pytest.fixture
def tree(tmp_path):
    graphs.write(graphs.queries(), tmp_path / "good/model.onnx")
    (tmp_path / "good/labels.txt").write_text("car\nbus\nvan\ntram\n")
    (tmp_path / "page").mkdir()
    (tmp_path / "page/model.onnx").write_bytes(b"<html>Sign in</html>")
    return tmp_path


def run(tree, entry, *arguments):
    models = (
        f"bad: {{source: {entry}}}, good: {{source: good/model.onnx}}, rtdetr: {{source: good/model.onnx}}"
    )
    return snakemake(tree, *arguments, config=f"models: {{{models}}}\n")


@pytest.mark.parametrize("entry", BAD)
def test_another_models_target_does_not_look_at_it(tree, entry):
    done = run(tree, entry, "-n", INSPECT.format("good"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert BAD[entry] not in done.stdout


@pytest.mark.parametrize(
    ("entry", "target"), [(entry, [INSPECT.format("bad")]) for entry in BAD] + [(next(iter(BAD)), [])]
)
def test_asked_for_it_is_one_sentence_before_any_job(tree, entry, target):
    done = run(tree, entry, "-n", *target)
    assert done.returncode != 0
    assert BAD[entry] in done.stdout
    assert "InputFunctionException" not in done.stdout and "Traceback" not in done.stdout


@pytest.mark.parametrize("entry", ["./nowhere/model", "good/model.onnx, labels: no.txt"])
def test_with_keep_going_the_others_are_built_and_its_own_job_says_why(tree, entry):
    done = run(tree, entry, "--keep-going", INSPECT.format("bad"), INSPECT.format("good"))
    assert done.returncode != 0
    assert f"ERROR {BAD[entry].removeprefix('bad: ')}" in done.stdout
    assert (tree / INSPECT.format("good")).exists() and not (tree / INSPECT.format("bad")).exists()
