"""Convert the Markdown report to one HTML file that needs nothing else, laid out for the screen and for paper."""

import base64
import html
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import markdown
import nh3

from dsbench.core.errors import BuildError

ROWS_PER_TABLE = 30
# A table of figures with more rows, and few columns, stands in two halves side by side.
ROWS_PER_COLUMN = 20
MOST_COLUMNS_OF_HALF = 4
# A table with more rows is as high as its picture and leaves no room below.
ROWS_ABOVE_TEXT = 7
# Text of so many letters fills the place beside a table.
LETTERS_BESIDE_TABLE = 300
BLOCK_START = re.compile(r"\n(?=<(?:h[123]|p|table|ul|pre)\b)")
SECTION_START = re.compile(r"\n(?=<h2>)")
ROW = re.compile(r"<tr>.*?</tr>\n?", re.DOTALL)
HEAD_CELL = re.compile(r"<th[ >]")
# A path's last name, and what no narrow column may break in a head: a score's name, or the last word with its unit.
LAST_NAME = re.compile(r"(?<=/)([^<>\s/]+)(?=</code>)")
HEAD = re.compile(r"<th\b[^>]*>[^<]*</th>")
WHOLE_IN_HEAD = re.compile(r"AP@\[\.5:\.95\]|\w+, px(?=</th>)")
SECTION = re.compile(r"<h2>(.*?)</h2>")
# A number's note as Markdown has it, and the list of the notes. Characters of private use carry a note through the
# conversion, since the text of a model has none of them then.
NOTED = re.compile(r"(?<=\d)\[\^(\d+)\.(\d+(?:-\d+)?)\]")
NOTE = re.compile(r"^(\d+)\. `([^`]+)`, lines? [\d to,]+: ", re.M)
CARRIED = re.compile("([-+]?[\\d.,]*\\d)\ue000(\\d+)\\.([\\d-]+)\ue001")
TAGS = {
    *("h1", "h2", "h3", "p", "ul", "ol", "li", "br", "hr", "img"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("code", "pre", "strong", "em"),
}
ATTRIBUTES = {"img": {"src", "alt"}, "th": {"align"}, "td": {"align"}}
IMAGE = re.compile(r'<img\b[^>]*?\bsrc="([^"]*)"|<img\b')
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{css}
</style>
</head>
<body class="{colour}">
<main>
{body}
</main>
</body>
</html>
"""


class ReportHtmlError(BuildError):
    """A report whose pictures are not exactly the charts, the frame of the clip and the chart of a sweep."""


def render_html(
    markdown_text: str,
    charts: Sequence[Path],
    css: str,
    frame: Path | None = None,
    sweep: Path | None = None,
    is_cpu: bool = False,
) -> str:
    """Return the report as one sanitised UTF-8 page: styles inside, each chart inlined once as base64 PNG.

    `charts` are PNGs, `css` is the style sheet's text. `frame`, of the first page, and `sweep`, the batch sweep's
    chart, are JPEGs, None where the report has none. A page of a CPU's figures (`is_cpu`) has a colour of its own.
    Raises ReportHtmlError for a missing or any other picture.
    """
    files_of_notes = dict(NOTE.findall(markdown_text))
    plain_text = markdown_text.translate({0xE000: None, 0xE001: None})
    body = sanitised(NOTED.sub("\ue000\\1.\\2\ue001", plain_text))
    files = {f"charts/{chart.name}": chart for chart in charts}
    if frame is not None:
        files[f"../samples/{frame.name}"] = frame
    if sweep is not None:
        files[f"charts/{sweep.name}"] = sweep
    pictures = [found[1] for found in IMAGE.finditer(body)]
    if sorted(map(str, pictures)) != sorted(files):
        raise ReportHtmlError(
            f"report: pictures {pictures}, expected {list(files)} once each; remake the Markdown."
        )
    body = _lay_out(_with_whole_names(_show_notes(body, files_of_notes)))
    for source, file in files.items():
        body = body.replace(f'src="{source}"', f'src="{data_uri(file)}"')
    return page_of(body, css, "Benchmark report", "cpu" if is_cpu else "gpu")


def sanitised(markdown_text: str) -> str:
    """Return Markdown as HTML of TAGS and ATTRIBUTES alone, in which no address but a relative one is left."""
    converted = markdown.markdown(
        markdown_text,
        extensions=["tables", "fenced_code", "sane_lists"],
        extension_configs={"tables": {"use_align_attribute": True}},
        output_format="html",
    )
    return nh3.clean(converted, tags=TAGS, attributes=ATTRIBUTES, url_schemes=set(), link_rel=None)


def page_of(body: str, css: str, title: str, colour: str = "") -> str:
    """Return a page of sanitised HTML with its first heading as its title, else `title`."""
    heading = re.search(r"<h1>([^<]*)</h1>", body)
    return PAGE.format(title=heading[1] if heading else title, css=css, colour=colour, body=body)


def _show_notes(body: str, files: Mapping[str, str]) -> str:
    """Return `body` with the file and line of each noted number in its title, and the note's number behind it.

    In a row of a table a note's number stands once. It is a link to the note, so that the keyboard comes to it, and its
    title has the lines of all numbers of the row that it stands for.
    """

    def shown_once(text: str) -> str:
        lines: dict[str, dict[str, None]] = {}
        for _, note, line in CARRIED.findall(text):
            lines.setdefault(note, {})[line] = None

        def show(found: re.Match[str]) -> str:
            value, note, line = found.groups()
            file = html.escape(files.get(note, "?"))
            every = ", ".join(lines.pop(note, ()))
            link = f'<sup><a href="#note-{note}" title="{file}:{every}">[{note}]</a></sup>' if every else ""
            return f'<span title="{file}:{line}">{value}</span>{link}'

        return CARRIED.sub(show, text)

    shown = CARRIED.sub(lambda found: shown_once(found[0]), ROW.sub(lambda row: shown_once(row[0]), body))
    # No other list of the report is numbered.
    before, begin, notes = shown.partition("<ol>")
    numbers = itertools.count(1)
    return before + begin + re.sub("<li>", lambda _: f'<li id="note-{next(numbers)}">', notes)


def _with_whole_names(body: str) -> str:
    """Return `body` with the names that Qt's WebKit would break in the middle, where a column ends, kept whole."""
    body = LAST_NAME.sub(_whole, body)
    return HEAD.sub(lambda head: WHOLE_IN_HEAD.sub(_whole, head[0]), body)


def _whole(found: re.Match[str]) -> str:
    return f'<span class="whole">{found[0]}</span>'


def _contents(titles: Sequence[str]) -> str:
    """Return the table of contents; `titles` are sanitised HTML already."""
    links = "\n".join(
        f'<li><a href="#part-{place}">{title}</a></li>' for place, title in enumerate(titles, 1)
    )
    return f'<nav aria-label="Contents">\n<ul>\n{links}\n</ul>\n</nav>'


def _lay_out(body: str) -> str:
    """Return `body` as one `section` for the first page, the contents, and one for each heading with its anchor."""
    first, *others = SECTION_START.split(body)
    figures = first.replace("<table>", '<table class="figures">', 1)
    parts = [
        f'<section class="first">\n{keep_together(figures)}\n</section>',
        _contents(SECTION.findall(body)),
    ]
    for place, part in enumerate(others, 1):
        anchored = part.replace("<h2>", f'<h2 id="part-{place}">', 1)
        parts.append(f"<section>\n{keep_together(anchored)}\n</section>")
    return "\n".join(parts)


def keep_together(section: str) -> str:
    """Return a section with each heading and its introduction joined to what follows, in `div.keep` blocks.

    Qt's unpatched WebKit, which Debian's wkhtmltopdf is built with, neither repeats a table's head on the next page
    nor avoids a break inside a row, so that no table may be broken.
    """
    groups: list[list[str]] = [[]]
    for block in _joined(BLOCK_START.split(section)):
        if block.startswith("<h") and groups[-1] and not groups[-1][0].startswith("<h"):
            groups.append([])
        for part in _split_table(block) if block.startswith("<table") else [block]:
            groups[-1].append(part)
            if part.startswith(("<table", "<ul>", "<pre>", "<div")):
                groups.append([])
    return "\n".join('<div class="keep">\n' + "\n".join(group) + "\n</div>" for group in groups if group)


def _joined(blocks: Sequence[str]) -> Iterator[str]:
    """Yield the blocks, in two columns what belongs side by side.

    That is a table with the pictures that follow it, and the text between; and a small table with what `_end_of_right`
    finds for its right.
    """
    place = 0
    while place < len(blocks):
        end = _end_of_pictures(blocks, place)
        left = _end_of_small_table(blocks, place)
        if end > place:
            yield _beside_pictures(blocks[place], blocks[place + 1 : end])
        elif left > place and (end := _end_of_right(blocks, place, left)) > left:
            yield _columns(blocks[place:left], blocks[left:end])
        else:
            yield blocks[place]
            end = place + 1
        place = end


def _end_of_right(blocks: Sequence[str], start: int, end: int) -> int:
    """Return the place behind what stands right of the small table from `start` to `end`; `end` where nothing does.

    It is the next small table, and more of them while they are no longer than the left one, else the text that ends
    this part of the report.
    """
    right = _end_of_small_table(blocks, end)
    if right == end:
        return _end_of_last_text(blocks, end)
    while (more := _end_of_small_table(blocks, right)) > right and (
        _rows(blocks[end:more]) <= _rows(blocks[start:end])
    ):
        right = more
    return right


def _rows(blocks: Sequence[str]) -> int:
    return sum(len(ROW.findall(block)) for block in blocks)


def _end_of_small_table(blocks: Sequence[str], start: int) -> int:
    """Return the place behind the small table, perhaps with its introduction, at `start`; `start` where none is."""
    place = start + (
        start < len(blocks) and blocks[start].startswith("<p>") and blocks[start].endswith(":</p>")
    )
    if (
        place < len(blocks)
        and blocks[place].startswith("<table>")
        and len(HEAD_CELL.findall(blocks[place])) <= MOST_COLUMNS_OF_HALF
        and len(ROW.findall(blocks[place])) <= ROWS_PER_COLUMN
        and _end_of_pictures(blocks, place) == place
    ):
        return place + 1
    return start


def _end_of_last_text(blocks: Sequence[str], start: int) -> int:
    """Return the place behind the text from `start` to the next heading or the end; `start` where it is short."""
    heading = (place for place in range(start, len(blocks)) if blocks[place].startswith("<h"))
    end = next(heading, len(blocks))
    text = blocks[start:end]
    is_text = all(block.startswith(("<p>", "<ul>")) for block in text)
    return end if is_text and len("".join(text)) >= LETTERS_BESIDE_TABLE else start


def _end_of_pictures(blocks: Sequence[str], table: int) -> int:
    """Return the place behind the last picture that belongs to the table at `table`; `table` where there is none.

    They stand before the next heading, table or listing.
    """
    last = table
    if not blocks[table].startswith("<table>"):
        return last
    for place in range(table + 1, len(blocks)):
        if blocks[place].startswith(("<h", "<table", "<pre")):
            break
        if "<img" in blocks[place]:
            last = place + 1
    return last


def _beside_pictures(table: str, others: Sequence[str]) -> str:
    """Return `table` on the left and its pictures on the right; the text between stands where there is room."""
    pictures, texts = ([block for block in others if ("<img" in block) is wanted] for wanted in (True, False))
    if len(ROW.findall(table)) <= ROWS_ABOVE_TEXT:
        return _columns([table, *texts], pictures, "beside pictured")
    return _columns([table], [*pictures, *texts], "beside pictured")


def _columns(left: Sequence[str], right: Sequence[str], kind: str = "beside") -> str:
    sides = ("\n".join(["<div>", *side, "</div>"]) for side in (left, right))
    return "\n".join([f'<div class="{kind}">', *sides, "</div>"])


def _split_table(table: str) -> list[str]:
    """Return a long table as several with its head; one of figures as pairs of two columns."""
    head, body = table.split("<tbody>")
    rows, columns = ROW.findall(body), len(HEAD_CELL.findall(head))
    is_of_figures = columns <= MOST_COLUMNS_OF_HALF and head.count('<th align="right"') == columns - 1
    if len(rows) <= (ROWS_PER_COLUMN if is_of_figures else ROWS_PER_TABLE):
        return [table]
    per_page = ROWS_PER_TABLE * (2 if is_of_figures else 1)
    pages = [rows[start : start + per_page] for start in range(0, len(rows), per_page)]
    if not is_of_figures:
        return [_table(head, page) for page in pages]
    halves = [(page[: -(-len(page) // 2)], page[-(-len(page) // 2) :]) for page in pages]
    return [_columns([_table(head, left)], [_table(head, right)] if right else []) for left, right in halves]


def _table(head: str, rows: Sequence[str]) -> str:
    return f"{head}<tbody>\n{''.join(rows)}</tbody>\n</table>"


def data_uri(picture: Path) -> str:
    """Return a PNG or JPEG as an address that has its content; raise ReportHtmlError for another file."""
    kind, magic = ("png", PNG) if picture.suffix == ".png" else ("jpeg", JPEG)
    try:
        content = picture.read_bytes()
    except FileNotFoundError:
        raise ReportHtmlError(
            f"{picture}: {'chart' if kind == 'png' else 'frame'} not found, expected a {kind.upper()}; make it and"
            " try again."
        ) from None
    if not content.startswith(magic):
        raise ReportHtmlError(f"{picture}: not a {kind.upper()} file; delete it and make it again.")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
