"""Print the HTML report to PDF with wkhtmltopdf, with page numbers and bookmarks."""

import contextlib
import html as markup
import io
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pdfkit
import pypdf
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from dsbench.boxes.fonts import numbers_of, remedy, undrawable
from dsbench.core.errors import BuildError
from dsbench.core.files import written_beside
from dsbench.core.secret_words import environment_without_tokens
from dsbench.tools.confined import confined

OPTIONS = {
    "margin-top": "10mm",
    "margin-bottom": "12mm",
    "margin-left": "15mm",
    "margin-right": "15mm",
    "encoding": "UTF-8",
    # Qt with wkhtmltopdf's patches takes the rules for the screen unless told otherwise; without them it says so.
    "print-media-type": "",
    "disable-javascript": "",
    "disable-local-file-access": "",
    "disable-plugins": "",
}
# The demonstration's report takes 2 s and 200 MiB.
LONGEST_PRINT_S = 300
LARGEST_PRINT_BYTES = 2 << 30
# Where fontconfig has fonts, settings and what it knows of them, beside /usr.
FONTS = (
    *("/etc/fonts", "/var/cache/fontconfig", "~/.cache/fontconfig", "~/.config/fontconfig"),
    *("~/.fonts", "~/.local/share/fonts"),
)
HEADING = re.compile(r"<h[12][^>]*>(.*?)</h[12]>", re.DOTALL)
# Text as Qt prints it, with the size of its type. The style sheets set the first two levels of headings in this size or
# a larger one, and nearly all else in a smaller one.
PRINTED = re.compile(rb"^BT\n/\S+ ([\d.]+) Tf .*?^ET$", re.DOTALL | re.MULTILINE)
HEADING_PX = 18
# A font that every PDF reader has.
FOOTER_FONT = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
FOOTER_PT = 8
# Half the width of a digit in Helvetica, in widths of the font.
HALF_DIGIT = 0.278


class ReportPdfError(BuildError):
    """No PDF, or one that is not complete."""


def write_pdf(html: str, destination: Path, log: Path, page_size: str = "A4") -> int:
    """Write `html` as a complete PDF of numbered pages to `destination`, wkhtmltopdf's output to `log`.

    Returns the number of pages, of `page_size` (A4 or Letter). Every heading of the first two levels is a bookmark.
    Raises ReportPdfError, leaving `destination` as it was, if wkhtmltopdf is missing, fails or stops early.
    """
    program = shutil.which("wkhtmltopdf")
    if program is None:
        raise ReportPdfError(
            f"{destination}: wkhtmltopdf is not on PATH; install it, on Debian and Ubuntu with "
            "`apt-get install wkhtmltopdf`, and call again. The same report as .md and .html needs no such program "
            "and is beside it."
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as output, contextlib.redirect_stdout(output):
        pdf = _print_page(drawable(html), program, destination, log, page_size)
    report = _whole(pdf, destination, log)
    _number_pages(report)
    _bookmark(report, [_text(found) for found in HEADING.findall(html)])
    with written_beside(destination) as partial, partial.open("wb") as file:
        report.write(file)
    return len(report.pages)


def drawable(html: str) -> str:
    """Return the page with what no font of this machine draws as numbers, and a note of it below its first lines."""
    missing = undrawable(html)
    if not missing:
        return html
    shown = re.sub(f"[{re.escape(missing)}]+", lambda found: numbers_of(found[0]), html)
    note = f"<p>{remedy(missing)}, then run the same target with -R print_pdf. The HTML report has them.</p>"
    first, end, others = shown.partition("</p>")
    return f"{first}{end}{note}{others}" if end else shown.replace("</body>", f"{note}</body>")


def _print_page(html: str, program: str, destination: Path, log: Path, page_size: str) -> bytes:
    with tempfile.TemporaryDirectory() as runtime_dir:
        # wkhtmltopdf prints as much of the page as fits on the disk of its temporary files, and exits with 0.
        room = Path(runtime_dir, "room.html")
        room.write_text(html, encoding="utf-8")
        room.unlink()
        # Debian's wkhtmltopdf is built with unpatched Qt, which wants a display unless told otherwise.
        environ = {
            **environment_without_tokens(),
            "QT_QPA_PLATFORM": "offscreen",
            "XDG_RUNTIME_DIR": runtime_dir,
            "TMPDIR": runtime_dir,
        }
        box = confined([program], _readable(Path(program)), writable=[Path(runtime_dir)])
        bounded = shlex.join(["timeout", "--kill-after=5", str(LONGEST_PRINT_S), *box.command])
        # pdfkit calls a program by its path alone.
        boxed = Path(runtime_dir, "wkhtmltopdf")
        boxed.write_text(
            f'#!/bin/sh\nulimit -d {LARGEST_PRINT_BYTES >> 10}\nexec {bounded} "$@"\n', encoding="utf-8"
        )
        boxed.chmod(0o700)
        configuration = pdfkit.configuration(wkhtmltopdf=str(boxed), environ=environ)
        try:
            options = OPTIONS | {"page-size": page_size}
            pdf = pdfkit.from_string(html, options=options, configuration=configuration, verbose=True)
        except OSError as error:
            log.write_text(f"{error}\n", encoding="utf-8")
            raise ReportPdfError(
                f"{destination}: wkhtmltopdf failed, or needed more than {LONGEST_PRINT_S} s or"
                f" {LARGEST_PRINT_BYTES >> 30} GiB of memory; its output is in {log}."
            ) from error
        print(f"# run {box.protections}")
        return pdf


def _readable(program: Path) -> list[Path]:
    """Return what wkhtmltopdf reads beside the system's files: itself, its libraries, and fonts."""
    libraries = program.resolve().parents[1] / "lib"
    fonts = (Path(os.path.expanduser(place)) for place in FONTS)
    return [program, program.resolve(), *filter(Path.exists, (libraries, *fonts))]


def _whole(pdf: bytes, destination: Path, log: Path) -> pypdf.PdfWriter:
    """Return the printed PDF, to be changed, or raise ReportPdfError where it is not complete."""
    try:
        printed = pypdf.PdfReader(io.BytesIO(pdf))
        report = pypdf.PdfWriter()
        # Qt with wkhtmltopdf's patches makes bookmarks of its own.
        report.append(printed, import_outline=False)
        pages = len(report.pages)
    except (pypdf.errors.PyPdfError, OSError, ValueError, KeyError, AttributeError, TypeError):
        pages = 0
    # pypdf also reads a PDF of which only a part was written.
    if not pdf.startswith(b"%PDF-") or b"%%EOF" not in pdf[-32:] or pages == 0:
        raise ReportPdfError(
            f"{destination}: wkhtmltopdf wrote {len(pdf)} bytes with {pages} pages, expected a complete PDF; "
            f"its output is in {log}."
        )
    return report


def _number_pages(report: pypdf.PdfWriter) -> None:
    """Write "3 / 8" below each page, which Qt without wkhtmltopdf's patches cannot."""
    for number, page in enumerate(report.pages, 1):
        said = f"{number} / {len(report.pages)}"
        middle = float(page.mediabox.width) / 2 - len(said) * HALF_DIGIT * FOOTER_PT
        text = f"BT /F {FOOTER_PT} Tf 0.4 g {middle:.1f} 18 Td ({said}) Tj ET"
        font = DictionaryObject({NameObject(key): NameObject(value) for key, value in FOOTER_FONT.items()})
        fonts = DictionaryObject({NameObject("/F"): font})
        page.merge_page(_page_like(page, text.encode(), DictionaryObject({NameObject("/Font"): fonts})))
        page.compress_content_streams()


def _page_like(
    page: pypdf.PageObject, content: bytes, resources: pypdf.generic.PdfObject
) -> pypdf.PageObject:
    """Return a new page of the size of `page`, with `content` in its place."""
    made = pypdf.PageObject.create_blank_page(None, page.mediabox.width, page.mediabox.height)
    made[NameObject("/Resources")] = resources
    stream = DecodedStreamObject()
    stream.set_data(content)
    made[NameObject("/Contents")] = stream
    return made


def _bookmark(report: pypdf.PdfWriter, headings: list[str]) -> None:
    """Mark the page of each heading; one that a font of this machine does not draw is left out."""
    # Printed text has its spaces elsewhere.
    wanted = ["".join(heading.split()) for heading in headings]
    # To read all text of a page takes thirty times as long.
    pages = [_letters(_large_print(page)) for page in report.pages]
    if not all(any(heading in page for page in pages) for heading in wanted):
        pages = list(map(_letters, report.pages))
    first = 0
    for title, heading in zip(headings, wanted, strict=True):
        place = next((page for page in range(first, len(pages)) if heading in pages[page]), None)
        if place is not None:
            report.add_outline_item(title=title, page_number=place)
            first = place


def _letters(page: pypdf.PageObject) -> str:
    return "".join(page.extract_text().split())


def _large_print(page: pypdf.PageObject) -> pypdf.PageObject:
    """Return a page that has of `page` the text in a size of HEADING_PX and above alone."""
    contents = page.get_contents()
    printed = [] if contents is None else PRINTED.finditer(contents.get_data())
    large = b"\n".join(text[0] for text in printed if float(text[1]) >= HEADING_PX)
    return _page_like(page, large, page.get("/Resources", DictionaryObject()))


def _text(heading: str) -> str:
    """Return the text of a heading's HTML."""
    return markup.unescape(re.sub(r"<[^>]*>", "", heading))
