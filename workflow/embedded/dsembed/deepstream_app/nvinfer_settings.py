"""Reads an nvinfer configuration file into the settings of one detector, key by key."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dsembed.deepstream_app.app_settings import GieSettings
from dsembed.shared.cpp_numbers import FLOAT_MAX
from dsembed.shared.declared_keys import Key, RefusedError, flag, integer, only, read_group, refused
from dsembed.shared.keyfile import KeyFile

LEGACY = (
    *("model-file", "proto-file", "uff-file", "uff-input-blob-name", "uff-input-dims", "uff-input-order"),
    *("tlt-encoded-model", "tlt-model-key", "is-classifier", "enable-dbscan", "input-dims"),
)
PROPERTY = {
    "gie-unique-id": integer(15),
    "gpu-id": only(0),
    "batch-size": integer(1),
    "process-mode": only(1),
    "interval": only(0),
    "network-mode": only(0, 1, 2, 3),
    "network-type": only(0),
    "onnx-file": Key("string"),
    "model-engine-file": Key("string"),
    "int8-calib-file": Key("string"),
    "labelfile-path": Key("string"),
    "custom-lib-path": Key("string"),
    "parse-bbox-func-name": Key("string"),
    "engine-create-func-name": refused(),
    "num-detected-classes": integer(0),
    "model-color-format": only(0, 1),
    "net-scale-factor": Key("number", 1.0),
    "offsets": Key("numbers", (0.0, 0.0, 0.0)),
    "mean-file": refused(),
    "infer-dims": Key("integers"),
    "network-input-order": only(0),
    "maintain-aspect-ratio": flag(0, 1),
    "symmetric-padding": flag(0, 1),
    "scaling-filter": integer(),
    "scaling-compute-hw": only(0),
    "cluster-mode": Key("integer", None, (2, 4)),
    "output-blob-names": Key("strings", ()),
    "output-tensor-meta": flag(0),
    "output-io-formats": Key("strings"),
    "layer-device-precision": Key("strings"),
    "workspace-size": integer(),
    "filter-out-class-ids": Key("integers", ()),
    "strongly-typed": flag(0, 1),
    "warmup-engine": flag(0),
    "stabilize-buffer-count": only(0),
    "dynamic-properties": only(0),
    "force-implicit-batch-dim": flag(0),
    "enable-dla": flag(0),
    "use-dla-core": refused("integer"),
    "secondary-reinfer-interval": integer(),
    "auto-inc-mem": integer(1),
    "max-gpu-mem-per": integer(99),
    "crop-objects-to-roi-boundary": flag(0),
    "disable-output-host-copy": only(0),
    "raw-output-file-write": flag(0),
    "input-tensor-from-meta": flag(0),
    "parse-classifier-func-name": refused(),
    "operate-on-gie-id": refused("integer"),
    "operate-on-class-ids": refused(),
    "custom-network-config": refused(),
    **{key: refused() for key in LEGACY},
}
CLASS_ATTRS = {
    "threshold": Key("number"),
    "pre-cluster-threshold": Key("number", 0.2),
    "post-cluster-threshold": Key("number", 0.0),
    "nms-iou-threshold": Key("number", 0.3),
    "topk": integer(-1),
    "roi-top-offset": integer(0),
    "roi-bottom-offset": integer(0),
    "detected-min-w": integer(0),
    "detected-min-h": integer(0),
    "detected-max-w": integer(0),
    "detected-max-h": integer(0),
    "eps": Key("number"),
    "minBoxes": integer(),
    "group-threshold": integer(),
    "dbscan-min-score": Key("number"),
    "border-color": Key("numbers"),
    "bg-color": Key("numbers"),
}


MAX_LABEL_BYTES = 127
BATCH_SIZES = range(1, 1025)
SCALING_FILTERS = (0, 1, 2, 3, 6)
OTHER_FILTERS = {4: " (Lanczos)", 5: " (nearest, a pixel aside)"}
CLASS_GROUP = "class-attrs-"
# As strtoull reads it: what follows the digits does not count.
CLASS_NUMBER = re.compile(r"\s*([+-]?[0-9]+)")
CLASS_COUNTS = range(1, 65537)


@dataclass(frozen=True)
class ClassAttributes:
    """The rules for objects of one class; sizes and offsets in mux surface pixels, `top_k` -1 means all."""

    pre_cluster_threshold: float
    post_cluster_threshold: float
    nms_iou_threshold: float
    top_k: int
    roi_top_offset: int
    roi_bottom_offset: int
    min_width: int
    min_height: int
    max_width: int
    max_height: int


@dataclass(frozen=True)
class PixelSettings:
    """What makes the network's pixels of a frame; `offsets` are per network channel."""

    bgr: bool
    scale_factor: float
    offsets: tuple[float, float, float]
    maintain_aspect_ratio: bool
    symmetric_padding: bool
    scaling_filter: int


@dataclass(frozen=True)
class ParserSettings:
    """What makes objects of the network's tensors; `classes` has the thresholds of each class."""

    parser_library: Path
    parser_symbol: str
    classes: tuple[ClassAttributes, ...]
    nms: bool
    filtered_out: frozenset[int]


@dataclass(frozen=True)
class NvinferSettings(PixelSettings, ParserSettings):
    """One detector; `infer_dims` is (3, height, width) or None."""

    path: Path
    engine_file: Path
    labels: tuple[str, ...]
    batch_size: int
    unique_id: int
    infer_dims: tuple[int, ...] | None
    output_names: tuple[str, ...]


def read_nvinfer_settings(gie: GieSettings, say: Callable[[str], None]) -> NvinferSettings:
    """Return the settings of `gie`, its own values before its file's; `say` gets a line per unknown key.

    Raises KeyFileError for a file or value that cannot be read, RefusedError for what is not supported.
    """
    try:
        return _Reader(KeyFile.read(gie.config_file.resolve()), say).settings(gie)
    except RefusedError as error:
        raise RefusedError(f"{gie.config_file}: {error}") from error


class _Reader:
    def __init__(self, keyfile: KeyFile, say: Callable[[str], None]):
        self.keyfile = keyfile
        self.say = say

    def settings(self, gie: GieSettings) -> NvinferSettings:
        if "property" not in self.keyfile.groups:
            raise RefusedError("no [property] group, expected an nvinfer configuration")
        values = read_group(self.keyfile, "property", PROPERTY, self._unknown_property)
        class_count = values["num-detected-classes"]
        batch_size = values["batch-size"] if gie.batch_size is None else gie.batch_size
        unique_id = values["gie-unique-id"] if gie.unique_id is None else gie.unique_id
        self._check(values, class_count, batch_size, unique_id)
        labels_file = gie.labels_file or self._path(values["labelfile-path"])
        dims = values["infer-dims"]
        return NvinferSettings(
            path=self.keyfile.path,
            engine_file=gie.engine_file or self._required_path(values, "model-engine-file"),
            labels=self._labels(labels_file, class_count),
            parser_library=self._required_path(values, "custom-lib-path"),
            parser_symbol=self._required(values, "parse-bbox-func-name"),
            batch_size=batch_size,
            unique_id=unique_id,
            bgr=values["model-color-format"] == 1,
            scale_factor=values["net-scale-factor"],
            offsets=values["offsets"],
            maintain_aspect_ratio=values["maintain-aspect-ratio"] == 1,
            symmetric_padding=values["symmetric-padding"] == 1,
            scaling_filter=self._required(values, "scaling-filter"),
            nms=self._required(values, "cluster-mode") == 2,
            infer_dims=dims,
            output_names=values["output-blob-names"],
            filtered_out=frozenset(values["filter-out-class-ids"]),
            classes=self._classes(class_count),
        )

    def _check(self, values: dict[str, Any], class_count: int, batch_size: int, unique_id: int) -> None:
        if class_count not in CLASS_COUNTS:
            raise RefusedError(
                f"[property] num-detected-classes={class_count}: set the number of classes, 1 to {CLASS_COUNTS[-1]}"
            )
        if batch_size not in BATCH_SIZES:
            raise RefusedError(f"[property] batch-size={batch_size}: expected 1 to 1024")
        if unique_id < 1:
            raise RefusedError(f"gie-unique-id={unique_id}: expected 1 or more")
        kind = values["scaling-filter"]
        if kind is not None and kind not in SCALING_FILTERS:
            raise RefusedError(
                f"[property] scaling-filter={kind}{OTHER_FILTERS.get(kind, '')}: the embedded runtime has 0 and 6"
                " (nearest), 1 (bilinear), 2 (cubic) and 3 (area)"
            )
        scale_factor, offsets = values["net-scale-factor"], values["offsets"]
        if not 0 < scale_factor <= FLOAT_MAX:
            raise RefusedError(
                f"[property] net-scale-factor={scale_factor}: expected a float32 number above 0"
            )
        if len(offsets) != 3:
            raise RefusedError(f"[property] offsets: {len(offsets)} values, expected 3")
        if not all(abs(offset) <= FLOAT_MAX for offset in offsets):
            raise RefusedError(f"[property] offsets={offsets}: expected float32 numbers")

    def _classes(self, class_count: int) -> tuple[ClassAttributes, ...]:
        common = self._attributes("class-attrs-all", CLASS_ATTRS)
        of_class: dict[int, dict[str, Any]] = {}
        for group in self.keyfile.groups:
            if not group.startswith(CLASS_GROUP) or group == "class-attrs-all":
                continue
            class_id = self._class_id(group, class_count)
            before = of_class.get(class_id, common)
            table = {name: replace(key, default=before[name]) for name, key in CLASS_ATTRS.items()}
            of_class[class_id] = self._attributes(group, table)
        return tuple(_class_attributes(of_class.get(index, common)) for index in range(class_count))

    def _class_id(self, group: str, class_count: int) -> int:
        number = CLASS_NUMBER.match(group.removeprefix(CLASS_GROUP))
        if not number:
            raise RefusedError(
                f"[{group}]: name it [class-attrs-all] or [class-attrs-N] with the number of a class"
            )
        if not 0 <= int(number[1]) < class_count:
            raise RefusedError(f"[{group}] is beyond num-detected-classes={class_count}")
        return int(number[1])

    def _attributes(self, group: str, table: dict[str, Key]) -> dict[str, Any]:
        values = read_group(self.keyfile, group, table, self._unknown_class_attribute)
        given = self.keyfile.groups.get(group, {})
        for name in given:
            if name not in table or not isinstance(values[name], int | float):
                continue
            if values[name] < 0:
                raise RefusedError(
                    f"[{group}] {name}={given[name]} is negative, leave it out for the default"
                )
            largest = 1 if name == "nms-iou-threshold" else FLOAT_MAX
            if not values[name] <= largest:  # so written because NaN is beyond every bound
                raise RefusedError(f"[{group}] {name}={given[name]}: expected 0 to {largest:g}")
        # Two names of one setting, of which the last in the file counts.
        names = [name for name in given if name in ("threshold", "pre-cluster-threshold")]
        if names:
            values["pre-cluster-threshold"] = values[names[-1]]
        return values

    def _labels(self, path: Path | None, class_count: int) -> tuple[str, ...]:
        if path is None:
            return ("",) * class_count
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise RefusedError(f"labelfile-path={path}: {error.strerror}") from error
        names = [line.split(b";")[0][:MAX_LABEL_BYTES] for line in lines if line]
        names += [b""] * (class_count - len(names))
        return tuple(name.decode("utf-8", "surrogateescape") for name in names[:class_count])

    def _required(self, values: dict[str, Any], key: str) -> Any:
        if values[key] is None:
            raise RefusedError(f"[property] has no {key}, the embedded runtime needs one")
        return values[key]

    def _required_path(self, values: dict[str, Any], key: str) -> Path:
        return self.keyfile.path.parent / self._required(values, key)

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self.keyfile.path.parent / text

    def _unknown_property(self, key: str) -> None:
        self.say(f"Unknown or legacy key specified '{key}' for group [property]")

    def _unknown_class_attribute(self, key: str) -> None:
        self.say(f"Unknown key '{key}' for group [property]")


def _class_attributes(values: dict[str, Any]) -> ClassAttributes:
    return ClassAttributes(
        pre_cluster_threshold=values["pre-cluster-threshold"],
        post_cluster_threshold=values["post-cluster-threshold"],
        nms_iou_threshold=values["nms-iou-threshold"],
        top_k=values["topk"],
        roi_top_offset=values["roi-top-offset"],
        roi_bottom_offset=values["roi-bottom-offset"],
        min_width=values["detected-min-w"],
        min_height=values["detected-min-h"],
        max_width=values["detected-max-w"],
        max_height=values["detected-max-h"],
    )
