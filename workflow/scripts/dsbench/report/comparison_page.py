"""The comparison as one HTML page that needs nothing else, and whose tables are whole without its script."""

import base64
import hashlib
from pathlib import Path

import jinja2

from dsbench.report.comparison import (
    Contender,
    ModelComparison,
    Need,
    RankedGroup,
    has_other_trees,
    rank_words,
    title_of,
)
from dsbench.report.html import ROWS_PER_TABLE, data_uri
from dsbench.report.report_data import TEMPLATES
from dsbench.report.served import NOT_KNOWN, below_words
from dsbench.report.text import NOT_MEASURED, count

TEMPLATE = "comparison.html.j2"
SCRIPT = TEMPLATES / "comparison.js"
STYLES = (TEMPLATES / "report.css", TEMPLATES / "comparison.css")


def render_comparison(comparison: ModelComparison, chart: Path) -> str:
    """Return the page, with `chart`, the PNG of the models by speed and accuracy, inside.

    Text from the reports is escaped, and a browser runs no other script than the page's own.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "count": count}
    script = SCRIPT.read_text(encoding="utf-8")
    return environment.get_template(TEMPLATE).render(
        groups=comparison.groups,
        left_out=comparison.left_out,
        # The policy is of the script's exact text.
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        css="\n".join(style.read_text(encoding="utf-8") for style in STYLES),
        chart=data_uri(chart),
        rows_per_table=ROWS_PER_TABLE,
        has_other_trees=has_other_trees,
        needs_of=_needs_of,
        rank_words=rank_words,
        title_of=title_of,
        not_known=NOT_KNOWN,
        below_words=below_words,
    )


def _needs_of(group: RankedGroup) -> list[tuple[Contender, list[Need]]]:
    """Return each contender of a group with what its numbers of cameras need."""
    of_each = len(group.needs) // len(group.contenders)
    starts = range(0, len(group.needs), of_each)
    needs = [group.needs[start : start + of_each] for start in starts]
    return list(zip(group.contenders, needs, strict=True))


def _number(value: float | None, decimals: int) -> str:
    return NOT_MEASURED if value is None else f"{value:,.{decimals}f}"
