"""The page in a real browser: it fits a narrow screen, has a dark ground where the reader asks for one, and prints."""

import json

import pypdf
import pytest
from PIL import Image

from browser import NEEDS_BROWSER, browse
from dsbench.report.charts import CHARTS
from dsbench.report.html import render_html
from dsbench.report.report_data import TEMPLATES
from example_report import example, markdown_of

SOURCES = {
    "files": {"b1/trtexec.log": "ab" * 32},
    "said": {"/trtexec/bs1/qps": "b1/trtexec.log:7"},
    "computed": {},
}
pytestmark = NEEDS_BROWSER
# Written by the browser into the page that it dumps.
ASK = """<script>
addEventListener("load", () => {
  const pictures = [...document.images].map((each) => each.complete && each.naturalWidth > 0);
  const note = document.querySelector("sup a");
  note.focus();
  const place = getComputedStyle(note, "::after").content, leads = document.querySelector(note.hash).textContent;
  const said = {width: document.documentElement.scrollWidth, seen: innerWidth, pictures, place, leads};
  document.body.innerHTML = "<pre>" + JSON.stringify(said) + "</pre>";
});
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    charts = [folder / f"{name}.png" for name in CHARTS]
    for chart in charts:
        Image.new("RGB", (1500, 900), "white").save(chart)
    Image.new("RGB", (1280, 720), "blue").save(folder / "frame_middle.jpg")
    report = markdown_of(example() | {"sources": SOURCES})
    css = (TEMPLATES / "report.css").read_text()
    html = render_html(report, charts, css, folder / "frame_middle.jpg", is_cpu=True)
    (folder / "report.html").write_text(html)
    (folder / "asking.html").write_text(html.replace("</body>", f"{ASK}</body>"))
    return folder / "report.html"


@pytest.mark.parametrize("width_px", [520, 1000, 1500])
def test_the_page_fits_its_window_and_shows_all_its_pictures(page, width_px):
    dumped = browse(page.with_name("asking.html"), f"--window-size={width_px},900", "--dump-dom")
    said = json.loads(dumped.partition("<pre>")[2].partition("</pre>")[0])
    assert said["width"] <= said["seen"] <= width_px
    assert said["pictures"] == [True] * 6
    # What the mouse shows over a number, the keyboard shows on its note.
    assert said["place"] == "attr(title)" or "b1/trtexec.log:7" in said["place"]
    assert "b1/trtexec.log" in said["leads"]


@pytest.mark.parametrize(("scheme", "is_dark"), [("0", True), ("1", False)])
def test_the_ground_is_dark_where_the_reader_asks_for_it(page, scheme, is_dark):
    picture = page.with_name(f"{scheme}.png")
    browse(
        page,
        f"--blink-settings=preferredColorScheme={scheme}",
        "--window-size=1500,900",
        f"--screenshot={picture}",
    )
    ground = Image.open(picture).convert("L").getpixel((1495, 895))
    assert (ground < 60) is is_dark and (ground > 240) is not is_dark


def test_the_browser_prints_the_same_sections_without_the_contents(page):
    printed = page.with_name("printed.pdf")
    browse(page, "--no-pdf-header-footer", f"--print-to-pdf={printed}")
    pages = [found.extract_text() for found in pypdf.PdfReader(printed).pages]
    assert "REAL-TIME" in pages[0] and "Model Configuration" not in pages[0]
    assert sum(text.count("12. Reference Commands") for text in pages) == 1
