"""On the same pixels, the detections of transformers' own post-processing are those of reference decoder and parser.

Each tiny model answers once in torch, where its slow image processor makes detections of it (YOLOS' fast one is
wrong in transformers 4.57.6), and once as an ONNX in ONNX Runtime, whose raw outputs go to the family's reference
decoder, and to the compiled parser and nvinfer's clustering mode 4. The ONNX is as it was exported: that fixing
its size and slimming it change nothing is what test_family_exports.py proves.
"""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from dsbench.families.declared import family_named
from dsbench.families.family import FrameTensors
from dsbench.families.graph_facts import graph_facts
from dsbench.onnx.compare import answers, session
from dsbench.onnx.export import loading_folder
from dsbench.onnx.export_recipes import TORCHSCRIPT_OPSET, recipe_of
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.pixels.preprocessing import source_pixels
from dsembed.deepstream_app.app_settings import MuxSettings
from dsembed.deepstream_app.nvinfer_settings import ClassAttributes
from dsembed.deepstream_app.postprocess import Postprocessor, mux_struct, network_struct
from dsembed.engine.engine import Binding
from dsembed.shared import native
from exported_families import EXPORTED, PHRASES, PROMPTED, run_exporting
from parser_calls import compiled_library

# Height and width; RT-DETR's feature maps need multiples of 32.
SIZES = ((320, 320), (192, 256), (288, 160))
# OWL-ViT and OWLv2 have a learnt position for each patch of one size, and no way to another.
ONE_SIZE = {"owlvit": ((192, 192),), "owlv2": ((192, 192),)}
FAMILIES = [name for name in EXPORTED if not name.endswith(("_timm", "_shards"))]
# One for each way to read the logits sees all sizes; the others, which share its code, the one that is wide.
ALL_SIZES = ("rt_detr", "detr")
CASES = [
    (family, size)
    for family in FAMILIES
    for size in ONE_SIZE.get(family, SIZES if family in ALL_SIZES else SIZES[1:2])
]
# Parts of the candidates that pass; above nothing, top_k alone decides.
PASSING = (0.1, 0.6)
BATCHES = (1, 3)
MOST_PIXELS, MOST_SCORE = 0.5, 1e-3
HALF_ROUNDING = 2.0**-11
SOFTMAX = family_named("detr").head
OTHERS = [family_named(name) for name in ("sigmoid_queries", "conditional_detr", "detr", "owlvit")]


def named(case):
    family, (height, width) = case
    return f"{family}-{height}x{width}"


@dataclass
class Case:
    """What one model gave: rows of transformers by batch, threshold and image, and the ONNX's raw outputs."""

    family: object
    size: tuple[int, int]
    thresholds: np.ndarray
    detections: dict
    tensors: dict
    outputs: dict

    def rows(self, batch):
        """Give (threshold, image, rows) of class, left, top, right, bottom, score, as nvinfer clips them."""
        height, width = self.size
        for number, threshold in enumerate(self.thresholds):
            for image in range(batch):
                rows = self.detections[f"b{batch}/t{number}/{image}"].copy()
                rows[:, 1:5] = rows[:, 1:5].clip(0, [width, height, width, height])
                yield threshold, image, rows[(rows[:, 3:5] > rows[:, 1:3]).all(axis=1)]


def job(family, size, zoo, image, directory):
    """Return the job of reference_detections.py: the zoo's model with a processor that asks for `size`."""
    recipe = recipe_of(family)
    folder = loading_folder(ModelFolder(zoo / family), recipe, directory / family)
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    processor["size"] = dict(zip(("height", "width"), size, strict=True))
    (folder / "preprocessor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    np.save(directory / "pixels.npy", source_pixels(image, ModelFolder(folder).preprocessing()))
    return {
        "folder": str(folder),
        "model_type": family,
        "phrases": list(PHRASES) if family in PROMPTED else [],
        "method": EXPORTED[family][0],
        "opset": TORCHSCRIPT_OPSET,
        "mask": recipe.mask,
        "passing": PASSING,
        "pixels": str(directory / "pixels.npy"),
        "reference": str(directory / "reference.npz"),
        "detections": str(directory / "detections.npz"),
        "onnx": str(directory / "model.onnx"),
    }


@pytest.fixture(scope="module")
def made(finished, zoo, tmp_path_factory):
    """The folder in which every job left its files, and what the exporters said."""
    directory = tmp_path_factory.mktemp("parity")
    image = finished / "build/export/reference_image.png"
    jobs = []
    for case in CASES:
        (directory / named(case)).mkdir()
        jobs.append(job(*case, zoo, image, directory / named(case)))
    (directory / "jobs.json").write_text(json.dumps(jobs))
    python = finished / "build/.venv_optimum/bin/python"
    done = run_exporting(python, "reference_detections.py", directory / "jobs.json")
    return directory, done.stderr


@pytest.fixture(scope="module", params=CASES, ids=named)
def case(request, made):
    directory, said = made
    folder = directory / named(request.param)
    assert (folder / "detections.npz").is_file() and (folder / "model.onnx").is_file(), said[-4000:]
    family = family_named(request.param[0])
    model = onnx.load(folder / "model.onnx")
    runner, pixels = session(model), np.load(folder / "pixels.npy")
    with np.load(folder / "detections.npz") as arrays:
        detections = dict(arrays)
    return Case(
        family,
        request.param[1],
        detections.pop("threshold"),
        detections,
        dict(family.tensors(graph_facts(model))),
        {batch: answers(runner, pixels[:batch]) for batch in BATCHES},
    )


@pytest.fixture(scope="module")
def host():
    return native.load_host()


def class_count(case):
    columns = case.outputs[1][case.tensors["logits"]].shape[2]
    return columns - (case.family.head is SOFTMAX)


def clustered(host, library, case, outputs, threshold):
    """Return each image's rows as the parser gives them to nvinfer and mode 4 leaves them."""
    height, width = case.size
    mux = MuxSettings(width, height, False)
    settings = SimpleNamespace(
        parser_library=library,
        parser_symbol=case.family.head.parser_symbol,
        classes=(ClassAttributes(threshold, 0.0, 0.0, -1, 0, 0, 0, 0, 0, 0),) * class_count(case),
        filtered_out=frozenset(),
        nms=False,
        maintain_aspect_ratio=False,
        symmetric_padding=False,
        bgr=False,
        scaling_filter=1,
        scale_factor=1.0,
        offsets=(0, 0, 0),
    )
    bindings = [
        Binding(name, array.shape[1:], "fp16" if array.dtype == np.float16 else "fp32")
        for name, array in outputs.items()
    ]
    detector = Postprocessor(
        host, settings, mux_struct(mux), network_struct(settings, mux, (3, height, width)), bindings
    )
    found = detector.run([np.ascontiguousarray(array) for array in outputs.values()])
    rows = [rows_of(frame) for frame in found]
    detector.close()
    return rows


def rows_of(detections):
    columns = [detections[name].astype(np.float64) for name in ("class_id", "left", "top", "width", "height")]
    class_id, left, top, width, height = columns
    return np.column_stack(
        [class_id, left, top, left + width, top + height, detections["confidence"].astype(np.float64)]
    )


def decoded(family, case, outputs, image, threshold):
    """Return one image's rows as the reference decoder of `family` gives them."""
    height, width = case.size
    tensors = {role: outputs[name][image].astype(np.float64) for role, name in case.tensors.items()}
    frame = FrameTensors(tensors, width, height, np.full(class_count(case), threshold))
    rows = family.head.decode(frame, family.all_settings())
    rows[:, 3:5] += rows[:, 1:3]
    return rows


def assert_same_detections(found, wanted, threshold, most_score=MOST_SCORE):
    """Assert that each row has a counterpart within MOST_PIXELS and `most_score`.

    One that has none must stand so close to the threshold, or where that is 0 to the last of the top_k, that
    rounding decides whether it is there; or another class of the same box has a score so close that rounding to
    half precision decides between them.
    """
    difference = np.abs(found[:, None] - wanted[None])
    same = (difference <= [0, *[MOST_PIXELS] * 4, most_score]).all(axis=2)
    tied = (difference[:, :, 1:] <= [*[MOST_PIXELS] * 4, most_score]).all(axis=2) & (most_score > MOST_SCORE)
    lonely_found = found[~(same | tied).any(axis=1)]
    lonely_wanted = wanted[~(same | tied).any(axis=0)]
    border = threshold if threshold > 0 else wanted[:, 5].min()
    for row in (*lonely_found, *lonely_wanted):
        assert abs(row[5] - border) <= most_score, row
    assert len(found) - len(lonely_found) == len(wanted) - len(lonely_wanted)


def test_reference_decoder_detects_what_transformers_detects(case):
    seen = 0
    for batch in BATCHES:
        for threshold, image, wanted in case.rows(batch):
            found = decoded(case.family, case, case.outputs[batch], image, threshold)
            assert_same_detections(found, wanted, threshold)
            seen += len(wanted)
    assert seen > 30


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_parser_and_clustering_detect_what_transformers_detects(case, dtype, host):
    logits = case.outputs[3][case.tensors["logits"]]
    library = compiled_library(case.family, case.tensors)
    # A score moves by at most half of what its logits do; boxes in 0..1 move by less than MOST_PIXELS.
    most_score = MOST_SCORE
    if dtype == np.float16:
        most_score += HALF_ROUNDING * np.abs(logits).max() / 2
    for batch in BATCHES:
        outputs = {name: array.astype(dtype) for name, array in case.outputs[batch].items()}
        for threshold in case.thresholds:
            found = clustered(host, library, case, outputs, float(threshold))
            assert len(found) == batch
            for of, image, wanted in case.rows(batch):
                if of == threshold:
                    assert_same_detections(found[image], wanted, threshold, most_score)


def test_another_familys_decoder_is_noticed(case):
    own = (case.family.head, case.family.all_settings())
    for other in OTHERS:
        if (other.head, other.all_settings()) == own:
            continue
        with pytest.raises(AssertionError):
            for threshold, image, wanted in case.rows(3):
                found = decoded(other, case, case.outputs[3], image, threshold)
                assert_same_detections(found, wanted, threshold)
