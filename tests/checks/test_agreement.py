"""The agreement gate on a tiny detector of the embedded runtime: what is wrong is caught, and its stage named."""

import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import onnx
import pytest

from dsbench.boxes.kitti import Detection, read_directory
from dsbench.checks.agreement import (
    Bound,
    Deployment,
    check_agreement,
    check_clustering_keys,
    check_deployment,
    first_divergence,
)
from dsbench.checks.reference_run import (
    EngineRun,
    ReferenceRun,
    reference_model,
    run_engine,
    run_reference,
)
from dsbench.checks.verdict import CheckError
from dsbench.core.errors import BuildError
from dsbench.deepstream.app_config import Clip, render_app_config
from dsbench.deepstream.nvinfer_config import NvinferFiles, render_nvinfer_config
from dsbench.deepstream.parser_build import compile_parser, write_parser_sources
from dsbench.deepstream.run import dump_kitti
from dsbench.families.declared import family_named
from dsbench.onnx.inspection import Inspection
from dsbench.pixels.nvinfer_pixels import evenly_spread, placement
from dsbench.pixels.preprocessing import Preprocessing
from dsbench.trtexec.answers import EmbeddedEngine
from dsembed.engine.builder import FP32, BuildConfig, build_engine_file
from dsembed.engine.engine_file import write_engine_file
from dsembed.engine.network import parse_network
from dsembed.engine.shapes import ShapeRange
from dsembed.shared.log_writer import LogWriter
from inspected import inspection_of
from tiny_graphs import HEIGHT, WIDTH, queries

PROJECT = Path(__file__).parents[2]
APP = PROJECT / "workflow/embedded/bin/deepstream-app"
SIDE, FRAMES = 128, 9
LABELS = ["car", "person", "road sign", "bicycle"]
LETTERBOXED = Preprocessing(
    net_scale_factor=1 / 255,
    offsets=None,
    model_color_format="RGB",
    maintain_aspect_ratio=True,
    symmetric_padding=True,
    height=HEIGHT,
    width=WIDTH,
    notes=(),
    scaling_filter=1,
)
BOUND = Bound(iou=0.9, required=0.95)
SOFTMAX = r"""
#include <cmath>
#include "detection_parser.hpp"
#include "parser_settings.hpp"
using namespace detection_parser;
DETECTION_PARSER_EXPORT bool NvDsInferParseCustomSigmoidQueries(const Layers& layers,
        const NvDsInferNetworkInfo& network, const NvDsInferParseDetectionParams& params, Objects& objects) {
    Matrix logits = {}, boxes = {};
    if (!find_matrix(layers, "softmax", parser_settings::kLogitsTensor, logits) ||
        !find_matrix(layers, "softmax", parser_settings::kBoxesTensor, boxes)) return false;
    for (std::size_t q = 0; q < logits.rows; ++q) {
        float sum = 0.0F;
        for (std::size_t c = 0; c < logits.columns; ++c) sum += std::exp(element(logits, q, c));
        for (std::size_t c = 0; c < logits.columns; ++c) {
            const float score = std::exp(element(logits, q, c)) / sum;
            if (score <= params.perClassPreclusterThreshold[c]) continue;
            const float x = element(boxes, q, 0) * network.width, y = element(boxes, q, 1) * network.height;
            const float w = element(boxes, q, 2) * network.width, h = element(boxes, q, 3) * network.height;
            append_box(objects, network, static_cast<std::uint32_t>(c), score, x - w / 2, y - h / 2, x + w / 2,
                       y + h / 2);
        }
    }
    return true;
}
"""


def write_clip(path):
    """Nine frames of coloured blocks, none of them grey."""
    blocks = np.random.default_rng(2).integers(0, 256, (FRAMES, 8, 8, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for frame in blocks:
            picture = np.kron(frame, np.ones((SIDE // 8, SIDE // 8, 1), np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def write_engine(model, path):
    network = parse_network(model)
    shapes = ShapeRange(*[(batch, 3, HEIGHT, WIDTH) for batch in (1, 2, 2)])
    config = BuildConfig(shapes, FP32, workspace_bytes=None, timing_cache=None)
    write_engine_file(path, build_engine_file(network, config, LogWriter("test", "test")))


@dataclass
class Tree:
    """One deployed detector; a test changes a file of it and plays the clip."""

    root: Path
    family: object
    inspect: Inspection
    engine: EngineRun | None = None

    @property
    def config(self):
        return self.root / "infer.txt"

    def write_config(self, preprocessing=LETTERBOXED):
        files = NvinferFiles(
            config=self.config,
            onnx=self.root / "tiny.onnx",
            engine=self.root / "tiny.engine",
            labels=self.root / "labels.txt",
            parser_library=self.root / "parser/libparser.so",
        )
        shape = ["batch", 3, HEIGHT, WIDTH]
        text = render_nvinfer_config(
            *(preprocessing, self.family, shape, len(LABELS), LABELS, files),
            **{"batch_size": 1, "precision": "fp32"},
        )
        self.config.write_text(text)

    def change(self, old, new):
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def check(self, **changes):
        """Play the clip through the embedded deepstream-app and return the agreement with the reference."""
        video = (self.root / "clip.mp4").resolve()
        clip = Clip(video.as_uri(), SIDE, SIDE)
        text = render_app_config(clip, 1, "infer.txt", kitti_directory=Path("kitti"))
        (self.root / "app.txt").write_text(text)
        kitti = self.root / "kitti"
        dump_kitti(str(APP), self.root / "app.txt", kitti, 60, self.root / "app.log", {})
        deployed = replace(self.deployment(), **changes)
        numbers = deployed.numbers
        frames = run_reference(self.root / "tiny.onnx", deployed.model, video, (SIDE, SIDE), numbers)
        reference = ReferenceRun(numbers.step, frames, own={}, origin="a test")
        return check_deployment(kitti, read_directory(kitti), reference, deployed, BOUND).required()

    def deployment(self):
        return Deployment(
            model=reference_model(self.inspect, LABELS, None),
            inspect=self.inspect,
            nvinfer_config=self.config,
            onnx_file=self.root / "tiny.onnx",
            video=self.root / "clip.mp4",
            size=(SIDE, SIDE),
            numbers=evenly_spread(FRAMES, 5),
            engine=self.engine,
        )

    def run_engine(self):
        """Ask the engine for its boxes, two images at once."""
        deployed = self.deployment()
        self.engine = run_engine(
            EmbeddedEngine(self.root / "tiny.engine"),
            *(deployed.model, deployed.video, deployed.size, deployed.numbers),
            at_once=2,
        )


def make_tree(root, family):
    write_clip(root / "clip.mp4")
    onnx.save(queries(), root / "tiny.onnx")
    write_engine(root / "tiny.onnx", root / "tiny.engine")
    tensors = {"logits": "logits", "boxes": "pred_boxes"}
    place = placement(LETTERBOXED, SIDE, SIDE)
    write_parser_sources(
        *(family, tensors, family.all_settings(), PROJECT / "workflow/parsers", root / "parser"),
        *(place.shift, place.edges),
    )
    compile_parser(root / "parser", None, 28, root / "make.log")
    (root / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    tree = Tree(root, family, inspection_of(queries(), family.name, LETTERBOXED))
    tree.run_engine()
    assert tree.engine.problem is None
    return tree


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("deployed"), family_named("rt_detr"))


@pytest.fixture
def tree(made, tmp_path, monkeypatch):
    monkeypatch.setitem(os.environ, "DSEMBED_PYTHON", sys.executable)
    shutil.copytree(made.root, tmp_path / "tree")
    copy = Tree(tmp_path / "tree", made.family, made.inspect, made.engine)
    copy.write_config()
    return copy


def test_the_derived_deployment_agrees(tree):
    result = tree.check()
    assert result.passed and result.frames == 5
    assert (result.precision, result.recall) == (1.0, 1.0)
    assert result.mean_iou > 0.999
    assert result.true_positives > 50


@pytest.mark.parametrize(
    ("old", "new", "stage"),
    [
        (
            "net-scale-factor=0.0039215686274509803",
            "net-scale-factor=1",
            r"preprocessing: infer\.txt has net-scale-factor=1, expected net-scale-factor=0\.00392",
        ),
        (
            "model-color-format=0",
            "model-color-format=1",
            r"preprocessing: .* model-color-format=1, expected model-color-format=0",
        ),
        ("maintain-aspect-ratio=1", "maintain-aspect-ratio=0", "preprocessing: .* maintain-aspect-ratio=0"),
        ("symmetric-padding=1", "symmetric-padding=0", "preprocessing: .* symmetric-padding=0"),
        ("scaling-filter=1", "scaling-filter=1\noffsets=90;0;0", "preprocessing: .* offsets=90;0;0"),
        ("cluster-mode=4", "cluster-mode=2", "clustering: .* cluster-mode=2, expected cluster-mode=4"),
        (
            "pre-cluster-threshold=0.5",
            "pre-cluster-threshold=0.95",
            "clustering: .* pre-cluster-threshold=0.95, expected pre-cluster-threshold=0.5",
        ),
    ],
)
def test_a_wrong_key_is_caught_and_its_stage_named(tree, old, new, stage):
    tree.change(old, new)
    with pytest.raises(CheckError, match=f"first stage that diverges is {stage}.*delete .*infer.txt"):
        tree.check()


def test_a_softmax_where_a_sigmoid_belongs_is_the_parsers_fault(tree):
    (tree.root / "parser/parser.cpp").write_text(SOFTMAX)
    compile_parser(tree.root / "parser", None, 28, tree.root / "make.log")
    with pytest.raises(CheckError, match=r"stage that diverges is parser: NvDs.*recall 0") as caught:
        tree.check()
    assert caught.value.numbers.passed is False


def test_a_parser_that_refuses_the_tensors_is_named(tree):
    tensors = {"logits": "pred_logits", "boxes": "pred_boxes"}
    write_parser_sources(
        tree.family, tensors, tree.family.all_settings(), PROJECT / "workflow/parsers", tree.root / "parser"
    )
    compile_parser(tree.root / "parser", None, 28, tree.root / "make.log")
    divergence, not_told = first_divergence(tree.deployment(), BOUND)
    stage, verdict = divergence
    assert (stage, not_told) == ("parser", [])
    assert "given the reference's tensors: it refuses the model's tensors, expected" in verdict.reason


def test_an_engine_of_another_model_is_the_engines_fault(tree):
    onnx.save(queries(seed=4), tree.root / "other.onnx")
    write_engine(tree.root / "other.onnx", tree.root / "tiny.engine")
    tree.run_engine()
    with pytest.raises(CheckError, match=r"is engine precision: the boxes of tiny\.engine have "):
        tree.check()


def test_an_export_beyond_its_tolerance_is_named_first(tree):
    tree.inspect = replace(tree.inspect, max_abs_error={"batch_1": 1e-5, "batch_3": 0.5})
    tree.change("cluster-mode=4", "cluster-mode=2")
    with pytest.raises(CheckError, match=r"is export: the ONNX differs from its source by 0\.5 at batch 3"):
        tree.check()


def test_boxes_of_other_frames_leave_the_runtimes_own_decoding(tree):
    tree.check()
    dumped = read_directory(tree.root / "kitti")
    shifted = {number: dumped[(number + 1) % FRAMES] for number in dumped}
    reference = ReferenceRun(
        1, {number: dumped[number] for number in tree.deployment().numbers}, {}, "a test"
    )
    with pytest.raises(CheckError, match="diverges, which leaves how the runtime decodes and scales frames;"):
        check_deployment(tree.root / "kitti", shifted, reference, tree.deployment(), BOUND).required()


def test_an_engine_that_cannot_be_run_here_is_not_told(tree):
    tree.change("cluster-mode=4", "cluster-mode=2")
    with pytest.raises(CheckError, match=r"is clustering: .* Not told on this runtime: engine precision\."):
        tree.check(engine=EngineRun("tiny.engine", None, "trtexec: exit status 1"))


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"cluster-mode": "2", "pre-cluster-threshold": "0.1", "nms-iou-threshold": "0.30"}, ()),
        ({"cluster-mode": "2", "pre-cluster-threshold": "0.1"}, ()),
        (
            {"cluster-mode": "2", "pre-cluster-threshold": "0.1", "nms-iou-threshold": "0.45"},
            ("nms-iou-threshold", "0.45", "0.3"),
        ),
        ({"cluster-mode": "2"}, ("pre-cluster-threshold", "0.2", "0.1")),
        ({}, ("cluster-mode", "0", "2")),
        ({"cluster-mode": "nms"}, ("cluster-mode", "nms", "2")),
    ],
)
def test_clustering_keys_are_compared_as_nvinfer_reads_them(made, keys, found):
    model = reference_model(replace(made.inspect, family="owlv2"), LABELS, None)
    verdict = check_clustering_keys(keys, model)
    assert tuple(verdict.numbers.values()) == found
    assert verdict.passed == (found == ())


def box(left=0.0, bottom=20.0, label="car"):
    return Detection(label, left, 10.0, left + 30.0, bottom, 0.9)


def test_rates_are_of_the_dump_against_the_reference():
    found = {0: [box(), box(200.0)], 1: []}
    reference = {0: [box()], 1: [box(), box(90.0)]}
    result = check_agreement(found, reference, 100, Bound(0.9, 0.3)).numbers
    assert (result.precision, result.recall) == (1 / 2, 1 / 3)
    assert result.passed
    assert not check_agreement(found, reference, 100, Bound(0.9, 0.4)).numbers.passed


def test_nothing_on_both_sides_proves_nothing():
    assert not check_agreement({0: []}, {0: []}, 100, Bound(0.9, 0.9)).numbers.passed


def test_a_box_on_the_last_row_counts_only_with_its_counterpart():
    touching, inside = box(bottom=100.0), box(200.0)
    result = check_agreement({0: [touching, inside]}, {0: [inside]}, 100, Bound(0.9, 0.9)).numbers
    assert (result.precision, result.recall, result.undecided) == (1.0, 1.0, 1)
    both = check_agreement({0: [touching]}, {0: [touching]}, 100, Bound(0.9, 0.9)).numbers
    assert (both.true_positives, both.undecided) == (1, 0)


def test_a_dump_without_a_frame_of_the_reference_is_refused(tree):
    with pytest.raises(BuildError, match="has no frame 3, which the reference run has"):
        check_deployment(
            tree.root, {0: []}, ReferenceRun(3, {0: [], 3: []}, {}, "a test"), tree.deployment(), BOUND
        ).required()


def test_frames_are_spread_over_the_whole_clip():
    assert list(evenly_spread(300, 100))[:3] == [0, 3, 6]
    assert len(evenly_spread(1442, 100)) <= 100 and evenly_spread(1442, 100)[-1] > 1400
    assert list(evenly_spread(5, 100)) == [0, 1, 2, 3, 4]
