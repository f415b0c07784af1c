"""What the result of a rule's script depends on in this project's code, as a hash; Snakemake does not see imports."""

import hashlib
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# They word errors and progress, say how a tool is called, whose facts are inputs, or how a file gets its name; no
# artefact holds them.
NOT_IN_OUTPUTS = frozenset(
    {
        "dag.rule_script",
        "tools.bounded_job",
        "tools.confined",
        "tools.tool_run",
        "machine.toolchain",
        "core.files",
    }
)
# A string, which may hold anything of the rest; a comment; blanks before the end of a line, and blank lines.
TOKEN = re.compile(
    r'("""(?:\\.|[^\\])*?"""|"(?:\\.|[^"\\\n])*"'
    r"|'''(?:\\.|[^\\])*?'''|'(?:\\.|[^'\\\n])*')"
    r"|\s*#[^\n]*|\s+(?=\n)",
    re.S,
)
# A string in three quotes is a docstring where a file begins, or a block or class does.
BEGINS = re.compile(r"(?:\A|:[ \t]*\n)\s*\Z")
LINE_BEFORE = 400
IMPORT = re.compile(r"^[ \t]*import (.+)", re.M)
FROM_IMPORT = re.compile(r"^[ \t]*from (dsbench[\w.]*) import (\([^)]*\)|.*)", re.M)


@cache
def code_version(script: str, *programs: str) -> str:
    """Return a hash that changes when what the rule script `script` does changes, or what it imports does.

    `programs` are modules of this package that the script starts as programs. Comments, docstrings and blank lines
    do not count.
    """
    file = PACKAGE.parent / f"{script}.py"
    digest = hashlib.sha256(meaning(file).encode())
    modules = imported_modules(file) - NOT_IN_OUTPUTS
    for used in sorted(files_behind(*modules, *programs)):
        digest.update(used.relative_to(PACKAGE).as_posix().encode() + b"\0" + meaning(used).encode())
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
def meaning(file: Path) -> str:
    """Return a Python file without comments, docstrings and blank lines.

    Its text is searched: a syntax tree of each module takes four times as long, before every dry run.
    """
    text = file.read_text(encoding="utf-8")

    def kept(token: re.Match) -> str:
        before = text[max(0, token.start() - LINE_BEFORE) : token.start()]
        is_docstring = token[0].startswith('"""') and BEGINS.search(before)
        return '""' if is_docstring else token[1] or ""

    return TOKEN.sub(kept, text)


@cache
def _files_of(module: str) -> frozenset[Path]:
    """Return a module's file, or all of a package's: which of them it imports may be decided as it runs."""
    path = PACKAGE / module.replace(".", "/")
    return frozenset(path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")])


@cache
def imported_modules(file: Path) -> frozenset[str]:
    """Return the modules of this package that a Python file imports, in whichever way it is written."""
    text = meaning(file)
    names = [name for listed in IMPORT.findall(text) for name in listed.split(",")]
    for module, imported in FROM_IMPORT.findall(text):
        listed = [name.strip() for name in imported.strip("()").split(",")]
        folder = PACKAGE.parent / module.replace(".", "/")
        names += [
            f"{module}.{name}" if (folder / f"{name.split()[0]}.py").is_file() else module
            for name in listed
            if name
        ]
    modules = (name.split()[0] for name in names if name.strip())
    return frozenset(name.removeprefix("dsbench.") for name in modules if name.startswith("dsbench."))
