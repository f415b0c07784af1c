"""What loses the model's accuracy is caught and its stage named, with a detector that follows the pixels exactly."""

import re
from dataclasses import dataclass, replace

import av
import numpy as np
import onnx
import pytest
from av.video.reformatter import ColorRange, Colorspace

from centroid_detector import COLOURS, centroid_detector
from dsbench.boxes.clustering import on_frame
from dsbench.boxes.detection_scores import Decoder
from dsbench.checks.accuracy import PIXELS, PRECISION, RUNTIME, Runs, check_accuracy, edge_loss, kept_accuracy
from dsbench.checks.agreement import Deployment
from dsbench.checks.findings import Bounds, EdgeLoss
from dsbench.checks.preprocess_proof import Model, reference_of
from dsbench.checks.reference_run import EngineRun, detections, own_boxes, reference_boxes, reference_model
from dsbench.checks.verdict import CheckError, Verdict
from dsbench.core.records import as_json
from dsbench.families.declared import family_named
from dsbench.onnx.compare import answers, session
from dsbench.pixels.nvinfer_pixels import NetworkInput, Placement, decoded_frames
from dsbench.pixels.preprocessing import Preprocessing
from inspected import inspection_of

FRAME, NETWORK, FRAMES = (640, 360), (160, 160), 30
RGB = [(250, 150, 160), (150, 240, 170), (140, 160, 250)]
LETTERBOX = {"resize": "letterbox", "placement": "corner", "scale": "1/255"}
BT601 = 5
BOUNDS = Bounds(least_ap=0.5, largest_shift_px=0.25)


def preprocessing(**changes):
    derived = Preprocessing(1 / 255, None, "RGB", True, False, *NETWORK, notes=(), scaling_filter=1)
    return replace(derived, **changes)


def write_clip(path):
    """Write a square that moves and changes its colour, in BT.709 and marked so."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "8"})
        (stream.width, stream.height), stream.pix_fmt = FRAME, "yuv420p"
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = ColorRange.MPEG
        for number in range(FRAMES):
            image = np.full((FRAME[1], FRAME[0], 3), 40, np.uint8)
            left, top = 10 + 17 * number, 20 + 6 * number
            image[top : top + 110, left : left + 110] = RGB[number % 3]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@dataclass
class Case:
    """One deployed detector on the clip."""

    deployed: Deployment
    runner: object
    own: dict

    def boxes(self, made=None, matrix=None):
        """Return the boxes on the pixels of these settings, with a parser that moves them as derived."""
        network = NetworkInput(made or self.deployed.model.preprocessing, *FRAME)
        found = {}
        for number, frame in decoded_frames(self.deployed.video, self.deployed.numbers):
            if matrix is not None:
                frame.colorspace = matrix
            outputs = answers(self.runner, network.tensor(frame))
            found[number] = reference_boxes(self.deployed.model, outputs, network.place())
        return found

    def check(self, dumped, equal_pixels=None, engine=None, divergence=lambda: None):
        equal_pixels = self.boxes() if equal_pixels is None else equal_pixels
        runs = Runs(self.own, equal_pixels, engine, dumped)
        measured = kept_accuracy(runs, self.deployed, "a test", 1, BOUNDS)
        return check_accuracy(measured, self.deployed, divergence)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accuracy")
    write_clip(folder / "clip.mp4")
    graph = centroid_detector(*NETWORK)
    onnx.save(graph, folder / "drawn.onnx")
    inspect = inspection_of(graph, "rt_detr", preprocessing())
    deployed = Deployment(
        model=reference_model(inspect, COLOURS, None),
        inspect=inspect,
        nvinfer_config=folder / "infer.txt",
        onnx_file=folder / "drawn.onnx",
        video=folder / "clip.mp4",
        size=FRAME,
        numbers=range(FRAMES),
        engine=EngineRun("drawn.engine", None),
    )
    runner, family = session(graph), family_named("rt_detr")
    model = Model(
        runner, deployed.model.preprocessing, Decoder(family, inspect.tensors, inspect.settings, 3, 0.5)
    )
    reference = reference_of(None, family, NETWORK, FRAME[::-1], LETTERBOX)
    return Case(deployed, runner, own_boxes(model, reference, COLOURS, deployed.video, deployed.numbers))


def moved(frames, right, down):
    """Return boxes moved by pixels of the network, of which one covers four of the frame."""
    return {
        number: [
            replace(box, left=box.left + 4 * right, right=box.right + 4 * right, top=box.top + 4 * down,
                    bottom=box.bottom + 4 * down)
            for box in boxes
        ]
        for number, boxes in frames.items()
    }  # fmt: skip


def test_a_right_runtime_keeps_the_models_accuracy(case):
    result = case.check(case.boxes()).required()
    assert result.passed and result.is_told and not result.suspects
    assert [stage.stage for stage in result.stages] == [PIXELS, RUNTIME]
    kept = result.stages[-1].accuracy.every
    assert kept.objects == FRAMES == kept.matched
    assert kept.ap > 0.9 and abs(kept.shift_x_px) < 0.1 and abs(kept.shift_y_px) < 0.1
    assert as_json(result)["stages"][1]["accuracy"]["classes"][0]["name"] == "blue"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"made": preprocessing(model_color_format="BGR")}, "pixels: .* with model-color-format=1 "),
        ({"made": preprocessing(maintain_aspect_ratio=False)}, "pixels: .* with maintain-aspect-ratio=0 "),
        (
            {"made": preprocessing(scaling_filter=2)},
            r"pixels: .* with scaling-filter=2 \(cubic\)",
        ),
        ({"matrix": BT601}, "pixels: .* with the colour matrix of BT.601 for a clip of BT.709 "),
    ],
    ids=["swapped channels", "missing letterbox", "wrong filter", "wrong matrix"],
)
def test_what_the_runtime_does_otherwise_is_caught_and_named(case, changes, named):
    with pytest.raises(CheckError, match=f"The stage is {named}") as caught:
        case.check(case.boxes(**changes)).required()
    assert not caught.value.numbers.passed
    best = caught.value.numbers.suspects[0]
    assert best.likeness > 0.99 > best.likeness_as_derived


def test_boxes_that_the_parser_does_not_move_back_are_named(case):
    verdict = case.check(moved(case.boxes(), 0.5, 0.5))
    named = "with boxes that are not moved back by the 0.5 and 0.5 network pixels of nvinfer's scaling (likeness 1.0"
    assert "The stage is parser: the runtime's boxes are those of the model " + named in verdict.reason


def test_half_a_pixel_of_unknown_cause_is_a_shift_of_the_stage_that_differs(case):
    wrong = moved(case.boxes(), 0.5, -0.6)
    differs = ("parser", Verdict({}, "NvDsInferParse gives other boxes"))
    verdict = case.check(wrong, divergence=lambda: differs)
    assert verdict.reason.startswith(
        "The boxes are not where the model's own are. The stage is parser: the runtime's"
    )
    assert re.search(r"boxes lie 0\.(48|5\d) right of and 0\.(6\d|59) above the model's own", verdict.reason)
    assert "at most 0.25 is allowed (accuracy: largest_shift_px); NvDsInferParse gives" in verdict.reason


def with_wild_boxes(frames, right):
    """Return the boxes of which one in eight lies so many pixels of the network aside, and is still the same object."""
    return {number: (moved({number: boxes}, right, 0)[number] if number % 8 == 0 else boxes)
            for number, boxes in frames.items()}  # fmt: skip


def test_a_few_wild_boxes_do_not_stop_a_right_runtime(case):
    result = case.check(with_wild_boxes(case.boxes(), 8)).required()
    kept = result.stages[-1].accuracy.every
    assert kept.matched == FRAMES and kept.ap_90 < 0.9
    assert abs(kept.shift_x_px) < 0.15


def test_a_few_wild_boxes_do_not_hide_what_bilinear_scaling_moves(case):
    wrong = with_wild_boxes(moved(case.boxes(), 0.62, 0), -8)
    verdict = case.check(wrong, equal_pixels=wrong)
    assert "The stage is pixels: in ONNX Runtime" in verdict.reason and "boxes lie 0.6" in verdict.reason


@pytest.mark.parametrize(
    ("equal_pixels", "engine", "stage"),
    [(0.5, 0.5, PIXELS), (0.0, 0.5, PRECISION)],
)
def test_the_first_stage_that_moves_the_boxes_is_named(case, equal_pixels, engine, stage):
    right = case.boxes()
    wrong = moved(right, 0.5, 0)
    verdict = case.check(wrong, moved(right, equal_pixels, 0), moved(right, engine, 0))
    assert f"The stage is {stage}: " in verdict.reason


def test_too_few_objects_are_not_held_against_the_runtime(case):
    few = {number: boxes if number == 0 else [] for number, boxes in case.own.items()}
    result = replace(case, own=few).check(moved(case.boxes(), 3, 3)).required()
    assert not result.is_told and result.passed


def test_boxes_that_a_parser_ends_on_the_networks_height_are_missed_at_the_edge(case):
    """NVIDIA's arithmetic, 320x320 for 1280x720: a box that ends on the last row is dropped as rounding has it."""
    random = np.random.default_rng(5)
    place = Placement(0, 0, 320, 320, 1280, 720)
    frames = {True: {}, False: {}}
    for number in range(20):
        top, left = random.uniform(1, 250, 10).astype(np.float32), np.arange(10, dtype=np.float32) * 32
        for is_less, found in frames.items():
            height = np.float32(320 * (1 - 2**-20) if is_less else 320) - top
            rows = np.column_stack([np.zeros(10), left, top, np.full(10, 30), height, np.full(10, 0.9)])
            found[number] = detections(on_frame(rows, place), COLOURS)
    lost = edge_loss(Runs({}, frames[True], None, frames[False]), (1280, 720), (4, 2.25))
    assert lost.boxes == 200 and lost.lost > 5
    assert edge_loss(Runs({}, frames[True], None, frames[True]), (1280, 720), (4, 2.25)).lost == 0
    measured = kept_accuracy(
        Runs(case.own, case.boxes(), None, case.boxes()), case.deployed, "a test", 1, BOUNDS
    )
    verdict = check_accuracy(replace(measured, edge=lost), case.deployed, lambda: None)
    assert f"The stage is parser: {lost.lost} of 200 boxes that reach the lower edge" in verdict.reason


def test_boxes_that_are_lost_everywhere_are_not_the_edges():
    assert EdgeLoss(100, 6, 1000, 5).is_the_parsers
    assert not EdgeLoss(100, 6, 1000, 40).is_the_parsers
    assert not EdgeLoss(10, 2, 1000, 0).is_the_parsers
