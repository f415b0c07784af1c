"""Which detector a config.json describes, and the declared facts of its family."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dsbench.errors import BuildError


class NotADetectorError(BuildError):
    """A model whose architecture is not on the list of object detectors that can be built."""


class UnsupportedHeadError(BuildError):
    """A detector of a known architecture whose head or outputs the family's parser does not decode."""


@dataclass(frozen=True)
class Family:
    """Everything the build needs to know about one kind of detection head; no parser is None."""

    name: str
    architecture: str
    model_type: str
    parser_source: str | None
    parser_symbol: str | None
    logits_output: str
    boxes_output: str
    background_classes: int
    cluster_mode: int
    default_threshold: float
    do_normalize_default: bool
    required_config: Mapping[str, object]


def _sigmoid_queries(name: str, architecture: str) -> Family:
    return Family(
        name=name,
        architecture=architecture,
        model_type=name,
        parser_source="sigmoid_queries.cpp",
        parser_symbol="NvDsInferParseCustomSigmoidQueries",
        logits_output="logits",
        boxes_output="pred_boxes",
        background_classes=0,
        cluster_mode=4,
        default_threshold=0.5,
        do_normalize_default=False,
        required_config={"use_focal_loss": True},
    )


def _queries(name: str, architecture: str, **facts: object) -> Family:
    """Return a DETR-like family: cxcywh boxes, ImageNet normalisation, no parser of its own yet."""
    family = replace(
        _sigmoid_queries(name, architecture),
        parser_source=None,
        parser_symbol=None,
        do_normalize_default=True,
        required_config={},
    )
    return replace(family, **facts)


FAMILIES = (
    _sigmoid_queries("rt_detr", "RTDetrForObjectDetection"),
    _sigmoid_queries("rt_detr_v2", "RTDetrV2ForObjectDetection"),
    _sigmoid_queries("d_fine", "DFineForObjectDetection"),
    _queries("detr", "DetrForObjectDetection", background_classes=1),
    _queries("table-transformer", "TableTransformerForObjectDetection", background_classes=1),
    _queries("yolos", "YolosForObjectDetection", background_classes=1),
    _queries("conditional_detr", "ConditionalDetrForObjectDetection"),
    _queries("deformable_detr", "DeformableDetrForObjectDetection"),
    _queries("dab-detr", "DabDetrForObjectDetection"),
    _queries("rf_detr", "RfDetrForObjectDetection"),
    _queries("owlvit", "OwlViTForObjectDetection", default_threshold=0.1, cluster_mode=2),
    _queries("owlv2", "Owlv2ForObjectDetection", default_threshold=0.1, cluster_mode=2),
    _queries("grounding-dino", "GroundingDinoForObjectDetection", default_threshold=0.25),
)


@dataclass(frozen=True)
class Detector:
    """A model that can be built: its architecture, its family, and the class names its config gives by id."""

    architecture: str
    model_type: str
    family: Family
    id2label: Mapping[int, str]


def read_detector(path: Path) -> Detector:
    """Return the detector that the config.json at `path` describes.

    Raises NotADetectorError naming the architecture when it is not an object detector of a known family,
    UnsupportedHeadError when it is one but with a head that the family's parser does not decode.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BuildError(f"{path}: not a readable JSON file ({error}); expected a config.json.") from error
    if not isinstance(config, dict):
        raise BuildError(f"{path}: found a JSON {type(config).__name__}, expected an object.")
    family = _family(config, path)
    for key, expected in family.required_config.items():
        if config.get(key, expected) != expected:
            raise UnsupportedHeadError(
                f"{path}: {key} is {config[key]!r}; {family.parser_source} decodes only {key} {expected!r}."
            )
    return Detector(family.architecture, family.model_type, family, _id2label(config, path))


def _family(config: dict, path: Path) -> Family:
    architectures = config.get("architectures")
    model_type = config.get("model_type")
    if isinstance(architectures, list) and architectures:
        found = [str(name) for name in architectures]
        families = [family for family in FAMILIES if family.architecture in found]
    else:
        found = [f"no architectures, model_type {model_type!r}"]
        families = [family for family in FAMILIES if family.model_type == model_type]
    if len(families) != 1:
        expected = ", ".join(family.architecture for family in FAMILIES)
        raise NotADetectorError(
            f"{path}: {', '.join(found)} is not an object detector that can be built; "
            f"expected one of {expected}."
        )
    if "auto_map" in config:
        raise NotADetectorError(
            f"{path}: {', '.join(found)} comes with its own Python code (auto_map), which is never run; "
            "use a model of the same architecture without auto_map."
        )
    return families[0]


def _id2label(config: dict, path: Path) -> dict[int, str]:
    id2label = config.get("id2label")
    if isinstance(id2label, dict) and id2label:
        try:
            return {int(key): str(name) for key, name in id2label.items()}
        except ValueError as error:
            raise BuildError(f"{path}: id2label has a key that is not a class id ({error}).") from error
    label2id = config.get("label2id")
    # Names such as N/A that occur twice collapse in label2id; only a complete one can be turned round.
    if isinstance(label2id, dict) and set(map(str, label2id.values())) == set(map(str, range(len(label2id)))):
        return {int(number): name for name, number in label2id.items()}
    return {}


def class_count(family: Family, outputs: Mapping[str, Sequence[int | str | None]]) -> int:
    """Return the number of classes in the family's logits tensor, background not counted.

    `outputs` gives the ONNX outputs by name with their dims, batch first. Raises UnsupportedHeadError when
    they are not the family's two tensors.
    """
    logits = outputs.get(family.logits_output)
    boxes = outputs.get(family.boxes_output)
    found = "; ".join(f"{name} {list(dims)}" for name, dims in outputs.items()) or "none"
    expected = f"{family.logits_output} [batch, Q, C] and {family.boxes_output} [batch, Q, 4]"
    if logits is None or boxes is None or len(logits) != 3 or len(boxes) != 3:
        raise UnsupportedHeadError(f"The ONNX outputs are {found}; {family.name} has {expected}.")
    concrete = isinstance(logits[1], int) and isinstance(logits[2], int)
    if not concrete or boxes[1] != logits[1] or boxes[2] != 4 or logits[2] <= family.background_classes:
        raise UnsupportedHeadError(
            f"The ONNX outputs are {found}; {family.name} has {expected} with Q and C fixed in the graph."
        )
    return logits[2] - family.background_classes
