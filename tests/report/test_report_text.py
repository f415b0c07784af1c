import html
import re

import markdown
import pytest

from dsbench.report.text import Markdown, code, count, fence, finalize, number, plain, shape, text

HOSTILE = [
    "a|b | c",
    "`tick``s```",
    "<script>alert(1)</script>",
    "line\nbreak\r\n## 13. Injected",
    "x" * 200,
    "[link](http://evil.example)",
    "![picture](http://evil.example/a.png)",
    "**b** _i_ __init__ _a_b_",
    "- item",
    "+ item",
    "1. item",
    "2) item",
    "1.",
    "> quote",
    "# head",
    "===",
    "&lt;img&gt; &#60;b&#62; &amp;",
    "```",
    "\\| \\",
    "\u202eright to left\u0007",
    "<!-- a --> <?php ?>",
    "\u0002wzxhzdk:0\u0003",
    "{{ 7 * 7 }}",
]


def shown(document):
    """Return what a reader sees of a rendered document: no tags, entities resolved."""
    rendered = markdown.markdown(document, extensions=["tables", "fenced_code", "sane_lists"])
    return rendered, html.unescape(re.sub(r"<[^>]*>", "", rendered)).strip()


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("escape", [text, code])
def test_text_stays_one_table_cell_and_reads_as_itself(value, escape):
    rendered, seen = shown(f"| a | b |\n|---|---|\n| {escape(value)} | end |\n")
    assert rendered.count("<td") == 2
    assert seen.split("\n\n")[-1].strip() != ""
    assert plain(value) in re.sub(r"\s*\n\s*", "\n", seen)
    assert not re.search(r"<(script|a|img|em|strong|h\d|blockquote|b)\b", rendered)


@pytest.mark.parametrize("value", HOSTILE)
def test_text_stays_one_list_item_and_reads_as_itself(value):
    rendered, seen = shown(f"- {text(value)}\n- end\n")
    assert rendered.count("<li>") == 2
    assert seen == f"{plain(value)}\nend"
    assert not re.search(r"<(script|a|img|em|strong|h\d|blockquote|ol|hr|pre)\b", rendered)


def test_ordinary_words_stay_readable_in_the_source():
    assert text("rt_detr 1.22.0 (x86-64)") == "rt_detr 1.22.0 (x86-64)"


def test_addresses_do_not_become_links_on_github():
    assert "://" not in text("https://evil.example")
    assert "www." not in text("www.evil.example")


def test_code_is_a_code_span_only_where_nothing_can_break_it():
    assert code("benchmarks/b8/trtexec_b8.log") == "`benchmarks/b8/trtexec_b8.log`"
    assert "`" not in code("a`b|c")


@pytest.mark.parametrize(
    "value", ["echo '```'\n```\n## out", "````\n`````\n~~~~", "a\r\nb", "<b>&amp;</b>\n    x"]
)
def test_a_command_cannot_close_its_fence(value):
    rendered, seen = shown(f"before\n\n{fence(value)}\n\nafter\n")
    assert rendered.count("<pre>") == 1
    assert not re.search(r"<(h2|b)>", rendered)
    assert value.replace("\r\n", "\n") in seen


def test_a_command_keeps_its_lines_for_pasting():
    assert fence("#!/bin/sh\nset -eu\n") == "```sh\n#!/bin/sh\nset -eu\n```"


def test_numbers_carry_separators_places_and_unit():
    assert number(1234.567, 1, "ms") == "1,234.6 ms"
    assert number(0, 2) == "0.00"


def test_what_was_not_measured_is_said_without_a_unit():
    assert number(None, 1, "ms") == finalize(None) == code(None) == "not measured"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_is_refused(value):
    with pytest.raises(ValueError, match="not a number that can be reported"):
        number(value, 1)


def test_one_stream_is_singular():
    assert (count(1, "stream"), count(0, "stream")) == ("1 stream", "0 streams")


def test_template_output_is_escaped_unless_it_is_markdown():
    assert finalize("a|b") == "a&#124;b"
    assert finalize(Markdown("a|b")) == "a|b"
    assert (finalize(True), finalize(30.0), finalize(1.5e-05)) == ("yes", "30", "1.5e-05")


def test_names_in_a_tensor_shape_are_escaped():
    assert shape(["b|n", 3]) == "b&#124;n x 3"
