"""Every architecture that is exported from safetensors, tiny and trained on one scene, built to its report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from compared_boxes import row_of_boxes
from drawn_clips import two_things, write_clip

from dsbench.boxes.kitti import Detection
from dsbench.core.files import sha256_of
from dsbench.pixels.nvinfer_pixels import decoded_frames, rgb_of
from exported_families import EXPORTED, PROMPTED, run_exporting, write_zoo
from workflow_run import PROJECT, snakemake

THINGS = ("car", "person")
THRESHOLD, LEAST_MATCHED = 0.3, 0.9
SOAK = PROJECT / "build/soak/architectures"
PYTHON = SOAK / "build/.venv_optimum/bin/python"
# nvinfer pads OWLv2's square with black, and the boxes of those that learn little here move with every other filter.
IN_GRAPH = ("owlv2", "grounding-dino", "detr_shards")
# The processor's size of those that see more pixels than a small scene needs; the others take the clip's.
SMALLER = {"height": 160, "width": 160}
# What the learned weights follow from.
TEACHERS = (
    Path(__file__),
    *(
        PROJECT / "tests" / name
        for name in ("support/trained_models.py", "support/tiny_models.py", "soak/drawn_clips.py")
    ),
    PROJECT / "envs/export.lock",
)


@pytest.fixture(scope="module")
def clip():
    """The scene as a clip, in a directory that stays after the run and has an export environment."""
    SOAK.mkdir(parents=True, exist_ok=True)
    write_clip(two_things()[0], SOAK / "clip.mp4")
    done = snakemake(SOAK, "build/.venv_optimum/packages.txt")
    assert done.returncode == 0, done.stdout[-4000:]
    return SOAK / "clip.mp4"


@pytest.fixture(scope="module")
def scene(clip):
    """The frames as they are decoded, and what is in them, for the program that trains."""
    frames, boxes = two_things()
    seen = [rgb_of(frame) for _, frame in decoded_frames(clip, range(len(frames)))]
    np.savez(SOAK / "scene.npz", frames=np.stack(seen), boxes=boxes, phrases=THINGS, threshold=THRESHOLD)
    return SOAK / "scene.npz"


@pytest.fixture
def trained(family, scene):
    """The family's tiny model, which finds the things of the clip; it is kept for the next run of the same programs."""
    folder = SOAK / "zoo" / family
    learned = folder.with_suffix(".learned")
    stamp = "".join(sha256_of(file) for file in TEACHERS)
    if learned.is_file() and learned.read_text() == stamp:
        return folder
    folder.parent.mkdir(exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    write_zoo(PYTHON, folder.parent, [family])
    file = folder / "preprocessor_config.json"
    settings = json.loads(file.read_text())
    if settings["size"] == {"height": 320, "width": 320}:
        file.write_text(json.dumps(settings | {"size": SMALLER}))
    done = run_exporting(PYTHON, "trained_models.py", scene, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    learned.write_text(stamp)
    return folder


def own_boxes(file: Path):
    """Return what transformers' own processor finds, by frame number."""
    return {
        number: [Detection(THINGS[int(row[0])], *row[1:]) for row in rows]
        for number, rows in enumerate(json.loads(file.read_text()))
    }


@pytest.mark.parametrize("family", EXPORTED)
def test_report_has_the_boxes_of_transformers_own_pipeline(family, trained, clip, rows):
    tree = SOAK / "models" / family
    shutil.rmtree(tree, ignore_errors=True)
    entry = {"source": str(trained), "threshold": THRESHOLD}
    if family in IN_GRAPH:
        entry["resize"] = "in_graph"
    if family in PROMPTED:
        entry["prompt"] = " . ".join(THINGS)
    row = {"model": family, "package": "transformers", "licence": "Apache-2.0", "kind": "tiny, trained here"}
    rows.append(row)
    config = yaml.safe_dump({"video": str(clip), "models": {family: entry}})
    done = snakemake(SOAK, f"models/{family}/reports/benchmark_report.pdf", config=config)
    assert done.returncode == 0, done.stdout[-6000:]
    own = own_boxes(trained.with_suffix(".json"))
    row |= row_of_boxes(tree, own, LEAST_MATCHED)
    assert row["verdict"] == "report", row
