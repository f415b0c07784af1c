import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from dsbench.report.charts import CHARTS
from dsbench.report.html import ReportHtmlError, render_html
from dsbench.report.markdown import render_markdown
from dsbench.report.report_data import TEMPLATES

EXAMPLE = Path(__file__).parents[1] / "data" / "benchmark_data.json"
CSS = (TEMPLATES / "report.css").read_text()
PNG = b"\x89PNG\r\n\x1a\n"
EVIL = (
    "x`|<script>alert(1)</script>![i](http://evil.example/a.png)[l](javascript:alert(1))"
    "<img src=//evil.example>"
)


@pytest.fixture
def data():
    return json.loads(EXAMPLE.read_text())


@pytest.fixture
def charts_dir(tmp_path):
    for name in CHARTS:
        (tmp_path / f"{name}.png").write_bytes(PNG + name.encode())
    return tmp_path


class Tags(HTMLParser):
    """Collects the tags of a page and checks that they are closed in order."""

    def __init__(self, page):
        super().__init__()
        self.names, self.attributes, self.open = set(), [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.names.add(tag)
        self.attributes += attributes
        if tag not in ("img", "meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_each_chart_is_inlined_once_and_whole(data, charts_dir):
    page = render_html(render_markdown(data), charts_dir, CSS)
    assert page.count("data:image/png") == 5
    inlined = {base64.b64decode(found) for found in re.findall(r"base64,([^\"]+)", page)}
    assert inlined == {(charts_dir / f"{name}.png").read_bytes() for name in CHARTS}


def test_the_page_is_utf8_titled_styled_and_well_formed(data, charts_dir):
    page = render_html(render_markdown(data), charts_dir, CSS)
    Tags(page)
    assert '<meta charset="utf-8">' in page
    assert "<title>Benchmark report: rtdetr</title>" in page
    assert CSS in page


def test_the_page_needs_nothing_from_outside(data, charts_dir):
    page = render_html(render_markdown(data), charts_dir, CSS)
    sources = [value for name, value in Tags(page).attributes if name in ("src", "href")]
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"@import|url\(|<link|<script", page)


def test_text_of_a_model_reaches_the_page_as_text_only(data, charts_dir):
    data["model"].update(architecture=EVIL, license=EVIL, source=EVIL, classes=[EVIL])
    data["validation"]["per_class"] = [{"label": EVIL, "detections": 3}]
    data["commands"] = [{"title": EVIL, "script": EVIL, "text": f"```\n{EVIL}\n<meta name='pdfkit-toc'>"}]
    data["runtime"]["trtexec_banner"] = data["preprocessing"]["notes"][0] = EVIL
    page = render_html(render_markdown(data), charts_dir, CSS)
    tags = Tags(page)
    assert not tags.names & {"script", "a", "iframe", "svg", "link"}
    assert {name for name, _ in tags.attributes} <= {"src", "alt", "align", "class", "charset", "lang"}
    assert page.count("<img") == 5
    assert page.count("<meta") == 1
    assert page.count("&lt;script&gt;") >= 8


def test_markup_in_the_markdown_itself_is_sanitised(data, charts_dir):
    report = (
        render_markdown(data)
        + "\n<script>alert(1)</script><p onclick='x()' style='a'>b</p>\n[l](http://x.example)\n"
    )
    page = render_html(report, charts_dir, CSS)
    assert not Tags(page).names & {"script", "a"}
    assert "onclick" not in page
    assert "x.example" not in page


def test_a_missing_chart_is_named(data, charts_dir):
    (charts_dir / "chart_efficiency.png").unlink()
    with pytest.raises(ReportHtmlError, match=r"chart_efficiency\.png: chart not found"):
        render_html(render_markdown(data), charts_dir, CSS)


def test_a_chart_that_is_no_png_is_named(data, charts_dir):
    (charts_dir / "chart_efficiency.png").write_bytes(b"")
    with pytest.raises(ReportHtmlError, match=r"chart_efficiency\.png: not a PNG"):
        render_html(render_markdown(data), charts_dir, CSS)


@pytest.mark.parametrize(
    "picture", ["charts/other.png", "http://x.example/a.png", "charts/chart_efficiency.png"]
)
def test_any_other_picture_is_refused(data, charts_dir, picture):
    with pytest.raises(ReportHtmlError, match="once each"):
        render_html(render_markdown(data) + f"\n![a]({picture})\n", charts_dir, CSS)


def test_a_heading_stays_with_what_it_introduces(data, charts_dir):
    page = render_html(render_markdown(data), charts_dir, CSS)
    kept = page.split('<div class="keep">')
    headed = next(block for block in kept if "7. Single-Stream" in block)
    assert "<table>" in headed
    commands = next(block for block in kept if "12. Reference" in block)
    assert "<pre>" in commands


def test_a_long_table_is_split_with_its_head_and_loses_no_row(data, charts_dir):
    labels = [f"class {number}" for number in range(91)]
    data["validation"]["per_class"] = [{"label": label, "detections": 3} for label in labels]
    data["validation"]["ground_truth"] = None
    page = render_html(render_markdown(data), charts_dir, CSS)
    assert page.count('<th align="right">Detections</th>') == 4
    assert re.findall(r"<td>(class \d+)</td>", page) == labels
