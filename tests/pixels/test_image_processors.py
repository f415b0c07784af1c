"""The reference preprocessing against transformers' image processors, in the real export environment."""

import json
import os
import subprocess

import cv2
import numpy as np
import pytest

from dsbench.pixels.reference_preprocessing import processor_pixels, processor_size
from workflow_run import PROJECT

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_normalize": True}
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "do_normalize": True,
}
EDGES = {"shortest_edge": 200, "longest_edge": 333}
CASES = {
    "rt_detr": ("RTDetrImageProcessor", {"size": {"height": 160, "width": 160}}),
    "rt_detr_normalised": ("RTDetrImageProcessor", {"size": {"height": 96, "width": 160}, **IMAGENET}),
    "rt_detr_raw": ("RTDetrImageProcessor", {"size": {"height": 96, "width": 160}, "do_rescale": False}),
    "detr": ("DetrImageProcessor", {"size": EDGES, **IMAGENET}),
    "detr_by_default": (
        "DetrImageProcessor",
        {"size": EDGES, "image_mean": [0.5] * 3, "image_std": [0.2] * 3},
    ),
    "detr_long_edge": (
        "DetrImageProcessor",
        {"size": {"shortest_edge": 200, "longest_edge": 250}, "do_normalize": False},
    ),
    "conditional_detr": ("ConditionalDetrImageProcessor", {"size": EDGES, **IMAGENET}),
    "deformable_detr": ("DeformableDetrImageProcessor", {"size": EDGES, **IMAGENET}),
    "grounding_dino": ("GroundingDinoImageProcessor", {"size": EDGES, **IMAGENET}),
    "yolos": ("YolosImageProcessor", {"size": EDGES, **IMAGENET}),
    "owlvit": (
        "OwlViTImageProcessor",
        {"size": {"height": 128, "width": 128}, "resample": 3, "do_center_crop": False, **CLIP},
    ),
    "owlv2": ("Owlv2ImageProcessorFast", {"size": {"height": 160, "width": 160}, **CLIP}),
}
# DETR's relatives normalise unless they are told not to.
NORMALISES = ("detr_by_default",)


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(4).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (640, 360), interpolation=cv2.INTER_CUBIC))


@pytest.fixture(scope="module")
def of_transformers(finished, picture, tmp_path_factory):
    """Every case's tensor as transformers makes it, by the case's name."""
    folder = tmp_path_factory.mktemp("processors")
    np.save(folder / "picture.npy", picture)
    (folder / "cases.json").write_text(json.dumps(CASES))
    done = subprocess.run(
        [
            finished / "build/.venv_optimum/bin/python",
            PROJECT / "tests/support/processor_tensors.py",
            *(folder / name for name in ("picture.npy", "cases.json", "tensors.npz")),
        ],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow/scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(folder / "tensors.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("name", CASES)
def test_reference_is_what_transformers_computes(name, picture, of_transformers):
    kind, settings = CASES[name]
    config = {"image_processor_type": kind, **settings}
    expected = of_transformers[name]
    size = processor_size(config, *picture.shape[:2])
    assert size == expected.shape[1:]
    found = processor_pixels(picture, config, name in NORMALISES, size)
    levels = np.abs(found.tensor - expected) / found.level[:, None, None]
    assert levels.max() < 0.01
    assert expected.std() > 0.1
