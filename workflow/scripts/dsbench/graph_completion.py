"""Makes a ready-made graph one that can be told: an NMS plugin is taken out, a head in separate outputs joined."""

from dataclasses import dataclass, field

import numpy as np
import onnx

from dsbench.families import families, family_named
from dsbench.families.before_nms import BEFORE, families_before_nms
from dsbench.family import Family
from dsbench.graph_facts import GraphFacts, graph_facts
from dsbench.graph_families import Verdict, only_one, recognise
from dsbench.graph_refusals import NOT_DECODED, REFUSALS
from dsbench.head_joining import join_heads
from dsbench.nms_plugins import take_out_nms
from dsbench.onnx_import import source_answers


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

    def verdict(self, facts: GraphFacts, named: str | None, hint: Family | None) -> Verdict:
        """Return the family of the imported graph with these facts; see graph_families.recognise."""
        if self.has_plugin:
            named = BEFORE[named].name if named in BEFORE else named
        if named is not None or not (self.has_plugin or self.joined):
            return recognise(facts, named, hint)
        found = [self.joined] if self.joined else families_before_nms(self.came, facts)
        return only_one([Verdict(family, f"{self.seen}: {self.came.signature()}") for family in found], facts)


def completed(
    source: onnx.ModelProto, pixels: np.ndarray, class_names: dict[int, str], named: str | None = None
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
