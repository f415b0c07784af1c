"""The tiny models that tests export, in the environment that exports them."""

import os
import subprocess

from workflow_run import PROJECT

PROMPTED = ("owlvit", "owlv2", "grounding-dino")
PHRASES = ("person", "road sign")
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
