"""The decision table: which family an ONNX belongs to by its tensors, and which ones it comes nearest to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dsbench.core.errors import BuildError
from dsbench.families.declared import LIST, families, family_named
from dsbench.families.family import Family, FrameTensors, HeadFacts
from dsbench.families.graph_facts import GraphFacts, shown_dims
from dsbench.families.graph_refusals import REFUSALS
from dsbench.families.graph_signs import HALF, LARGEST_SCORE
from dsbench.families.reference_decoders import anchor_counts, softmax
from dsbench.intake.model_bounds import MOST_CLASSES

MOST = 3
# Lengths of an example's axes up to this one belong to the form, such as a box's 4; longer ones are how many there are.
LONGEST_FIXED = 16
CLASSES, SIZE = (3, 5), ((320, 256), (640, 512))


@dataclass(frozen=True)
class Fit:
    """How a graph compares with one family: outputs by the role that they fit, and the roles that none fits."""

    family: Family
    found: Mapping[str, str]
    missing: tuple[str, ...]
    spare: int
    named: int

    @property
    def distance(self) -> tuple[float, int]:
        """Order of closeness: the share of tensors that are missing or too many, then names of another kind."""
        wrong = len(self.missing) + self.spare
        return wrong / (len(self.family.head.roles) + self.spare), -self.named


def forms(family: Family) -> dict[str, list[int | str]]:
    """Return the axes of each role's tensor: a number, or in words what it counts."""
    small, classes, size = (
        family.example(np.random.default_rng(0), number, *sides)
        for number, sides in ((CLASSES[0], SIZE[0]), (CLASSES[1], SIZE[0]), (CLASSES[0], SIZE[1]))
    )
    return {
        role: ["B", *map(_axis, small[role].shape, classes[role].shape, size[role].shape)]
        for role in family.head.roles
    }


def _axis(length: int, more_classes: int, larger: int) -> int | str:
    if length != larger:
        return "cells"
    if length == more_classes:
        return length if length <= LONGEST_FIXED else "N"
    each = (more_classes - length) // (CLASSES[1] - CLASSES[0])
    beside = length - each * CLASSES[0]
    return f"{f'{beside} + ' if beside else ''}{f'{each} x ' if each > 1 else ''}classes"


def nearest(facts: GraphFacts) -> list[str]:
    """Return a line for each of the closest families, no two of one head: what fits and what does not.

    None where no output has a form that any family has.
    """
    best: dict[str, Fit] = {}
    for family in families():
        if not family.signs:
            continue
        fit = _fit(facts, family)
        known = best.get(family.head.parser_symbol)
        if known is None or fit.distance < known.distance:
            best[family.head.parser_symbol] = fit
    closest = sorted((fit for fit in best.values() if fit.found), key=lambda fit: fit.distance)[:MOST]
    return [_line(facts, fit) for fit in closest]


def _fit(facts: GraphFacts, family: Family) -> Fit:
    try:
        names = dict(family.tensors(facts))
    except (LookupError, TypeError, ValueError):
        names = {}
    free = list(facts.outputs)
    found, named = {}, 0
    for role, form in forms(family).items():
        name = names.get(role)
        others = set(family.head.roles) - {role}
        candidates = [name] if name in free else [each for each in free if each not in others]
        output = next((each for each in candidates if _has_form(facts.dims(each), form)), None)
        if output is not None:
            free.remove(output)
            found[role] = output
            named += output == name
    missing = tuple(role for role in family.head.roles if role not in found)
    return Fit(family, found, missing, len(free), named)


def _has_form(dims: list, form: list[int | str]) -> bool:
    """Tell dims of the form's length whose numbers can be those of its axes; symbolic ones fit any."""
    return len(dims) == len(form) and all(
        not isinstance(dim, int) or _can_be(dim, axis) for dim, axis in zip(dims, form, strict=True)
    )


def _can_be(dim: int, axis: int | str) -> bool:
    if isinstance(axis, int):
        return dim == axis
    beside, plus, _ = axis.partition(" + ")
    return not plus or dim > int(beside)


def _line(facts: GraphFacts, fit: Fit) -> str:
    form = forms(fit.family)
    fits = [f"{name} {shown_dims(facts.dims(name))} as {role}" for role, name in fit.found.items()]
    lacks = [f"there is no {role} {shown_dims(form[role])}" for role in fit.missing]
    if fit.spare:
        lacks.append(f"there {'are' if fit.spare > 1 else 'is'} {fit.spare} more")
    if not lacks:
        lacks.append(f"it is not {' or '.join(dict.fromkeys(sign.seen for sign in fit.family.signs))}")
        if facts.cells and any("cells" in axes for axes in form.values()):
            height, width = facts.image_size
            lacks.append(f"{width}x{height} pixels have {facts.cells} cells of strides 8, 16 and 32")
    return f"  {fit.family.name}: {', '.join(fits)} would fit, but {', '.join(lacks)}."


def _told_before(family: Family) -> str:
    return (
        "config.json"
        if family.architectures
        else "its outputs before they were joined or its plugin taken out"
    )


def family_table() -> str:
    """Return all families as a Markdown table: what tells each, and its architectures in config.json."""
    rows = [
        f"| `{family.name}` | {'; '.join(sign.seen for sign in family.signs) or _told_before(family)}"
        f" | {', '.join(f'`{name}`' for name in family.architectures)} |"
        for family in sorted(families(), key=lambda family: family.name)
    ]
    return "\n".join(["| Family | Told by | Architectures in config.json |", "|---|---|---|", *rows])


class UnknownGraphError(BuildError):
    """A graph that is no object detector of a known family, or may be one of several, with its signature."""


@dataclass(frozen=True)
class Recognition:
    """The family and what gave it away."""

    family: Family
    why: str


def recognise(facts: GraphFacts, named: str | None = None, hint: Family | None = None) -> Recognition:
    """Return the family of the first row of the table that matches, or the family `named` in the config.

    `hint` is config.json's. Where several families match in the same row, one that shares its head is taken, since
    config.json then tells which.

    Raises UnknownGraphError with what was seen where none matches, where the row is a refusal, or where two
    families match in the same row.
    """
    if named is not None:
        return _as_named(facts, family_named(named))
    found = [
        (sign.rank, Recognition(family, f"{sign.seen}: {facts.signature()}"))
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
    candidates = [candidate for rank, candidate in found if rank == first]
    if hint is not None and len(candidates) > 1:
        alike = [candidate for candidate in candidates if candidate.family.head is hint.head]
        candidates = alike[:1] or candidates
    return only_one(candidates, facts)


def only_one(found: list[Recognition], facts: GraphFacts) -> Recognition:
    """Return the one candidate; raise UnknownGraphError naming the families where there are several."""
    if len(found) > 1:
        given = f" and the {len(facts.class_names)} class names" if facts.class_names else ""
        raise UnknownGraphError(
            f"the ONNX ({facts.signature()}) may be {_names([v.family for v in found], ' or ')}: its tensors{given}"
            f" do not tell{_spare_column(facts, found)}; name one with family: in the model's entry, or its classes"
            " with labels: there."
        )
    return found[0]


def _spare_column(facts: GraphFacts, candidates: list[Recognition]) -> str:
    """Return what the last column may be, where the families differ in whether it is a class."""
    columns = {candidate.family.head.background_behind for candidate in candidates}
    if not facts.class_names or len(columns) == 1:
        return ""
    if len(facts.class_names) in (facts.dims("logits") or facts.dims("pred_logits"))[2:]:
        return " (as many columns as names, but most queries of one answer are sure of the last, as of a background)"
    return (
        " (a column more than names may be a background behind the classes, which one answer did not show, or column 0"
        " where ids begin at 1)"
    )


def refuse_no_detector(facts: GraphFacts) -> None:
    """Raise UnknownGraphError where the facts show something else than a detector, whatever is not known of them."""
    ranks = [sign.rank for family in families() for sign in family.signs if sign.matches(facts)]
    ranks += [row.rank for row in REFUSALS if not row.is_no_detector and row.matches(facts)]
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


def _as_named(facts: GraphFacts, family: Family) -> Recognition:
    """Return the family that the config names; raise UnknownGraphError where the graph contradicts it."""
    candidate = Recognition(family, f"family: {family.name} in the config")
    task = facts.metadata.get("task", "detect")
    if task != "detect":
        raise UnknownGraphError(
            f"{_contradicts(facts, family)} its metadata says that its task is {task[:40]!r}."
        )
    told = family_facts(family, facts)
    _refuse_other_cells(facts, family, told)
    _refuse_no_scores(facts, family, told)
    _refuse_no_background(facts, family, told)
    return candidate


def _contradicts(facts: GraphFacts, family: Family) -> str:
    return f"the ONNX ({facts.signature()}) is not of family: {family.name}, as the model's entry says:"


def _refuse_other_cells(facts: GraphFacts, family: Family, told: HeadFacts) -> None:
    """Raise UnknownGraphError where a head with anchors at each cell has another number of them than the image."""
    if family.head.anchors is None or not all(facts.image_size):
        return
    found = family.head.anchors({role: facts.dims(name) for role, name in told.tensors.items()})
    if isinstance(found, int) and found not in anchor_counts(*facts.image_size):
        height, width = facts.image_size
        named = f" ({len(facts.class_names)} are named)" if facts.class_names else ""
        raise UnknownGraphError(
            f"{_contradicts(facts, family)} {found} anchors with {told.class_count} classes each{named}, but no"
            f" strides from 4 to 128 give {found} for {width}x{height} pixels; correct family:, the axes may be the"
            " other way round."
        )


def _refuse_no_scores(facts: GraphFacts, family: Family, told: HeadFacts) -> None:
    """Raise UnknownGraphError where the answer, decoded as the family's, has scores that none can be."""
    # Rows that are in no use may hold anything; a head with anchors has none.
    lowest = 0.0 if family.head.anchors is None else -np.inf
    found = decoded(family, facts, told, lowest)
    if found is None or not len(found):
        return
    least, most = found[:, 5].min(), found[:, 5].max()
    if most > LARGEST_SCORE or least < 1 - LARGEST_SCORE:
        raise UnknownGraphError(
            f"{_contradicts(facts, family)} read so, its scores go from {least:.4g} to {most:.4g}, expected 0 to 1;"
            " correct family:, or export it with the decoding in the graph."
        )


def _refuse_no_background(facts: GraphFacts, family: Family, told: HeadFacts) -> None:
    """Raise UnknownGraphError where the last column, the family's background, leads in few queries of the answer."""
    answer = facts.answers.get(told.tensors.get("logits", ""))
    if not family.head.background_behind or answer is None:
        return
    leading = int((softmax(answer[0])[:, -1] > HALF).sum())
    if leading <= HALF * len(answer[0]):
        raise UnknownGraphError(
            f"{_contradicts(facts, family)} its last column is no background, which in a picture most queries are,"
            f" here {leading} of {len(answer[0])}; correct family:, a spare column may be the first, of ids from 1."
        )


def _names(found: tuple[Family, ...] | list[Family], between: str = ", ") -> str:
    return between.join(sorted({family.name for family in found}))


def family_facts(family: Family, facts: GraphFacts) -> HeadFacts:
    """Return what the ONNX has of the family.

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
    told = HeadFacts(
        family=family.name,
        tensors=tensors,
        settings=settings,
        class_count=classes,
        background_behind=family.head.background_behind,
        parser_source=family.head.parser_source,
        parser_symbol=family.head.parser_symbol,
        largest_class=None,
    )
    return replace(told, largest_class=_largest_class(family, facts, told))


def decoded(family: Family, facts: GraphFacts, told: HeadFacts, threshold: float) -> np.ndarray | None:
    """Return the rows [N, 6] that the family's decoder makes of one picture's answer, those above the threshold.

    None where the graph was not run, or its tensors have not the shapes that the decoder reads.
    """
    names = told.tensors
    if not all(facts.image_size) or not set(names.values()) <= facts.answers.keys():
        return None
    height, width = facts.image_size
    tensors = {role: facts.answers[name][0] for role, name in names.items()}
    thresholds = np.full(told.class_count or MOST_CLASSES, threshold)
    try:
        return family.head.decode(FrameTensors(tensors, width, height, thresholds), told.settings)
    except (IndexError, ValueError):
        return None


def _largest_class(family: Family, facts: GraphFacts, told: HeadFacts) -> int | None:
    """Return the largest class id among the detections in one picture where the tensors do not tell their number."""
    found = decoded(family, facts, told, 0.0) if told.class_count is None else None
    return None if found is None or not len(found) else int(found[:, 0].max())
