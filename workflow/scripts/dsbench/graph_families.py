"""The decision table: which family an ONNX belongs to by its tensors, in the order of certainty."""

from dataclasses import dataclass

from dsbench.errors import BuildError
from dsbench.families import LIST, families, family_named
from dsbench.family import Family
from dsbench.graph_facts import GraphFacts
from dsbench.graph_nearest import nearest
from dsbench.graph_refusals import REFUSALS


class UnknownGraphError(BuildError):
    """A graph that is no object detector of a known family, or may be one of several, with its signature."""


@dataclass(frozen=True)
class Verdict:
    """The family and what gave it away."""

    family: Family
    why: str


def recognise(facts: GraphFacts, named: str | None = None, hint: Family | None = None) -> Verdict:
    """Return the family of the first row of the table that matches, or the family `named` in the config.

    `hint` is config.json's. Where several families match in the same row, one that shares its head is taken, since
    config.json then tells which.

    Raises UnknownGraphError with what was seen where none matches, where the row is a refusal, or where two
    families match in the same row.
    """
    if named is not None:
        return _as_named(facts, family_named(named))
    found = [
        (sign.rank, Verdict(family, f"{sign.seen}: {facts.signature()}"))
        for family in families()
        for sign in family.signs
        if sign.matches(facts)
    ]
    refused = [row for row in REFUSALS if row.matches(facts)]
    first = min([rank for rank, _ in found] + [row.rank for row in refused], default=None)
    if first is None:
        raise UnknownGraphError(_unknown(facts))
    for row in refused:
        if row.rank == first:
            raise UnknownGraphError(row.sentence(facts))
    verdicts = [verdict for rank, verdict in found if rank == first]
    if hint is not None and len(verdicts) > 1:
        verdicts = [verdict for verdict in verdicts if verdict.family.head is hint.head][:1] or verdicts
    if len(verdicts) > 1:
        given = f" and the {len(facts.class_names)} class names" if facts.class_names else ""
        raise UnknownGraphError(
            f"the ONNX ({facts.signature()}) may be {_names([v.family for v in verdicts], ' or ')}: its tensors{given}"
            " do not tell; name one with family: in the model's entry, or its classes with labels: there."
        )
    return verdicts[0]


def refuse_no_detector(facts: GraphFacts) -> None:
    """Raise UnknownGraphError where the facts show something else than a detector, whatever is not known of them."""
    ranks = [sign.rank for family in families() for sign in family.signs if sign.matches(facts)]
    for row in REFUSALS:
        if row.is_no_detector and row.matches(facts) and row.rank <= min(ranks, default=row.rank):
            raise UnknownGraphError(row.sentence(facts))


def _unknown(facts: GraphFacts) -> str:
    said = f"the ONNX ({facts.signature()}) is no object detector of a known family"
    if not (lines := nearest(facts)):
        return f"{said}: none of the {len(families())} in {LIST} has an output of such a form."
    return "\n".join(
        [
            f"{said}. The closest are",
            *lines,
            f"If it is one of these, name it with family: in the model's entry; {LIST} has all {len(families())}.",
        ]
    )


def _as_named(facts: GraphFacts, family: Family) -> Verdict:
    return Verdict(family, f"family: {family.name} in the config")


def _names(found: tuple[Family, ...] | list[Family], between: str = ", ") -> str:
    return between.join(sorted({family.name for family in found}))


def family_facts(family: Family, facts: GraphFacts) -> dict:
    """Return what inspect.json says of the family: its tensors by role, settings, and number of classes.

    `facts` are of the ONNX that nvinfer gets. Raises UnknownGraphError where the tensors are not the family's.
    """
    try:
        tensors = dict(family.tensors(facts))
    except (LookupError, ValueError):
        tensors = {}
    settings = family.all_settings()
    try:
        if set(tensors) != set(family.head.roles) or not set(tensors.values()) <= facts.names:
            raise ValueError("outputs are missing")
        settings |= family.settings_of(facts) if family.settings_of else {}
        classes = family.head.classes({role: facts.dims(name) for role, name in tensors.items()}, settings)
    except (LookupError, TypeError, ValueError) as error:
        raise UnknownGraphError(
            f"the ONNX ({facts.signature()}) has not the tensors of {family.name}:"
            f" {', '.join(family.head.roles)} with fixed dims but the batch; correct family: in the"
            " model's entry, or export it so."
        ) from error
    return {
        "tensors": tensors,
        "settings": settings,
        "class_count": classes,
        "parser_source": family.head.parser_source,
        "parser_symbol": family.head.parser_symbol,
    }
