"""Documents as targets: one without diagrams needs no browser, one with diagrams has mermaid-cli installed first."""

import pypdf

from rendered import needs_wkhtmltopdf
from workflow_run import planned, snakemake


@needs_wkhtmltopdf
def test_a_document_without_diagrams_is_printed_by_the_reports_converter_alone(tmp_path):
    target = "docs/pdf/glossary.pdf"
    assert "install_diagram_tools" not in planned(snakemake(tmp_path, "-n", target).stdout)
    done = snakemake(tmp_path, target)
    assert done.returncode == 0, done.stdout[-3000:]
    text = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / target).pages)
    assert "Glossary" in text and "PEAK" in text
    assert planned(snakemake(tmp_path, "-n", target).stdout) == {}


def test_a_document_with_diagrams_has_what_draws_them_installed_first(tmp_path):
    jobs = planned(snakemake(tmp_path, "-n", "docs/pdf/architecture.pdf", "docs/pdf/rules.pdf").stdout)
    assert {"install_diagram_tools": 1, "print_document": 2}.items() <= jobs.items()


def test_a_document_that_is_not_there_is_told(tmp_path):
    done = snakemake(tmp_path, "docs/pdf/nothing.pdf")
    assert done.returncode != 0
    assert "docs/nothing.md" in done.stdout and "Traceback" not in done.stdout
