"""Content hashes of library modules with everything they import, since Snakemake does not see imports."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def code_version(*modules: str) -> str:
    """Return a hash that changes when one of the `modules` of this package, or one they import, changes."""
    files: set[Path] = set()
    for module in modules:
        files |= _closure(module)
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _closure(module: str) -> set[Path]:
    found: set[Path] = set()
    open_files = _files_of(module)
    while open_files:
        file = open_files.pop()
        if file not in found:
            found.add(file)
            open_files += [other for name in _imported(file) for other in _files_of(name)]
    return found


def _files_of(module: str) -> list[Path]:
    """Return a module's file, or all of a package's: which of them it imports may be decided as it runs."""
    path = PACKAGE / module.replace(".", "/")
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@cache
def _imported(file: Path) -> frozenset[str]:
    return frozenset(
        node.module.removeprefix("dsbench.")
        for node in ast.walk(ast.parse(file.read_text(), str(file)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dsbench.")
    )
