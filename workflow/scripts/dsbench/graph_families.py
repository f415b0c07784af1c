"""The decision table: which family an ONNX belongs to by its tensors, in the order of certainty."""

from dataclasses import dataclass

from dsbench.errors import BuildError
from dsbench.graph_dense_rows import DENSE_ROWS
from dsbench.graph_facts import GraphFacts
from dsbench.graph_named_rows import NAMED_ROWS

ROWS = (*NAMED_ROWS, *DENSE_ROWS)


class UnknownGraphError(BuildError):
    """A graph that is no object detector of a known family, with its signature."""


@dataclass(frozen=True)
class Verdict:
    """The family and the row that gave it."""

    family: str
    why: str


def recognise(facts: GraphFacts) -> Verdict:
    """Return the family of the first row that matches; raise UnknownGraphError with what was seen."""
    for row in ROWS:
        if row.matches(facts):
            if row.refusal is None:
                return Verdict(row.family, f"{row.seen}: {facts.signature()}")
            raise UnknownGraphError(
                f"the ONNX ({facts.signature()}) is refused by {row.seen}:"
                f" {row.refusal.format(task=facts.metadata.get('task'))}."
            )
    raise UnknownGraphError(f"the ONNX ({facts.signature()}) is no object detector of a known family.")
