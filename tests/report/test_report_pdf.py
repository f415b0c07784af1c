import time

import pypdf
import pytest

from bounded_child import needs_bwrap
from dsbench.report import pdf
from dsbench.report.pdf import ReportPdfError, write_pdf
from rendered import PAGE, needs_wkhtmltopdf

MOST_S = 30


@pytest.fixture
def files(tmp_path):
    return tmp_path / "report.pdf", tmp_path / "logs" / "report_pdf.log"


@pytest.fixture
def fake_tool(tmp_path, monkeypatch):
    def install(script):
        tool = tmp_path / "bin" / "wkhtmltopdf"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")

    return install


@pytest.fixture
def one_page(tmp_path):
    """Return a PDF as a printer of pages would write it."""
    report = pypdf.PdfWriter()
    report.add_blank_page(595, 842)
    # A program sees its own libraries.
    (libraries := tmp_path / "lib").mkdir()
    report.write(libraries / "printed.pdf")
    return libraries / "printed.pdf"


@needs_wkhtmltopdf
def test_a_page_becomes_an_a4_pdf_with_its_text(files):
    pages = write_pdf(PAGE.format("<p>4 ≤ 8 ä</p><p style='page-break-before:always'>second</p>"), *files)
    pdf = pypdf.PdfReader(files[0])
    assert pages == len(pdf.pages) == 2
    assert pdf.pages[0].extract_text().split() == ["4", "≤", "8", "ä", "1", "/", "2"]
    assert [round(float(side)) for side in pdf.pages[0].mediabox[2:]] == [595, 842]
    assert "Done" in files[1].read_text()
    assert [path.name for path in files[0].parent.glob("*report.pdf*")] == ["report.pdf"]


@needs_wkhtmltopdf
def test_a_page_reads_no_local_file(files, tmp_path):
    (tmp_path / "secret.html").write_text("hush")
    body = f"shown<iframe src='file://{tmp_path}/secret.html'></iframe>"
    try:
        write_pdf(PAGE.format(body), *files)
    except ReportPdfError:
        assert not files[0].exists()
    else:
        assert "hush" not in pypdf.PdfReader(files[0]).pages[0].extract_text()


@needs_wkhtmltopdf
def test_a_page_runs_no_script(files):
    write_pdf(
        PAGE.format("<p id='a'>before</p><script>document.getElementById('a').innerHTML='after'</script>"),
        *files,
    )
    assert "before" in pypdf.PdfReader(files[0]).pages[0].extract_text()


def test_a_missing_program_is_one_sentence_and_leaves_the_old_report(files, monkeypatch, tmp_path):
    files[0].write_bytes(b"old")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ReportPdfError, match=r"is not on PATH; install it, .*apt-get install.*\.md and \.html .* beside it"
    ):
        write_pdf(PAGE, *files)
    assert files[0].read_bytes() == b"old"


def test_a_failing_program_is_named_and_its_output_kept(files, fake_tool):
    fake_tool("echo 'cannot open display' >&2; exit 3")
    with pytest.raises(ReportPdfError, match=r"wkhtmltopdf failed, .*; its output is in .*report_pdf\.log"):
        write_pdf(PAGE, *files)
    assert "cannot open display" in files[1].read_text()
    assert not files[0].exists()


@needs_bwrap
def test_the_program_sees_no_file_of_its_user_s(files, fake_tool, one_page, tmp_path):
    (tmp_path / "secret").write_text("hush")
    fake_tool(f"cat {tmp_path}/secret >&2; cat {one_page}")
    write_pdf(PAGE, *files)
    assert "hush" not in files[1].read_text()
    fake_tool(f"cat {tmp_path}/secret >&2; exit 1")
    with pytest.raises(ReportPdfError):
        write_pdf(PAGE, *files)
    assert "hush" not in files[1].read_text()


def test_a_program_without_an_end_is_ended(files, fake_tool, monkeypatch):
    monkeypatch.setattr(pdf, "LONGEST_PRINT_S", 1)
    fake_tool("sleep 100")
    started = time.monotonic()
    with pytest.raises(
        ReportPdfError, match="wkhtmltopdf failed, or needed more than 1 s or 2 GiB of memory"
    ):
        write_pdf(PAGE, *files)
    assert time.monotonic() - started < MOST_S


@needs_wkhtmltopdf
def test_memory_has_a_bound(files, monkeypatch):
    monkeypatch.setattr(pdf, "LARGEST_PRINT_BYTES", 64 << 20)
    monkeypatch.setattr(pdf, "LONGEST_PRINT_S", 20)
    with pytest.raises(ReportPdfError, match="needed more than"):
        write_pdf(PAGE.format("<p>a</p>" * 100_000), *files)


@needs_wkhtmltopdf
def test_every_heading_is_a_bookmark_of_its_page_and_every_page_has_its_number(files):
    body = "<h1>a &amp; b</h1><h2>1. First</h2><p>x</p><h2 style='page-break-before:always'>2. <code>Second</code></h2>"
    write_pdf(PAGE.format(body + "<h3>no bookmark</h3>"), *files)
    pdf = pypdf.PdfReader(files[0])
    marks = [(mark.title, pdf.get_destination_page_number(mark)) for mark in pdf.outline]
    assert marks == [("a & b", 0), ("1. First", 0), ("2. Second", 1)]
    assert [page.extract_text().splitlines()[-1] for page in pdf.pages] == ["1 / 2", "2 / 2"]


@needs_wkhtmltopdf
def test_paper_is_what_the_config_says(files):
    write_pdf(PAGE.format("<p>a</p>"), *files, page_size="Letter")
    assert [round(float(side)) for side in pypdf.PdfReader(files[0]).pages[0].mediabox[2:]] == [612, 792]


@pytest.mark.parametrize(
    "output", ["", "%PDF-1.4 /Type /Page", "no PDF /Type /Page %%EOF", "%PDF-1.4 /Type /Pages %%EOF"]
)
def test_an_incomplete_pdf_is_refused(files, fake_tool, output):
    fake_tool(f"printf '%s' '{output}'")
    with pytest.raises(ReportPdfError, match="expected a complete PDF"):
        write_pdf(PAGE, *files)
    assert not files[0].exists()


def test_a_complete_pdf_replaces_the_old_one(files, fake_tool, one_page):
    fake_tool(f"cat {one_page}")
    files[0].write_bytes(b"old")
    assert write_pdf(PAGE, *files) == 1
    assert files[0].read_bytes().startswith(b"%PDF-1")


def test_the_tool_gets_neither_display_nor_local_files(files, fake_tool, one_page):
    fake_tool(f'echo "$QT_QPA_PLATFORM $*" >&2; cat {one_page}')
    write_pdf(PAGE, *files)
    said = files[1].read_text()
    assert said.startswith("offscreen ")
    assert "\n# run with" in said
    assert "--disable-local-file-access" in said
    assert "--disable-javascript" in said
    assert "--print-media-type" in said
