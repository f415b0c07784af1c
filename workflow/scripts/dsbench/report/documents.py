"""Print a document of `docs/` as a PDF: its Mermaid diagrams are drawn, its pictures are inside."""

import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

from dsbench.core.errors import without_controls
from dsbench.core.files import written_beside
from dsbench.core.secret_words import environment_without_tokens
from dsbench.report.diagram_tools import DocumentError, Tools, diagrams
from dsbench.report.html import IMAGE, PNG, SECTION_START, data_uri, keep_together, page_of, sanitised
from dsbench.tools.confined import NOTHING, OWN_FILES, can_leave_root, confined
from dsbench.tools.tool_run import run_in_time

# Where a browser has its settings and fonts, beside what every program of a system sees.
BROWSER_FILES = (
    Path("/etc/fonts"),
    Path("/etc/chromium"),
    Path("/etc/chromium.d"),
    Path("/opt/google/chrome"),
)
DRAW_S = 120
PICTURES = (".png", ".jpg", ".jpeg")
# What a diagram can name that lies outside it. The box keeps a browser from it; where there is no box, the text does.
REACHES = re.compile(r"://|url\s*\(|@import|\b(?:img|file|data|javascript)\s*:|<\s*\w", re.IGNORECASE)
# Drawn with two dots for each of the page's; no larger than what a page has room for.
DOTS, PAGE_PX = 2, (1000, 1150)
SAID_CHARACTERS = 300


def render_document(document: Path, css: str, draw: Callable[[str, Path], None]) -> str:
    """Return the document as one sanitised page with its pictures inside; `draw` makes a PNG of a diagram.

    Pictures are PNG or JPEG files in the document's folder or below it. Raises DocumentError for any other.
    """
    text = document.read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        drawn: dict[str, Path] = {}
        for number, block in reversed(list(enumerate(diagrams(text), 1))):
            name = f"mermaid/{number}.png"
            drawn[name] = Path(folder, f"{number}.png")
            try:
                draw(block.body, drawn[name])
            except DocumentError as error:
                raise DocumentError(f"{document}, diagram {number}: {error}") from None
            start, end = block.span
            text = f"{text[:start]}![Diagram {number}]({name}){text[end:]}"
        body = "\n".join(keep_together(section) for section in SECTION_START.split(sanitised(text)))
        inlined = IMAGE.sub(lambda found: _inlined(found, document, drawn), body)
        return page_of(inlined, css, document.stem)


def _inlined(found: re.Match[str], document: Path, drawn: dict[str, Path]) -> str:
    """Return the `src` of an image's HTML with the picture's content in place of its name."""
    source = found[1]
    if source in drawn:
        # A PNG begins with its size.
        width, height = struct.unpack(">II", drawn[source].read_bytes()[16:24])
        width = min(width // DOTS, PAGE_PX[0], PAGE_PX[1] * width // height)
        return found[0].replace(f'src="{source}"', f'width="{width}" src="{data_uri(drawn[source])}"')
    folder = document.parent.resolve()
    picture = (folder / unquote(source or "")).resolve()
    if picture.suffix.lower() not in PICTURES or not picture.is_relative_to(folder):
        raise DocumentError(
            f"{document}: the picture {without_controls(source or 'without an address')[:SAID_CHARACTERS]} is none that"
            f" can be printed; name a PNG or JPEG in {document.parent} or below it"
        )
    return found[0].replace(f'src="{source}"', f'src="{data_uri(picture)}"')


def draw_diagram(text: str, destination: Path, tools: Tools, log: Path) -> None:
    """Draw a Mermaid diagram as a PNG; mermaid-cli's output is added to `log`.

    The browser has no network and sees no files but its own; what this system has for that stands in the log.
    """
    with TemporaryDirectory() as folder, log.open("a", encoding="utf-8") as output:
        source, picture = Path(folder, "diagram.mmd"), Path(folder, "diagram.png")
        source.write_text(text, encoding="utf-8")
        is_root = os.geteuid() == 0 and not can_leave_root()
        box = confined(
            [*_drawing(tools, source, picture, is_root)],
            [tools.packages.resolve(), tools.settings.resolve(), *filter(Path.exists, BROWSER_FILES)],
            [Path(folder)],
            leaves_root=True,
        )
        _refuse_unconfined(text, box.protections, is_root)
        output.write(f"# run {box.protections}\n")
        output.flush()
        began = output.tell()
        status = run_in_time(box.command, output, DRAW_S, environment_without_tokens(), Path(folder))
        content = picture.read_bytes() if picture.is_file() else b""
        if status != 0 or not content.startswith(PNG):
            raise DocumentError(f"it cannot be drawn: {_said(log, began)}; mermaid-cli's output is in {log}")
        with written_beside(destination) as partial:
            partial.write_bytes(content)


def _drawing(tools: Tools, source: Path, picture: Path, is_root: bool) -> Iterator[str]:
    """Yield the words that draw a diagram, with nothing of this process's environment."""
    settings = tools.settings.resolve()
    yield from (
        "env",
        "-i",
        "HOME=/tmp",
        f"PATH={os.environ['PATH']}",
        f"PUPPETEER_EXECUTABLE_PATH={tools.browser}",
    )
    yield from (tools.node, str(tools.packages.resolve() / "@mermaid-js/mermaid-cli/src/cli.js"), "--quiet")
    yield from ("--input", str(source), "--output", str(picture), "--scale", str(DOTS))
    # A wider diagram would be drawn smaller, and its words with fewer dots.
    yield from ("--width", "2000")
    yield from ("--configFile", str(settings / "mermaid.json"))
    yield from ("--puppeteerConfigFile", str(settings / f"puppeteer{'_root' if is_root else ''}.json"))


def _refuse_unconfined(text: str, protections: str, is_root: bool) -> None:
    """Refuse what this system's box does not hold."""
    if is_root and protections == NOTHING:
        raise DocumentError(
            "root's browser has no sandbox of its own, and neither bubblewrap nor unshare works here to keep it from"
            " network and files; install bubblewrap, or call as another user"
        )
    if protections != OWN_FILES and (found := REACHES.search(text)):
        raise DocumentError(
            f"it says {without_controls(found[0])!r}, which may name a file of this machine, and bubblewrap does"
            " not work here to hide those; install bubblewrap, or take the address out of the diagram"
        )


def _said(log: Path, began: int) -> str:
    """Return the line that tells of the log's last part: the first error, else the last one."""
    lines = log.read_bytes()[began:].decode(errors="replace").splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    telling = [line for line in lines if "error" in line.lower()] or lines[-1:]
    return without_controls(telling[0])[:SAID_CHARACTERS] if telling else "it said nothing"
