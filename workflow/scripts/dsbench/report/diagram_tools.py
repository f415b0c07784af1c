"""The Mermaid diagrams of a document, and what draws them: mermaid-cli in Node.js, with the system's Chromium."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import copy_whole
from dsbench.core.secret_words import environment_without_tokens
from dsbench.tools.tool_run import run_in_time

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
INSTALL = (
    "Node.js and npm with `apt-get install nodejs npm`, and Chromium with `apt-get install chromium` on Debian; on"
    " Ubuntu google-chrome-stable from Google's own package"
)
INSTALL_S = 900
FENCE = re.compile(r"^(`{3,}|~{3,})[ ]*([\w-]*)[^\n]*\n(.*?)^\1[`~]*[ ]*$", re.MULTILINE | re.DOTALL)


class DocumentError(BuildError):
    """A document that cannot be printed."""


@dataclass(frozen=True)
class Fence:
    """A fenced block of a Markdown text: its language, its lines and where it stands."""

    language: str
    body: str
    span: tuple[int, int]


def diagrams(text: str) -> list[Fence]:
    """Return the Mermaid diagrams of a Markdown text; one that another block quotes is none."""
    blocks = (Fence(found[2].lower(), found[3], found.span()) for found in FENCE.finditer(text))
    return [block for block in blocks if block.language == "mermaid"]


def has_diagrams(document: Path) -> bool:
    """Return whether a document is there and has a diagram."""
    return document.is_file() and bool(diagrams(document.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Tools:
    """What draws a diagram: the programs, the folder of npm's packages, and the settings of browser and Mermaid."""

    node: str
    browser: str
    packages: Path
    settings: Path

    @classmethod
    def found(cls, packages: Path, settings: Path) -> "Tools":
        """Return the tools of this machine; refuse one that has no Node.js or no Chromium."""
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        return cls(_program("node"), browser or _program("chromium"), packages, settings)


def install_packages(directory: Path, manifest: Path, lock: Path, log: Path) -> None:
    """Install exactly the packages of `lock` into `directory`/node_modules; npm's output goes to `log`.

    No package runs a script of its own, and none brings a browser: the system's is used.
    """
    program = _program("npm")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    copy_whole(manifest, directory / "package.json")
    copy_whole(lock, directory / "package-lock.json")
    command = [program, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    environ = environment_without_tokens() | {"PUPPETEER_SKIP_DOWNLOAD": "1"}
    with log.open("w", encoding="utf-8") as output:
        status = run_in_time(command, output, INSTALL_S, environ, directory)
    if status != 0:
        raise DocumentError(
            f"{directory}: `npm ci` ended with {status}; the cause is at the end of {log} (no network, no space, or a"
            " Node.js older than 18)"
        )


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise DocumentError(
            f"{name} is not on PATH, and without it no Mermaid diagram can be drawn; install it, {INSTALL}"
        )
    return path
