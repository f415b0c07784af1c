"""The attempts of an export: their order, verdicts, reasons and logs; a fake exporter stands in for torch."""

import json
import sys

import numpy as np
import pytest

from dsbench.core.records import as_json
from dsbench.onnx.export import ExportEndedError, ExportError, export_onnx, loading_folder
from dsbench.onnx.export_recipes import (
    NEEDS_TRANSFORMERS_5,
    RECIPES,
    NoRecipeError,
    prompt_phrases,
    recipe_of,
)
from dsbench.sources.source import SourceFolder
from workflow_run import PROJECT


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Return a function that exports a made-up DETR with a fake exporter doing what it is told."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text(json.dumps({"model_type": "detr", "use_pretrained_backbone": True}))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROJECT}/tests/fakes/exporter" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("FAKE_EXPORT_PATH", str(PROJECT / "tests/support"))
    pixels = np.random.default_rng(0).random((3, 3, 64, 96), np.float32)

    def run(repair=None, **methods):
        monkeypatch.setenv("FAKE_EXPORT", json.dumps(methods))
        log = tmp_path / "export.log"
        return export_onnx(
            python, SourceFolder(source), "detr", None, repair, pixels, tmp_path / "reference.npz", log
        )

    return run


@pytest.mark.parametrize(("fault", "said"), [("killed", "signal SIGKILL"), ("no memory", "MemoryError")])
def test_an_exporter_that_something_ended_is_no_verdict_on_the_model(export, fault, said):
    with pytest.raises(ExportEndedError, match=rf"export_optimum\.log: optimum ended with .*{said}.*mem_mb"):
        export(optimum=fault, torchscript="right")


def verdicts(outcomes):
    return {outcome.method: outcome.verdict for outcome in outcomes}


def test_the_first_right_export_is_taken_without_tokens(export, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_sEcRe7")
    done = export(optimum="right")
    assert done.method == "optimum"
    facts = as_json(done.record())["attempts"][0]
    assert facts["opset"] == 17 and facts["verdict"] == "accepted" and facts["nodes"] > 0
    log = (tmp_path / "export_optimum.log").read_text()
    assert "loading" in log and "with tokens" not in log
    assert log.startswith("# run with"), "which protections held"
    assert (tmp_path / "reference.npz").exists()


@pytest.mark.parametrize(
    ("fault", "verdict", "reason"),
    [
        ("other weights", "wrong", "differs from its source by"),
        ("frozen batch", "wrong", "batch"),
        ("leaks", "wrong", "at batch 3"),
        ("fails", "failed", "exit status 1: ValueError: unsupported operator"),
        ("unregistered", "not tried", "no export configuration for detr"),
    ],
)
def test_a_wrong_export_is_named_and_the_next_one_tried(export, fault, verdict, reason):
    done = export(optimum=fault, torchscript="right")
    assert verdicts(done.outcomes) == {"optimum": verdict, "torchscript": "accepted"}
    assert reason in done.outcomes[0].reason
    assert done.method == "torchscript"


def test_no_right_export_says_why_for_each(export, tmp_path):
    with pytest.raises(ExportError) as error:
        export(optimum="other weights", torchscript="frozen batch", dynamo="fails")
    for part in ("optimum: wrong", "torchscript: wrong", "dynamo: failed, exit status 1"):
        assert part in str(error.value)
    assert not (tmp_path / "reference.npz").exists()
    assert not list(tmp_path.glob("export-*"))


def test_dynamo_as_a_repair_is_the_only_attempt(export):
    done = export(repair="dynamo", dynamo="right")
    assert verdicts(done.outcomes) == {"dynamo": "accepted"}
    with pytest.raises(ExportError, match="dynamo: failed"):
        export(repair="dynamo", optimum="right", dynamo="fails")


def test_no_backbone_in_the_loading_folder_fetches_weights_of_its_own(tmp_path):
    fetches = {"use_pretrained_backbone": True}
    (tmp_path / "source").mkdir()
    config = fetches | {"backbone_config": fetches | {"parts": [fetches]}, "backbone": "resnet50"}
    (tmp_path / "source/config.json").write_text(json.dumps(config))
    folder = loading_folder(SourceFolder(tmp_path / "source"), recipe_of("rt_detr"), tmp_path / "loaded")
    loaded = json.loads((folder / "config.json").read_text())
    assert "true" not in (folder / "config.json").read_text()
    assert loaded["backbone_config"] == {
        "use_pretrained_backbone": False,
        "parts": [{"use_pretrained_backbone": False}],
    }
    assert loaded["backbone"] == "resnet50"


@pytest.mark.parametrize("model_type", RECIPES)
def test_a_backbone_that_says_nothing_of_weights_fetches_none(tmp_path, model_type):
    (tmp_path / "source").mkdir()
    config = {"id2label": {"0": "car"}, "backbone_config": {"model_type": "timm_backbone", "deep_config": {}}}
    (tmp_path / "source/config.json").write_text(json.dumps(config))
    folder = loading_folder(SourceFolder(tmp_path / "source"), recipe_of(model_type), tmp_path / "loaded")
    loaded, no_fetch = json.loads((folder / "config.json").read_text()), {"use_pretrained_backbone": False}
    assert loaded == no_fetch | recipe_of(model_type).overrides | {
        "id2label": {"0": "car"},
        "backbone_config": no_fetch | {"model_type": "timm_backbone", "deep_config": no_fetch},
    }


def test_loading_folder_has_the_listed_files_alone(tmp_path):
    (private := tmp_path / "private.json").write_text("{}")
    (source := tmp_path / "source").mkdir()
    for name in ("config.json", "model.safetensors", "added.json"):
        (source / name).write_text("{}")
    (source / "later.json").symlink_to(private)
    names = ("config.json", "model.safetensors")
    folder = loading_folder(SourceFolder(source, names), RECIPES["rt_detr"], tmp_path / "folder")
    assert {file.name for file in folder.iterdir()} == set(names)


def test_loading_folder_has_weights_and_texts_but_no_pickle_and_no_code(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("model-00001-of-00002.safetensors", "model.safetensors.index.json", "vocab.txt"):
        (source / name).write_text("{}")
    for name in ("pytorch_model.bin", "modeling_own.py", "weights.pt"):
        (source / name).write_text("")
    (source / "config.json").write_text('{"model_type": "rt_detr", "eval_size": [640, 640]}')
    folder = loading_folder(SourceFolder(source), RECIPES["rt_detr"], tmp_path / "folder")
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "vocab.txt",
    }
    assert json.loads((folder / "config.json").read_text())["eval_size"] is None
    assert json.loads((source / "config.json").read_text())["eval_size"] == [640, 640]


@pytest.mark.parametrize("model_type", ["rf_detr", "lw_detr", "deimv2"])
def test_families_of_transformers_5_are_refused_with_the_reason(model_type):
    with pytest.raises(NoRecipeError, match=f"{model_type} needs transformers 5"):
        recipe_of(model_type)


def test_unknown_model_type_is_refused_with_the_known_ones():
    with pytest.raises(NoRecipeError, match=r"no way to export 'deta' is known.*rt_detr"):
        recipe_of("deta")


@pytest.mark.parametrize(
    ("prompt", "phrases"),
    [
        ("person . car", ["person", "car"]),
        ("Person.  Road   sign .", ["person", "road sign"]),
        ("person", ["person"]),
    ],
)
def test_prompt_is_cut_at_full_stops(prompt, phrases):
    assert prompt_phrases("owlvit", prompt) == phrases


@pytest.mark.parametrize(
    ("model_type", "prompt", "reason"),
    [
        ("grounding-dino", None, 'add prompt: "person . car"'),
        ("owlv2", " . ", "add prompt"),
        ("detr", "person", "detr has its own classes"),
        ("owlvit", "car . car", "names a phrase twice"),
    ],
)
def test_prompt_that_is_missing_or_out_of_place_is_refused(model_type, prompt, reason):
    with pytest.raises(NoRecipeError, match=reason):
        prompt_phrases(model_type, prompt)


def test_every_family_of_the_detector_list_has_a_recipe_or_a_reason():
    from dsbench.families.declared import families

    without = {kind for f in families() for kind in f.architectures.values() if kind not in RECIPES}
    assert without == set(NEEDS_TRANSFORMERS_5)
