"""The declared families: every module of this package has FAMILIES, and adding one touches that module alone."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from dsbench.core.errors import BuildError, closest
from dsbench.families.family import Family

# The document that has a row for each family.
LIST = "docs/families.md"


class UnknownFamilyError(BuildError):
    """A family's name that no module of this package declares."""


@cache
def families() -> tuple[Family, ...]:
    """Return all families, in the order of their modules' names and of each module's own list."""
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return tuple(family for module in modules for family in module.FAMILIES)


def family_named(name: str) -> Family:
    """Return the family of that name; raise UnknownFamilyError with the closest ones."""
    found = next((family for family in families() if family.name == name), None)
    if found is None:
        known = sorted(family.name for family in families())
        raise UnknownFamilyError(f"family {name!r} is not known; {closest(name, known, LIST)}.")
    return found


def family_of(name: str, nms_iou_threshold: float | None) -> Family:
    """Return the family of that name for a model whose own NMS has this overlap, None where it has none."""
    family = family_named(name)
    return family if nms_iou_threshold is None else replace(family, nms_iou_threshold=nms_iou_threshold)
