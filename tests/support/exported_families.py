"""The tiny models that tests export, in the environment that exports them."""

import os
import subprocess

import numpy as np

from dsbench.onnx.model_onnx import ModelFolder, clean_onnx
from dsbench.onnx.prepare import prepare
from workflow_run import PROJECT

PROMPTED = ("owlvit", "owlv2", "grounding-dino")
PHRASES = ("person", "road sign")
# What an export needs of the main job: the interpreter and the picture.
ENVIRONMENT = (".venv_optimum/bin/python", "export/reference_image.png")
# How each is exported, and the largest number of nodes that its slimmed graph may have.
EXPORTED = {
    "rt_detr": ("optimum", 560),
    "rt_detr_v2": ("optimum", 510),
    "d_fine": ("optimum", 670),
    "detr": ("optimum", 260),
    "detr_timm": ("optimum", 280),
    "detr_shards": ("optimum", 260),
    "table-transformer": ("optimum", 270),
    "yolos": ("optimum", 120),
    "conditional_detr": ("torchscript", 400),
    "deformable_detr": ("torchscript", 510),
    "dab-detr": ("torchscript", 700),
    "owlvit": ("torchscript", 160),
    "owlv2": ("torchscript", 160),
    "grounding-dino": ("torchscript", 1900),
}
CLASSES = {"detr": 5, "table-transformer": 5, "yolos": 5, "detr_timm": 5}


def run_exporting(python, program, *arguments):
    """Return the finished process of a program of the tests that imports torch and transformers."""
    return subprocess.run(
        [python, PROJECT / "tests/support" / program, *arguments],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow/scripts")},
        capture_output=True,
        text=True,
        check=False,
    )


def write_zoo(python, directory, families=EXPORTED):
    """Write models in Hugging Face layout, by their names in EXPORTED."""
    wanted = [family.replace("_shards", ":shards") for family in families]
    done = run_exporting(python, "tiny_models.py", directory, *wanted)
    assert done.returncode == 0, done.stderr[-3000:]


def check_export(family, zoo, finished, scratch):
    """Take a model of the zoo to its checked ONNX; check method, size and shapes, and that its answers differ."""
    method, most_nodes = EXPORTED[family]
    folder, reference = ModelFolder(zoo / family), scratch / "reference.npz"
    prompt = " . ".join(PHRASES) if family in PROMPTED else None
    python, image = (finished / "build" / name for name in ENVIRONMENT)
    clean = clean_onnx(folder, python, prompt, image, reference, scratch / "export.log")
    preprocessing = folder.preprocessing()
    model, facts = prepare(clean.model, preprocessing, reference, clean.origin)
    assert clean.attempts.method == method
    assert len(model.graph.node) <= most_nodes
    assert facts.batch == "dynamic"
    assert set(facts.max_abs_error) == {"batch_1", "batch_3"}
    assert max(facts.max_abs_error.values()) < 1e-4
    assert facts.input.shape == ["batch", 3, preprocessing.height, preprocessing.width]
    logits, boxes = (output.shape for output in facts.outputs)
    assert logits[0] == "batch" and boxes == [*logits[:2], 4]
    assert logits[2] == (2 if prompt else CLASSES.get(family.removesuffix("_shards"), 4))
    assert (facts.preprocessing.folded_std is None) == family.startswith(("rt_detr", "d_fine"))
    if "detr" in family and not family.startswith("rt_detr"):
        assert not {"CumSum", "Resize"} & set(facts.ops)
    with np.load(reference) as arrays:
        # A comparison says something only where images and queries do not all answer the same.
        assert arrays["b3/logits"].std(axis=(0, 1)).min() > 1e-3
        assert np.abs(arrays["b3/logits"][0] - arrays["b3/logits"][1]).max() > 1e-3


def check_repairs(family, zoo, finished, scratch):
    """Take a model of the zoo to its ONNX by both repairs, and check that it is proven like every export."""
    folder, reference = ModelFolder(zoo / family), scratch / "reference.npz"
    python, image = (finished / "build" / name for name in ENVIRONMENT)
    clean = clean_onnx(folder, python, None, image, reference, scratch / "export.log", repair="dynamo")
    assert [attempt.method for attempt in clean.attempts.attempts] == ["dynamo"]
    _, facts = prepare(clean.model, folder.preprocessing(), reference, clean.origin, repair="onnxsim")
    assert max(facts.max_abs_error.values()) < 1e-4
    assert facts.repair == "onnxsim" and "Repaired with onnxsim" in " ".join(facts.notes)
