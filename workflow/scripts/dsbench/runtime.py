"""Which runtime a build uses: NVIDIA's programs, or the embedded ones that speak the same language."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dsbench.errors import BuildError

PROGRAMS = ("trtexec", "deepstream-app")
EMBEDDED_PROGRAMS = "workflow/embedded/bin"


@dataclass(frozen=True)
class Runtime:
    """The programs of one runtime; `kind` is "nvidia" or "embedded"."""

    kind: str
    trtexec: str
    deepstream_app: str


def choose_runtime(wanted: str, project: Path) -> Runtime:
    """Return the runtime for the config's `runtime`: auto takes NVIDIA's when both programs are on PATH."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if wanted == "nvidia" and missing:
        raise BuildError(
            f"config: runtime is nvidia, but {' and '.join(missing)} is not on PATH;"
            " install it or add its folder to PATH, or set runtime: embedded"
        )
    return runtime_of("nvidia" if wanted != "embedded" and not missing else "embedded", project)


def runtime_of(kind: str, project: Path) -> Runtime:
    """Return the runtime of this `kind`, whether or not its programs are on the machine that asks."""
    if kind == "nvidia":
        return Runtime("nvidia", *PROGRAMS)
    folder = project / EMBEDDED_PROGRAMS
    return Runtime("embedded", *(str(folder / name) for name in PROGRAMS))
