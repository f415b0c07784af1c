import base64
import itertools
import re
from html.parser import HTMLParser

import pytest

from dsbench.report.charts import CHARTS
from dsbench.report.html import ReportHtmlError, keep_together, render_html
from dsbench.report.report_data import TEMPLATES
from example_report import example, markdown_of

CSS = (TEMPLATES / "report.css").read_text()
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"
EVIL = (
    "x`|<script>alert(1)</script>![i](http://evil.example/a.png)[l](javascript:alert(1))"
    "<img src=//evil.example>"
)


@pytest.fixture
def data():
    return example()


@pytest.fixture
def charts_dir(tmp_path):
    for name in CHARTS:
        (tmp_path / f"{name}.png").write_bytes(PNG + name.encode())
    (tmp_path / "frame_middle.jpg").write_bytes(JPEG)
    return tmp_path


def charts_in(folder):
    return [folder / f"{name}.png" for name in CHARTS]


def rendered(report, charts_dir, **options):
    return render_html(report, charts_in(charts_dir), CSS, charts_dir / "frame_middle.jpg", **options)


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
    page = rendered(markdown_of(data), charts_dir)
    assert page.count("data:image/png") == 5
    inlined = {base64.b64decode(found) for found in re.findall(r"png;base64,([^\"]+)", page)}
    assert inlined == {(charts_dir / f"{name}.png").read_bytes() for name in CHARTS}


def test_the_page_is_utf8_titled_styled_and_well_formed(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    Tags(page)
    assert '<meta charset="utf-8">' in page
    assert "<title>Benchmark report: rtdetr</title>" in page
    assert CSS in page


def test_the_page_needs_nothing_from_outside(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    sources = [value for name, value in Tags(page).attributes if name in ("src", "href")]
    assert all(re.match(r"data:image/(png|jpeg);base64,|#part-\d+$", source) for source in sources)
    assert page.count("data:image/jpeg") == 1
    assert not re.search(r"@import|url\(|<link|<script", page)


def test_text_of_a_model_reaches_the_page_as_text_only(data, charts_dir):
    data["model"].update(architecture=EVIL, license=EVIL, source=EVIL, classes=[EVIL])
    data["validation"]["per_class"] = [{"label": EVIL, "detections": 3}]
    data["commands"] = [{"title": EVIL, "script": EVIL, "text": f"```\n{EVIL}\n<meta name='pdfkit-toc'>"}]
    data["runtime"]["trtexec_banner"] = data["preprocessing"]["notes"][0] = EVIL
    page = rendered(markdown_of(data), charts_dir)
    tags = Tags(page)
    assert not tags.names & {"script", "iframe", "svg", "link"}
    links = [value for name, value in tags.attributes if name == "href"]
    assert links == [f"#part-{place}" for place in range(1, 13)]
    own = {"src", "alt", "align", "class", "charset", "lang", "href", "id", "aria-label", "name", "content"}
    assert {name for name, _ in tags.attributes} <= own
    assert page.count("<img") == 6
    assert page.count("<meta") == 2
    assert page.count("&lt;script&gt;") >= 8


def test_markup_in_the_markdown_itself_is_sanitised(data, charts_dir):
    report = (
        markdown_of(data)
        + "\n<script>alert(1)</script><p onclick='x()' style='a'>b</p>\n[l](http://x.example)\n"
    )
    page = rendered(report, charts_dir)
    assert "script" not in Tags(page).names
    assert page.count("<a ") == 12
    assert "onclick" not in page
    assert "x.example" not in page


def test_a_missing_chart_is_named(data, charts_dir):
    (charts_dir / "chart_efficiency.png").unlink()
    with pytest.raises(ReportHtmlError, match=r"chart_efficiency\.png: chart not found"):
        rendered(markdown_of(data), charts_dir)


def test_a_chart_that_is_no_png_is_named(data, charts_dir):
    (charts_dir / "chart_efficiency.png").write_bytes(b"")
    with pytest.raises(ReportHtmlError, match=r"chart_efficiency\.png: not a PNG"):
        rendered(markdown_of(data), charts_dir)


@pytest.mark.parametrize(
    "picture",
    [
        *("charts/other.png", "http://x.example/a.png", "charts/chart_efficiency.png"),
        "../samples/frame_first.jpg",
    ],
)
def test_any_other_picture_is_refused(data, charts_dir, picture):
    with pytest.raises(ReportHtmlError, match="once each"):
        rendered(markdown_of(data) + f"\n![a]({picture})\n", charts_dir)


def test_a_heading_stays_with_what_it_introduces(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    kept = page.split('<div class="keep">')[1:]
    headed = next(block for block in kept if "7. Single-Stream Validation</h2>" in block)
    assert "<table>" in headed
    commands = next(block for block in kept if "12. Reference Commands</h2>" in block)
    assert "<pre>" in commands


def test_a_long_table_is_split_with_its_head_and_loses_no_row(data, charts_dir):
    labels = [f"class {number}" for number in range(91)]
    data["validation"]["per_class"] = [{"label": label, "detections": 3} for label in labels]
    data["validation"]["ground_truth"] = None
    page = rendered(markdown_of(data), charts_dir)
    assert page.count('<th align="right">Detections</th>') == 4
    assert re.findall(r"<td>(class \d+)</td>", page) == labels


def test_a_report_without_a_video_has_no_frame_and_still_five_charts(data, charts_dir):
    data["validation"]["video"] = {"encoder": "skipped", "file": None, "frames": []}
    page = render_html(markdown_of(data), charts_in(charts_dir), CSS)
    assert page.count("data:image/png") == page.count("<img") == 5


def test_a_frame_that_is_no_jpeg_is_named(data, charts_dir):
    (charts_dir / "frame_middle.jpg").write_bytes(PNG)
    with pytest.raises(ReportHtmlError, match=r"frame_middle\.jpg: not a JPEG"):
        rendered(markdown_of(data), charts_dir)


def test_every_section_is_in_the_table_of_contents_by_its_anchor(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    contents = re.findall(r'<li><a href="#(part-\d+)">(.*?)</a></li>', page)
    assert contents == re.findall(r'<h2 id="(part-\d+)">(.*?)</h2>', page)
    assert len(contents) == 12


def test_headings_go_down_one_level_at_a_time_and_every_picture_has_words(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    levels = [int(level) for level in re.findall(r"<h([1-6])\b", page)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(re.search(r'alt="[^"]{20,}"', picture) for picture in re.findall(r"<img[^>]*>", page))


def test_figures_of_a_cpu_have_a_colour_of_their_own(data, charts_dir):
    report = markdown_of(data)
    assert '<body class="cpu">' in rendered(report, charts_dir, is_cpu=True)
    assert '<body class="gpu">' in rendered(report, charts_dir)
    assert ".cpu h1 + p" in CSS


def test_a_chart_stands_beside_its_table(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    beside = page.split('<div class="beside pictured">')[1:]
    assert len(beside) == 5
    for block in beside:
        left, _, right = block.partition("</div>")
        assert left.count("<table>") == 1 and "<img" in right.partition("</section>")[0]


def table(rows, columns=2):
    cells = "<td>a</td>" * columns
    head = f"<thead>\n<tr>\n{'<th>a</th>' * columns}</tr>\n</thead>"
    return f"<table>\n{head}\n<tbody>\n{f'<tr>{cells}</tr>' * rows}</tbody>\n</table>"


LONG = f"<p>{'text ' * 80}</p>"


@pytest.mark.parametrize(
    ("left", "right", "below"),
    [
        pytest.param([table(9)], [table(3)], [LONG], id="two small tables"),
        pytest.param(["<p>a:</p>", table(3)], ["<p>b:</p>", table(9)], [], id="each with its introduction"),
        pytest.param([table(9)], [table(3), table(3)], [table(5)], id="as many as are no longer"),
        pytest.param(
            [table(9)], [LONG, "<ul><li>b</li></ul>"], ["<h3>next</h3>"], id="the text that ends the part"
        ),
    ],
)
def test_small_tables_and_text_share_the_width(left, right, below):
    laid = keep_together("\n".join(["<h2>1. A</h2>", *left, *right, *below]))
    columns = "\n".join(["<div>", *left, "</div>", "<div>", *right, "</div>"])
    assert laid.count('<div class="beside">') == 1
    assert f'<div class="beside">\n{columns}\n</div>' in laid
    assert all(block in laid.partition(columns)[2] for block in below)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([table(9), "<p>short</p>"], id="little text"),
        pytest.param([table(9), LONG, table(9, 5)], id="text that leads to another table"),
        pytest.param([table(9, 5), table(9)], id="many columns"),
        pytest.param([table(25), LONG], id="a long table"),
        pytest.param(["<p>a.</p>", LONG], id="text alone"),
    ],
)
def test_what_would_be_cramped_keeps_the_whole_width(blocks):
    laid = keep_together("\n".join(["<h2>1. A</h2>", *blocks]))
    assert "beside" not in laid
    assert all(block in laid for block in blocks)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    sheet, _, dark = CSS.partition("prefers-color-scheme: dark")
    shown = sheet if scheme == "light" else dark
    grounds = {"light": "#ffffff", "dark": "#14181d"}
    colours = re.findall(r"(?<![-\w])color: (#[0-9a-f]{3,6})", shown)
    assert len(colours) > 3
    for colour in colours:
        assert contrast(colour, grounds[scheme]) >= 4.5, colour


def contrast(*colours):
    """Return the contrast of two colours by WCAG 2.1, 1 to 21."""
    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("rows", "halves"), [(20, []), (21, [11, 10]), (60, [30, 30]), (81, [30, 30, 11, 10])]
)
def test_a_long_table_of_figures_stands_in_two_even_halves(data, charts_dir, rows, halves):
    data["timing"]["steps"] = [{"step": f"s{n}", "wall_s": 1.0, "max_rss_mib": 2.0} for n in range(rows - 1)]
    page = rendered(markdown_of(data), charts_dir)
    section = page.partition("11. Pipeline Timing</h2>")[2].partition("</section>")[0]
    tables = re.findall(r"<tbody>.*?</tbody>", section, re.DOTALL)
    assert [table.count("<tr>") for table in tables] == (halves or [rows])
    assert section.count('<div class="beside">') == len(halves) // 2


def test_a_long_table_of_many_columns_keeps_its_width(data, charts_dir):
    scores = data["validation"]["accuracy"]["stages"][-1]["accuracy"]
    scores["classes"] = [scores["classes"][0] | {"name": f"class {number}"} for number in range(80)]
    page = rendered(markdown_of(data), charts_dir)
    kept = page.partition("The runtime's boxes, by size and class")[2].partition("The gate requires an AP")[0]
    assert "beside" not in kept and kept.count("<td>class ") == 80


def test_no_narrow_column_breaks_the_name_of_a_file_or_a_score(data, charts_dir):
    page = rendered(markdown_of(data), charts_dir)
    assert '<code>benchmarks/b1/<span class="whole">trtexec_b1.log</span></code>' in page
    assert 'Shift <span class="whole">right, px</span></th>' in page
    heads = re.findall(r"<th[^>]*>(.*?)</th>", page)
    scores = [head for head in heads if "AP@" in head]
    assert scores and all(head.startswith('<span class="whole">AP@[.5:.95]</span>') for head in scores)
