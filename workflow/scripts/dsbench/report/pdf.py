"""Print the HTML report to PDF with wkhtmltopdf."""

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

import pdfkit

from dsbench.boxes.fonts import numbers_of, remedy, undrawable
from dsbench.core.errors import BuildError
from dsbench.core.files import written_beside
from dsbench.core.secret_words import environment_without_tokens

OPTIONS = {
    "page-size": "A4",
    "margin-top": "12mm",
    "margin-bottom": "14mm",
    "margin-left": "15mm",
    "margin-right": "15mm",
    "encoding": "UTF-8",
    "disable-javascript": "",
    "disable-local-file-access": "",
    "disable-plugins": "",
}
PAGE_OBJECT = re.compile(rb"/Type\s*/Page\b")


class ReportPdfError(BuildError):
    """No PDF, or one that is not complete."""


def write_pdf(html: str, destination: Path, log: Path) -> int:
    """Write `html` as a complete A4 PDF to `destination`, wkhtmltopdf's output to `log`; return the pages.

    Raises ReportPdfError, leaving `destination` as it was, if wkhtmltopdf is missing, fails or stops early.
    """
    program = shutil.which("wkhtmltopdf")
    if program is None:
        raise ReportPdfError(
            f"{destination}: wkhtmltopdf is not on PATH; install it, on Debian and Ubuntu with "
            "`apt-get install wkhtmltopdf`."
        )
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output, contextlib.redirect_stdout(output):
        pdf = _print_page(drawable(html), program, destination, log)
    pages = _count_pages(pdf, destination, log)
    with written_beside(destination) as partial:
        partial.write_bytes(pdf)
    return pages


def drawable(html: str) -> str:
    """Return the page with what no font of this machine draws as numbers, and a note of it below its first lines."""
    missing = undrawable(html)
    if not missing:
        return html
    shown = re.sub(f"[{re.escape(missing)}]+", lambda found: numbers_of(found[0]), html)
    note = f"<p>{remedy(missing)}, then run the same target with -R print_pdf. The HTML report has them.</p>"
    first, end, others = shown.partition("</p>")
    return f"{first}{end}{note}{others}" if end else shown.replace("</body>", f"{note}</body>")


def _print_page(html: str, program: str, destination: Path, log: Path) -> bytes:
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
        }
        configuration = pdfkit.configuration(wkhtmltopdf=program, environ=environ)
        try:
            return pdfkit.from_string(html, options=OPTIONS, configuration=configuration, verbose=True)
        except OSError as error:
            log.write_text(f"{error}\n", encoding="utf-8")
            raise ReportPdfError(f"{destination}: wkhtmltopdf failed; its output is in {log}.") from error


def _count_pages(pdf: bytes, destination: Path, log: Path) -> int:
    pages = len(PAGE_OBJECT.findall(pdf))
    if not pdf.startswith(b"%PDF-") or b"%%EOF" not in pdf[-32:] or pages == 0:
        raise ReportPdfError(
            f"{destination}: wkhtmltopdf wrote {len(pdf)} bytes with {pages} pages, expected a complete PDF; "
            f"its output is in {log}."
        )
    return pages
