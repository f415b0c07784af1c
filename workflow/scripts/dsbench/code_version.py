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
        files |= _with_imports(PACKAGE / f"{module}.py")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def _with_imports(file: Path) -> frozenset[Path]:
    found = {file}
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dsbench."):
            found |= _with_imports(PACKAGE / f"{node.module.removeprefix('dsbench.')}.py")
    return frozenset(found)
