"""Content hashes of library modules with everything they import, since Snakemake does not see imports."""

import hashlib
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
COMMENT = re.compile(r"#.*")
IMPORT = re.compile(r"^[ \t]*import (.+)", re.M)
FROM_IMPORT = re.compile(r"^[ \t]*from (dsbench[\w.]*) import (\([^)]*\)|.*)", re.M)


@cache
def code_version(*modules: str) -> str:
    """Return a hash that changes when one of the `modules` of this package, or one they import, changes."""
    digest = hashlib.sha256()
    for file in sorted(files_behind(*modules)):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + _content(file))
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


@cache
def _content(file: Path) -> bytes:
    return file.read_bytes()


@cache
def _files_of(module: str) -> frozenset[Path]:
    """Return a module's file, or all of a package's: which of them it imports may be decided as it runs."""
    path = PACKAGE / module.replace(".", "/")
    return frozenset(path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")])


@cache
def imported_modules(file: Path) -> frozenset[str]:
    """Return the modules of this package that a Python file imports, in whichever way it is written.

    Its text is searched: a syntax tree of each module takes four times as long, before every dry run.
    """
    text = COMMENT.sub("", _content(file).decode())
    names = [name for listed in IMPORT.findall(text) for name in listed.split(",")]
    for module, imported in FROM_IMPORT.findall(text):
        listed = [name.strip() for name in imported.strip("()").split(",")]
        names += [f"dsbench.{name}" for name in listed if name] if module == "dsbench" else [module]
    modules = (name.split()[0] for name in names if name.strip())
    return frozenset(name.removeprefix("dsbench.") for name in modules if name.startswith("dsbench."))
