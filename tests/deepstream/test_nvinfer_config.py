import configparser
from dataclasses import replace
from pathlib import Path

import pytest

from dsbench.deepstream.nvinfer_config import NvinferConfigError, NvinferFiles, render_nvinfer_config
from dsbench.families.declared import family_named
from dsbench.pixels.preprocessing import Preprocessing

MODEL = Path("models/rtdetr")
FILES = NvinferFiles(
    config=MODEL / "config/config_infer_primary_rtdetr.txt",
    onnx=MODEL / "model/rtdetr.onnx",
    engine=MODEL / "benchmarks/engines/rtdetr_dynamic_b4.engine",
    labels=MODEL / "config/labels.txt",
    parser_library=MODEL / "parser/libparser.so",
)
PREPROCESSING = Preprocessing(1 / 255, None, "RGB", False, False, 320, 640, (), scaling_filter=3)
INPUT_DIMS = ["batch", 3, 320, 640]
LABELS = ["car", "person"]


def render(preprocessing=PREPROCESSING, input_dims=INPUT_DIMS, class_count=2, labels=LABELS, **settings):
    text = render_nvinfer_config(
        preprocessing,
        family_named("rt_detr"),
        input_dims,
        class_count,
        labels,
        FILES,
        **({"batch_size": 4, "precision": "fp16"} | settings),
    )
    parser = configparser.RawConfigParser(comment_prefixes=("#",))
    parser.read_string(text)
    return parser


def test_every_key_comes_from_a_fact():
    config = render()
    assert dict(config["property"]) == {
        "gie-unique-id": "1",
        "network-type": "0",
        "network-mode": "2",
        "batch-size": "4",
        "onnx-file": "../model/rtdetr.onnx",
        "model-engine-file": "../benchmarks/engines/rtdetr_dynamic_b4.engine",
        "infer-dims": "3;320;640",
        "net-scale-factor": "0.0039215686274509803",
        "model-color-format": "0",
        "maintain-aspect-ratio": "0",
        "scaling-filter": "3",
        "labelfile-path": "labels.txt",
        "num-detected-classes": "2",
        "custom-lib-path": "../parser/libparser.so",
        "parse-bbox-func-name": "NvDsInferParseCustomSigmoidQueries",
        "cluster-mode": "4",
    }
    assert dict(config["class-attrs-all"]) == {"pre-cluster-threshold": "0.5"}


def test_colour_offsets_and_padding_are_written_where_they_apply():
    preprocessing = replace(
        PREPROCESSING,
        offsets=(103.53, 116.28, 123.675),
        model_color_format="BGR",
        maintain_aspect_ratio=True,
        symmetric_padding=True,
    )
    keys = render(preprocessing)["property"]
    assert keys["offsets"] == "103.53;116.28;123.675"
    assert (keys["model-color-format"], keys["maintain-aspect-ratio"], keys["symmetric-padding"]) == (
        "1",
        "1",
        "1",
    )


def test_precision_and_threshold_are_settings():
    config = render(precision="fp32", threshold=0.3)
    assert config["property"]["network-mode"] == "0"
    assert config["class-attrs-all"]["pre-cluster-threshold"] == "0.3"


def test_labels_that_do_not_fit_the_tensor_are_refused():
    with pytest.raises(
        NvinferConfigError, match=r"labels\.txt: 3 labels, but the output tensor .* 2 classes"
    ):
        render(labels=["a", "b", "c"])


@pytest.mark.parametrize(
    "dims", [["batch", 3, 640, 640], ["batch", 1, 320, 640], ["batch", 3, "height", "width"]]
)
def test_input_that_does_not_fit_the_preprocessing_is_refused(dims):
    with pytest.raises(NvinferConfigError, match="the image input is"):
        render(input_dims=dims)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"batch_size": 0}, "batch-size is 0"),
        ({"batch_size": 1025}, "1 to 1024"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": float("nan")}, "threshold is nan"),
    ],
)
def test_settings_outside_nvinfers_limits_are_refused(settings, reason):
    with pytest.raises(NvinferConfigError, match=reason):
        render(**settings)
