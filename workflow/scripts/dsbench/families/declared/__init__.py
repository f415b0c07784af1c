"""The declared families: every module of this package has FAMILIES, and adding one touches that module alone."""

from collections.abc import Mapping
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


def family_of(inspect: Mapping[str, object]) -> Family:
    """Return the family of the model that inspect.json describes, with the overlap of its own NMS where it has one."""
    family, overlap = family_named(inspect["family"]), inspect.get("nms_iou_threshold")
    return family if overlap is None else replace(family, nms_iou_threshold=overlap)
