"""Group the blocks of the HTML report that a page break must not part."""

import re

ROWS_PER_TABLE = 30
BLOCK_START = re.compile(r"\n(?=<(?:h[123]|p|table|ul|pre)\b)")
ROW = re.compile(r"<tr>.*?</tr>\n?", re.DOTALL)


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
