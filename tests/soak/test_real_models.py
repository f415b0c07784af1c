"""Detectors of public packages, each built to its report and compared with the package's own pipeline."""

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from compared_boxes import row_of_boxes
from drawn_clips import write_clip
from real_models import MODELS, NO_DETECTORS

from dsbench.boxes.kitti import Detection
from workflow_run import PROJECT, snakemake

HERE = Path(__file__).parent
SOAK = PROJECT / "build/soak"


@pytest.fixture(scope="session")
def packages():
    """Return the folder of the packages that requirements.txt names, on top of the workflow's environment."""
    folder = SOAK / "packages"
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade", "--target", folder)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "-r", HERE / "requirements.txt"], check=True
    )
    return folder


@pytest.fixture
def directory(model):
    """Return an empty directory, which stays after the run for a look at the report."""
    folder = SOAK / model.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def entry_of(model, packages, directory):
    """Return the model's entry in the configuration, as its user writes it."""
    entry = {"source": str(packages / model.module / model.onnx), **model.stated}
    if model.labels:
        names = directory / "names.txt"
        names.write_text("".join(f"{label}\n" for label in model.labels))
        entry["labels"] = str(names)
    return entry


def own_boxes(model, packages, clip, boxes):
    """Return what the package's own pipeline finds in the clip, by frame number."""
    subprocess.run(
        [sys.executable, HERE / "own_pipelines.py", model.module, clip, boxes],
        env=os.environ | {"PYTHONPATH": str(packages)},
        check=True,
    )
    found = json.loads(boxes.read_text())
    return {number: [Detection(*box) for box in frame] for number, frame in enumerate(found)}


def stated(model):
    """Return what the model's user states, in one line."""
    entry = dict(model.stated) | ({"labels": ", ".join(model.labels)} if model.labels else {})
    return yaml.safe_dump(entry, default_flow_style=True, width=1000)[1:-2] or "nothing"


def version_of(package, packages):
    """Return the version of an installed package."""
    (found,) = metadata.distributions(name=package, path=[str(packages)])
    return found.version


def error_of(text):
    """Return the build's own sentence in what snakemake printed."""
    return next((line for line in text.splitlines() if line.startswith("ERROR")), "no sentence")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_report_has_the_boxes_of_the_packages_own_pipeline(model, packages, directory, rows):
    clip, tree = directory / "clip.mp4", directory / "models" / model.name
    write_clip(model.clip(packages / "skimage/data" / model.photo), clip)
    row = {
        "model": model.name,
        "package": f"{model.package} {version_of(model.package, packages)}",
        "licence": model.licence,
        "kind": model.kind,
        "stated": stated(model),
    }
    rows.append(row)
    config = {"video": str(clip), "models": {model.name: entry_of(model, packages, directory)}}
    done = snakemake(
        directory, f"models/{model.name}/reports/benchmark_report.pdf", config=yaml.safe_dump(config)
    )
    if done.returncode:
        row["verdict"] = error_of(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:]
    own = own_boxes(model, packages, clip, directory / "own_boxes.json")
    row |= row_of_boxes(tree, own, model.least_matched)
    assert row["verdict"] == "report", row


@pytest.mark.parametrize("model", NO_DETECTORS, ids=lambda model: Path(model.onnx).stem)
def test_no_detector_is_refused_with_what_it_is(model, packages, tmp_path, rows):
    source = packages / model.module / model.onnx
    config = {"models": {"other": {"source": str(source)}}}
    done = snakemake(tmp_path, "models/other/model/other.onnx", config=yaml.safe_dump(config))
    sentence = error_of(done.stdout)
    rows.append(
        {
            "model": source.stem,
            "package": f"{model.package} {version_of(model.package, packages)}",
            "licence": model.licence,
            "kind": model.kind,
            "verdict": sentence.replace(str(source), source.name),
        }
    )
    assert done.returncode != 0
    assert model.says in sentence
