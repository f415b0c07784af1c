"""Convert the Markdown report to one HTML file that needs nothing else, its blocks grouped for page breaks."""

import base64
import re
from pathlib import Path

import markdown
import nh3

from dsbench.core.errors import BuildError
from dsbench.report.charts import CHARTS

ROWS_PER_TABLE = 30
BLOCK_START = re.compile(r"\n(?=<(?:h[123]|p|table|ul|pre)\b)")
ROW = re.compile(r"<tr>.*?</tr>\n?", re.DOTALL)
TAGS = {
    *("h1", "h2", "h3", "p", "ul", "ol", "li", "br", "hr", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("code", "pre", "strong", "em"),
}
ATTRIBUTES = {"img": {"src", "alt"}, "th": {"align"}, "td": {"align"}}
IMAGE = re.compile(r'<img\b[^>]*?\bsrc="([^"]*)"|<img\b')
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
{css}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def keep_together(body: str) -> str:
    """Return `body` with each heading and its introduction joined to what follows, in `div.keep` blocks.

    Tables above ROWS_PER_TABLE rows become several with the same head: wkhtmltopdf built with unpatched
    Qt neither repeats a table's head on the next page nor avoids a break inside a row.
    """
    groups: list[list[str]] = [[]]
    for block in BLOCK_START.split(body):
        if block.startswith("<h") and groups[-1] and not groups[-1][0].startswith("<h"):
            groups.append([])
        for part in _split_table(block) if block.startswith("<table>") else [block]:
            groups[-1].append(part)
            if part.startswith(("<table>", "<ul>", "<pre>", "<p><img")):
                groups.append([])
    return "\n".join('<div class="keep">\n' + "\n".join(group) + "\n</div>" for group in groups if group)


def _split_table(table: str) -> list[str]:
    head, body = table.split("<tbody>")
    rows = ROW.findall(body)
    if len(rows) <= ROWS_PER_TABLE:
        return [table]
    parts = [rows[start : start + ROWS_PER_TABLE] for start in range(0, len(rows), ROWS_PER_TABLE)]
    return [f"{head}<tbody>\n{''.join(part)}</tbody>\n</table>" for part in parts]


class ReportHtmlError(BuildError):
    """A report whose pictures are not exactly the five charts."""


def render_html(markdown_text: str, charts_dir: Path, css: str) -> str:
    """Return the report as one sanitised UTF-8 page: styles inside, each chart inlined once as base64 PNG.

    `css` is the style sheet's text. Raises ReportHtmlError for a missing chart or any other picture.
    """
    converted = markdown.markdown(
        markdown_text,
        extensions=["tables", "fenced_code", "sane_lists"],
        extension_configs={"tables": {"use_align_attribute": True}},
        output_format="html",
    )
    body = nh3.clean(converted, tags=TAGS, attributes=ATTRIBUTES, url_schemes=set(), link_rel=None)
    pictures = [found[1] for found in IMAGE.finditer(body)]
    expected = [f"charts/{name}.png" for name in CHARTS]
    if sorted(map(str, pictures)) != sorted(expected):
        raise ReportHtmlError(
            f"report: pictures {pictures}, expected {expected} once each; remake the Markdown."
        )
    body = keep_together(body)
    for name in CHARTS:
        body = body.replace(f'src="charts/{name}.png"', f'src="{_data_uri(charts_dir / f"{name}.png")}"')
    title = re.search(r"<h1>([^<]*)</h1>", body)
    return PAGE.format(title=title[1] if title else "Benchmark report", css=css, body=body)


def _data_uri(chart: Path) -> str:
    try:
        picture = chart.read_bytes()
    except FileNotFoundError:
        raise ReportHtmlError(f"{chart}: chart not found, expected a PNG; make it and try again.") from None
    if not picture.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ReportHtmlError(f"{chart}: not a PNG file; delete it and make it again.")
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
