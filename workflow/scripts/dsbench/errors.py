"""The root of every failure the build explains in one sentence, and what such a sentence offers."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class BuildError(Exception):
    """A step that cannot go on; the text names the file, what was found, what was expected, what to do."""


def closest(name: str, known: Iterable[str], place: str, most: int = 3) -> str:
    """Return which of the `known` names are expected: all where they are few, else those most like `name`.

    `place` is where all of them stand.
    """
    names = list(map(str, known))
    if len(names) <= 2 * most:
        return f"expected {'one of ' if len(names) > 1 else ''}{', '.join(names)}"
    alike = {each.lower().replace("-", "_"): each for each in names}
    near = [
        alike[each] for each in get_close_matches(name.lower().replace("-", "_"), alike, most, cutoff=0.4)
    ]
    like = f"the closest: {', '.join(near)}; " if near else ""
    return f"{like}all {len(names)} are in {place}"


def refuse_braces(what: str, path: str | Path) -> None:
    """Raise BuildError for a path with braces: Snakemake takes what is between them for a name to fill in."""
    if set("{}") & set(str(path)):
        raise BuildError(
            f"{path}: {what} has a brace, and Snakemake fills in whatever stands between braces; rename it"
        )
