"""Every architecture that is exported from safetensors, tiny and trained on one scene, built to its report."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from drawn_clips import two_things, write_clip

from dsbench.gate import precision_recall
from dsbench.kitti import Detection, read_directory
from dsbench.nvinfer_pixels import decoded, rgb_of
from exported_families import EXPORTED, PROMPTED, run_exporting, write_zoo
from workflow_run import PROJECT, snakemake

THINGS = ("car", "person")
THRESHOLD, IOU, LEAST_MATCHED = 0.3, 0.9, 0.9
SOAK = PROJECT / "build/soak/architectures"
PYTHON = SOAK / "build/.venv_optimum/bin/python"
# The processor's size of those that see more pixels than a small scene needs; the others take the clip's.
SMALLER = {"height": 160, "width": 160}


@pytest.fixture(scope="module")
def clip():
    """The scene as a clip, in a directory that stays after the run and has an export environment."""
    shutil.rmtree(SOAK, ignore_errors=True)
    SOAK.mkdir(parents=True)
    frames, _ = two_things()
    write_clip(frames, SOAK / "clip.mp4")
    done = snakemake(SOAK, "build/.venv_optimum/packages.txt")
    assert done.returncode == 0, done.stdout[-4000:]
    return SOAK / "clip.mp4"


@pytest.fixture(scope="module")
def trained(clip):
    """The tiny models, each of which finds the things of the clip."""
    zoo = SOAK / "zoo"
    zoo.mkdir()
    write_zoo(PYTHON, zoo)
    for file in zoo.glob("*/preprocessor_config.json"):
        settings = json.loads(file.read_text())
        if settings["size"] == {"height": 320, "width": 320}:
            file.write_text(json.dumps(settings | {"size": SMALLER}))
    frames, boxes = two_things()
    seen = [rgb_of(frame) for _, frame in decoded(clip, range(len(frames)))]
    scene = SOAK / "scene.npz"
    np.savez(scene, frames=np.stack(seen), boxes=boxes, phrases=THINGS, threshold=THRESHOLD)
    done = run_exporting(PYTHON, "trained_models.py", scene, *sorted(zoo.iterdir()))
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    return zoo


@pytest.fixture(scope="module")
def built(trained, clip):
    """What snakemake says of all the reports, made in one call."""
    models = {
        family: {
            "source": str(trained / family),
            "threshold": THRESHOLD,
            **({"prompt": " . ".join(THINGS)} if family in PROMPTED else {}),
        }
        for family in EXPORTED
    }
    config = yaml.safe_dump({"video": str(clip), "models": models})
    return snakemake(SOAK, "--keep-going", *map(report_of, EXPORTED), config=config).stdout


def report_of(family):
    return f"models/{family}/reports/benchmark_report.pdf"


def own_boxes(file: Path):
    """Return what transformers' own processor finds, by frame number."""
    return {
        number: [Detection(THINGS[int(row[0])], *row[1:]) for row in rows]
        for number, rows in enumerate(json.loads(file.read_text()))
    }


@pytest.mark.parametrize("family", EXPORTED)
def test_report_has_the_boxes_of_transformers_own_pipeline(family, trained, built, rows):
    tree = SOAK / "models" / family
    row = {"model": family, "package": "transformers", "licence": "Apache-2.0", "kind": "tiny, trained here"}
    rows.append(row)
    assert (SOAK / report_of(family)).is_file(), built[-20000:]
    own = own_boxes(trained / f"{family}.json")
    result = precision_recall(read_directory(tree / "samples/kitti_output"), own, IOU)
    assert result["recall"] >= LEAST_MATCHED, result
