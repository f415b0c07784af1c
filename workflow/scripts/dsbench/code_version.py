"""Content hashes of library modules with everything they import, since Snakemake does not see imports."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


@cache
def code_version(*modules: str) -> str:
    """Return a hash that changes when one of the `modules` of this package, or one they import, changes."""
    digest = hashlib.sha256()
    for file in sorted(files_behind(*modules)):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def files_behind(*modules: str) -> set[Path]:
    """Return the files of the `modules` and of every module of this package that they import."""
    found: set[Path] = set()
    open_files = [file for module in modules for file in _files_of(module)]
    while open_files:
        file = open_files.pop()
        if file not in found:
            found.add(file)
            open_files += [other for name in imported_modules(file) for other in _files_of(name)]
    return found


def _files_of(module: str) -> list[Path]:
    """Return a module's file, or all of a package's: which of them it imports may be decided as it runs."""
    path = PACKAGE / module.replace(".", "/")
    return sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@cache
def imported_modules(file: Path) -> frozenset[str]:
    """Return the modules of this package that a Python file imports, in whichever way it is written."""
    nodes = list(ast.walk(ast.parse(file.read_text(), str(file))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "dsbench":
            names += [f"dsbench.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return frozenset(name.removeprefix("dsbench.") for name in names if name.startswith("dsbench."))
