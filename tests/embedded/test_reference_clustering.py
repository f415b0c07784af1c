"""The NumPy clustering against the embedded host's, which runs the same rows through nvinfer's order in C++."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from test_embedded_deepstream_postprocess import CLASSES, PARSER, QUERIES

from dsbench.boxes.clustering import cluster, on_frame
from dsbench.pixels.nvinfer_pixels import NetworkInput
from dsembed.deepstream_app.nvinfer_settings import ClassAttributes, ParserSettings
from dsembed.deepstream_app.postprocess import Postprocessor
from dsembed.engine.engine import Binding
from dsembed.shared.native import PARSER_INCLUDE_DIR
from nvidia_pixels import plain_preprocessing

OUTPUTS = (Binding("count", (), "int64"), Binding("boxes", (QUERIES, 6), "fp32"))
THRESHOLDS = [0.25, 0.5, 0.0]
SIZES = [(1280, 720), (321, 241)]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A parser whose objects are the rows of the tensor "boxes"."""
    directory = tmp_path_factory.mktemp("rows")
    (directory / "parser.cpp").write_text(PARSER)
    flags = ["-std=c++17", "-fPIC", "-shared", f"-I{PARSER_INCLUDE_DIR}"]
    subprocess.run(["g++", *flags, "-o", directory / "librows.so", directory / "parser.cpp"], check=True)
    return directory / "librows.so"


@dataclass
class Host:
    """The embedded host's parser, clustering and geometry for one setting."""

    library: Path
    padding: str
    size: tuple[int, int]
    nms: bool
    nms_iou: float

    def boxes(self, frames):
        network = NetworkInput(plain_preprocessing(320, 320, self.padding), *self.size)
        classes = tuple(ClassAttributes(t, 0.0, self.nms_iou, -1, *[0] * 6) for t in THRESHOLDS)
        rules = ParserSettings(self.library, "ParseRows", classes, self.nms, filtered_out=frozenset())
        detector = Postprocessor(network.host, rules, network.mux, network.network, OUTPUTS)
        found = detector.run([np.zeros(len(frames), np.int64), frames])
        rows = [[(b[5], *b.tolist()[:5]) for b in frame] for frame in found]
        detector.close()
        return rows, network.place()


def random_frames(count):
    rng = np.random.default_rng(5)
    corners, sizes = rng.uniform(-20, 300, (count, QUERIES, 2)), rng.uniform(1, 120, (count, QUERIES, 2))
    classes = rng.integers(-1, CLASSES + 1, (count, QUERIES, 1))
    # Coarse confidences, so that ties occur and the stable order matters.
    confidences = rng.integers(0, 20, (count, QUERIES, 1)) / 20
    frames = np.concatenate([classes, corners, sizes, confidences], axis=2).astype(np.float32)
    frames[1, :, 5] = 0.0
    frames[2, :30, 1:] = frames[2, 0, 1:]
    frames[3, 0, 5] = np.nan
    frames[4, 7, 3] = 0.0
    return frames


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", ["none", "corner", "centre"])
@pytest.mark.parametrize(("mode", "nms_iou"), [(4, 0.3), (2, 0.3), (2, 0.0), (2, 1.0)])
def test_boxes_are_the_hosts_in_its_order(library, mode, nms_iou, padding, size):
    frames = random_frames(8)
    if mode == 2:
        frames = np.nan_to_num(frames)
        frames[5, :6, 3], frames[6, 20:24, 2] = np.nan, np.nan
    found, place = Host(library, padding, size, mode == 2, nms_iou).boxes(frames)
    expected = [on_frame(cluster(rows, mode, THRESHOLDS, nms_iou), place) for rows in frames]
    for host, rows in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.array(host, np.float32).reshape(-1, 6), rows)
    assert sum(map(len, expected)) > 20


def test_nms_keeps_a_box_at_the_threshold_and_drops_one_above_it():
    rows = np.array([[0, 0, 0, 10, 10, 0.9], [0, 5, 0, 10, 10, 0.8], [1, 5, 0, 10, 10, 0.7]])
    exactly = float(np.float32(50) / np.float32(150))
    assert cluster(rows, 2, [0.5, 0.5], exactly)[:, 5].tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert cluster(rows, 2, [0.5, 0.5], exactly - 1e-6)[:, 5].tolist() == pytest.approx([0.9, 0.7])


def test_other_modes_have_no_reference():
    with pytest.raises(ValueError, match="cluster-mode 3 has no reference"):
        cluster(np.empty((0, 6)), 3, [0.5], 0.3)
