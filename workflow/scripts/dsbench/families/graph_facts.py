"""What a graph's inputs, outputs and metadata say, as the decision table asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dsbench.intake.labels import names_by_key

if TYPE_CHECKING:
    import onnx

STRIDES = (8, 16, 32)
CHANNEL_COUNTS = (1, 3)
MOST_SHOWN, LONGEST_NAME = 8, 80


@dataclass(frozen=True)
class GraphFacts:
    """Inputs and outputs with dims (a name where symbolic) and dtype, metadata, and the classes if known.

    `answers` are the outputs for one real picture, where it was run; `class_names` are by class id; `producer` is
    the exporter's name for itself.
    """

    inputs: Mapping[str, tuple[list, str]]
    outputs: Mapping[str, tuple[list, str]]
    metadata: Mapping[str, str]
    class_count: int | None
    answers: Mapping[str, np.ndarray]
    class_names: Mapping[int, str] = field(default_factory=dict)
    producer: str = ""

    @property
    def names(self) -> set[str]:
        """Names of the outputs."""
        return set(self.outputs)

    @property
    def side_inputs(self) -> set[str]:
        """Names of the inputs that are no image."""
        return {name for name, (dims, _) in self.inputs.items() if len(dims) != 4}

    @property
    def cells(self) -> int:
        """Number of grid cells at strides 8, 16 and 32 of the image; 0 where its size is not known."""
        height, width = self.image_size
        return sum((height // stride) * (width // stride) for stride in STRIDES)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the image input in pixels; 0, 0 where they are symbolic."""
        dims = next((dims for dims, _ in self.inputs.values() if len(dims) == 4), [0, 0, 0, 0])
        height, width = dims[1:3] if has_channels_last(dims) else dims[2:]
        return height if isinstance(height, int) else 0, width if isinstance(width, int) else 0

    def dims(self, name: str) -> list:
        """Return an output's dims, measured where it was run; empty for an output that is not there."""
        if name in self.answers:
            return list(self.answers[name].shape)
        return self.outputs.get(name, ([], ""))[0]

    def dtype(self, name: str) -> str:
        """Return an output's dtype, empty for an output that is not there."""
        return self.outputs.get(name, ([], ""))[1]

    @property
    def only_name(self) -> str | None:
        """Name of the output where there is one alone or where one 3-D stands before raw heads, else None."""
        if len(self.outputs) == 1:
            return next(iter(self.outputs))
        flat = [name for name in self.outputs if len(self.dims(name)) == 3]
        raw = all(len(self.dims(name)) == 5 for name in self.outputs if name not in flat)
        return flat[0] if len(flat) == 1 and raw else None

    @property
    def only(self) -> list:
        """Dims of the one output, empty where there is none."""
        return [] if self.only_name is None else self.dims(self.only_name)

    @property
    def rows(self) -> np.ndarray | None:
        """The answer of the one output for the one picture, None where it was not run."""
        name = self.only_name
        return self.answers[name][0] if name is not None and name in self.answers else None

    def signature(self) -> str:
        """Return inputs and outputs as one line."""
        return " -> ".join(_signature(side) for side in (self.inputs, self.outputs))


def _signature(side: Mapping[str, tuple[list, str]]) -> str:
    shown = [f"{name[:LONGEST_NAME]} {dims} {kind}" for name, (dims, kind) in side.items()][:MOST_SHOWN]
    more = [f"{len(side) - MOST_SHOWN} more"] if len(side) > MOST_SHOWN else []
    return ", ".join([*shown, *more]) or "none"


def shown_dims(dims: Iterable[int | str]) -> str:
    """Return dims as a sentence shows them."""
    return f"[{', '.join(map(str, dims))}]"


def graph_facts(
    model: onnx.ModelProto,
    class_count: int | None = None,
    answers: Mapping[str, np.ndarray] | None = None,
    image_size: tuple[int, int] | None = None,
    class_names: Mapping[int, str] | None = None,
) -> GraphFacts:
    """Return what the model's graph says, initializers that older files list as inputs left out.

    `image_size` is height and width in pixels where the graph is about to be fixed to them. Class names are those
    in the metadata where none are given.
    """
    weights = {weight.name for weight in model.graph.initializer}
    inputs = {v.name: tensor_facts(v) for v in model.graph.input if v.name not in weights}
    if image_size is not None:
        inputs = {
            name: (_with_size(dims, image_size) if len(dims) == 4 else dims, kind)
            for name, (dims, kind) in inputs.items()
        }
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    named = class_names or metadata_names(metadata)
    return GraphFacts(
        inputs=inputs,
        outputs={v.name: tensor_facts(v) for v in model.graph.output},
        metadata=metadata,
        class_count=class_count if class_count is not None else (max(named) + 1 if named else None),
        answers=answers or {},
        class_names=named,
        producer=model.producer_name,
    )


def has_channels_last(dims: Sequence[int | str]) -> bool:
    """Return whether an image's four dims end with the channels, one or three; a free axis is no channel axis."""
    return dims[1] not in CHANNEL_COUNTS and dims[3] in CHANNEL_COUNTS


def _with_size(dims: list, size: tuple[int, int]) -> list:
    return [dims[0], *size, dims[3]] if has_channels_last(dims) else [*dims[:2], *size]


def tensor_facts(value: onnx.ValueInfoProto) -> tuple[list, str]:
    """Return dims (names where symbolic, "?" where unnamed) and dtype of an input or output."""
    # The families need this module, and every dry run needs them.
    from onnx.helper import tensor_dtype_to_np_dtype

    kind = value.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim]
    return dims, tensor_dtype_to_np_dtype(kind.elem_type).name


def metadata_names(metadata: Mapping[str, str]) -> dict[int, str]:
    """Return the class names in the first key of the metadata that lists them; empty without."""
    return next(iter(names_by_key(metadata).values()), {})


def stated_license(metadata: Mapping[str, str]) -> str | None:
    """Return the licence in the metadata where it is a short plain text, as Ultralytics' exporter writes it."""
    stated = metadata.get("license", "")
    return stated if re.fullmatch(r"[\w.+()/: -]{1,120}", stated) else None
