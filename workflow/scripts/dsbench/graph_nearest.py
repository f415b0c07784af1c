"""Which families a graph comes nearest to, and what of each it has and lacks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dsbench.families import families
from dsbench.family import Family
from dsbench.graph_facts import GraphFacts, shown_dims

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
