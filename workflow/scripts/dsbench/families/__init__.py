"""The declared families: every module of this package has FAMILIES, and adding one touches that module alone."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from dsbench.errors import BuildError, closest
from dsbench.family import Family

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
