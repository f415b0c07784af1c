"""Makes a ready-made graph one that can be told: a head in separate outputs is joined, an NMS plugin taken out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx

from dsbench.families.decision_table import Recognition, only_one, recognise
from dsbench.families.declared import families, family_named
from dsbench.families.declared.before_nms import BEFORE, families_before_nms
from dsbench.families.family import Family
from dsbench.families.graph_facts import GraphFacts, graph_facts
from dsbench.families.graph_refusals import NOT_DECODED, REFUSALS
from dsbench.onnx.batch import declared_batch
from dsbench.onnx.compare import GraphError
from dsbench.onnx.head_graph import HeadPart
from dsbench.onnx.head_layouts import LAYOUTS, with_anchors
from dsbench.onnx.head_outputs import Group, Reading, readings
from dsbench.onnx.importing import source_answers
from dsbench.onnx.nms_plugins import take_out_nms

MOST_NAMES_SHOWN = 12
# Batch, channels, rows, columns.
MAP_AXES = 4


class HeadsError(GraphError):
    """A head in separate outputs that nothing tells apart from another, or whose decoding is not in the file."""


@dataclass(frozen=True)
class JoinedHeads:
    """The graph with the head's decoding behind it, the family it belongs to now, and what was done."""

    model: onnx.ModelProto
    family: str
    seen: str
    note: str


def join_heads(
    model: onnx.ModelProto,
    answers: Sequence[Mapping[str, np.ndarray]],
    size: tuple[int, int],
    class_count: int | None = None,
    named: str | None = None,
) -> JoinedHeads | None:
    """Return the model with its outputs joined as their layout is published, None where they have no known layout.

    `answers` are the outputs for some pictures, one at a time; `size` is the network's height and width in pixels.
    Raises HeadsError where several layouts fit and neither `class_count` nor the family `named` in the config tells,
    or where the outputs do not tell the decoding.
    """
    dims = {name: value.shape for name, value in answers[0].items()}
    if len(dims) != len(model.graph.output):
        return None
    constant = {n: v for n, v in answers[0].items() if all(np.array_equal(v, a[n]) for a in answers[1:])}
    found = [*readings(dims, size, LAYOUTS), *with_anchors(dims, constant if len(answers) > 1 else {}, size)]
    found = [reading for reading in found if reading.layout.fits(reading.values(answers))]
    reading = _the_one(_of_these_pieces(model, found), class_count, named)
    return None if reading is None else _joined(model, reading, reading.values(answers))


def _the_one(found: list[Reading], class_count: int | None, named: str | None) -> Reading | None:
    """Return the reading that is left, None without any."""
    if named is not None:
        found = [reading for reading in found if reading.layout.family == named]
    fitting = [reading for reading in found if reading.classes == class_count]
    found = fitting or found
    if len(found) > 1:
        ways = " or ".join(dict.fromkeys(_told(reading) for reading in found))
        raise HeadsError(f"its outputs may be {ways}, and do not tell which; {_remedy(class_count, named)}.")
    return found[0] if found else None


def _remedy(class_count: int | None, named: str | None) -> str:
    """Return what somebody can still state who gave so many class names and that family."""
    ways = [
        *([] if named else ["name the family with family: in the model's entry"]),
        *([] if class_count else ["name its classes with labels: in the model's entry"]),
        "export it with its decoding",
    ]
    return ", or ".join(ways)


def _told(reading: Reading) -> str:
    """Return the family, and which output is what: two readings of one layout differ in nothing else."""
    parts = [f"{role} in {_listed(sorted(group.names))}" for role, group in reading.groups.items()]
    classes = "1 class" if reading.classes == 1 else f"{reading.classes} classes"
    return f"{reading.layout.family} ({classes}; {reading.layout.title}; {', '.join(parts)})"


def _listed(names: Sequence[str]) -> str:
    shown = [name[:60] for name in names[:MOST_NAMES_SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "")


def _of_these_pieces(model: onnx.ModelProto, found: list[Reading]) -> list[Reading]:
    """Return the readings whose maps the graph puts together from the layout's pieces, else those not refuted."""
    if len(found) < 2 or not any(reading.layout.pieces for reading in found):
        return found
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: v.type.tensor_type.shape.dim for v in (*inferred.value_info, *inferred.output)}
    channels = {name: dims[1].dim_value for name, dims in shapes.items() if len(dims) == MAP_AXES}
    joins = {node.output[0]: node.input for node in model.graph.node if node.op_type == "Concat"}
    shown = [
        [
            [channels.get(piece) for piece in joins[name]]
            for name in reading.names & joins.keys() & channels.keys()
        ]
        for reading in found
    ]
    fits = [all(each == reading.pieces for each in maps) for reading, maps in zip(found, shown, strict=True)]
    proven = [reading for reading, maps, fit in zip(found, shown, fits, strict=True) if maps and fit]
    return proven or [r for r, fit in zip(found, fits, strict=True) if fit or not r.layout.pieces]


def _joined(model: onnx.ModelProto, reading: Reading, values: Mapping[str, np.ndarray]) -> JoinedHeads:
    layout, groups = reading.layout, reading.groups
    if layout.join is None:
        raise HeadsError(f"its outputs are {layout.title}, not decoded: {layout.missing}.")
    part = HeadPart(values, reading.cells(), reading.size)
    types = {output.name: output.type.tensor_type.elem_type for output in model.graph.output}
    used = [of.role for of in layout.parts if of.role in groups and not of.unused]
    part.rows = {role: _rows(part, groups[role], types) for role in used}
    outputs = layout.join(part)
    read = [name for role in used for name, _ in groups[role].outputs]
    left_out = [name for name in types if name not in read]
    note = (
        f"the head is in {len(types)} outputs ({layout.title}): {len(part.nodes)} nodes were appended that make"
        f" {', '.join(outputs)} of {_listed(read)} as {layout.family} is decoded"
    )
    note += f"; left out: {_listed(left_out)}" if left_out else ""
    joined = part.onto(model, outputs, declared_batch(model))
    return JoinedHeads(joined, layout.family, layout.title, note)


def _rows(part: HeadPart, group: Group, types: Mapping[str, int]) -> str:
    """Append what makes rows [B, N, K] of one role's outputs, float32 whatever they are, and return their name."""
    levels = []
    for name, steps in group.outputs:
        tensor = name
        if types[name] != onnx.TensorProto.FLOAT:
            tensor = part.put("Cast", tensor, to=onnx.TensorProto.FLOAT)
        for op, argument in steps:
            if op == "Transpose":
                tensor = part.put(op, tensor, perm=argument)
            else:
                tensor = part.put(op, tensor, part.constant(argument, np.int64))
        levels.append(tensor)
    return levels[0] if len(levels) == 1 else part.put("Concat", *levels, axis=1)


@dataclass(frozen=True)
class Completed:
    """The graph to import, and what was done to it in sentences.

    `came` are the facts of the graph as it came. `joined` is the family of a joined head; `nms_iou_threshold` is the
    overlap of a plugin that was taken out, None where it states none or there was none.
    """

    model: onnx.ModelProto
    came: GraphFacts
    notes: list[str] = field(default_factory=list)
    seen: str = ""
    joined: Family | None = None
    has_plugin: bool = False
    nms_iou_threshold: float | None = None

    def recognised(self, facts: GraphFacts, named: str | None, hint: Family | None) -> Recognition:
        """Return the family of the imported graph with these facts; see graph_families.recognise."""
        if self.has_plugin:
            named = BEFORE[named].name if named in BEFORE else named
        if named is not None or not (self.has_plugin or self.joined):
            return recognise(facts, named, hint)
        found = [self.joined] if self.joined else families_before_nms(self.came, facts)
        return only_one(
            [Recognition(family, f"{self.seen}: {self.came.signature()}") for family in found], facts
        )


def completed(
    source: onnx.ModelProto, pixels: np.ndarray, class_names: Mapping[int, str], named: str | None = None
) -> Completed:
    """Return the graph without an NMS plugin and with its head joined; as it came where neither is needed.

    `pixels` [N, 3, H, W] are some pictures at the network's size; `named` is the family that the config names.
    Raises GraphError where a plugin or a head cannot be read, see nms_plugins and head_joining.
    """
    size = pixels.shape[2:]
    came = graph_facts(source, image_size=size, class_names=class_names)
    plugin = take_out_nms(source, came.class_count)
    if plugin is not None:
        return Completed(
            plugin.model, came, [plugin.note], plugin.op, has_plugin=True, nms_iou_threshold=plugin.iou
        )
    if len(source.graph.output) < 2 or _is_told(came):
        return Completed(source, came)
    answers, _ = source_answers(source, pixels)
    if _is_told(graph_facts(source, None, answers[0], size, class_names)):
        return Completed(source, came)
    heads = join_heads(source, answers, size, came.class_count, named)
    if heads is None:
        return Completed(source, came)
    return Completed(heads.model, came, [heads.note], heads.seen, joined=family_named(heads.family))


def _is_told(facts: GraphFacts) -> bool:
    """Tell a graph that the decision table knows, or refuses for more than a head that is not decoded."""
    refused = any(row.rank < NOT_DECODED and row.matches(facts) for row in REFUSALS)
    return refused or any(sign.matches(facts) for family in families() for sign in family.signs)
