"""Every bound on what comes from outside stands in the table of docs/sources.md, with its number."""

import importlib
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
LIBRARY = PROJECT / "workflow/scripts"
EMBEDDED = PROJECT / "workflow/embedded"
# Where files, graphs and answers from outside are first met.
PLACES = (
    *("intake/*", "sources/*", "boxes/truth", "core/locks", "core/errors", "report/report_data"),
    *("onnx/compare", "onnx/graph", "onnx/export_environment", "onnx/head_outputs", "tools/bounded_job"),
    *("trtexec/run", "checks/tensorrt_parse", "machine/video", "machine/clip"),
)
FILES = (
    *((LIBRARY, file) for place in PLACES for file in sorted((LIBRARY / "dsbench").glob(f"{place}.py"))),
    (EMBEDDED, EMBEDDED / "dsembed/shared/decode.py"),
)
BOUND = re.compile(
    r"^((?:[A-Z_]+, )*(?:LARGEST|MOST|LONGEST|DEEPEST|SLOW|RUN|LOADING|FOLDING|[A-Z_]*TIMEOUT)[A-Z_]*(?:, [A-Z_]+)*) ="
)
# How much of a text is shown or noted, how often a tool is tried, a number of Linux, and what libraries can hold.
NO_BOUNDS = re.compile(
    r"MOST_(SHOWN|ATTEMPTS|OF_|REPEATS)|LONGEST_(SHOWN|WORDS|SIZE|LINE_SHOWN)|LARGEST_PID|KEPT_END|^TIMEOUT$"
)
SIZES = ((1, "bytes"), (1e6, "million bytes"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB"))
TIMES = ((1, "s"), (3600, "hour"), (3600, "hours"))


def section():
    text = (PROJECT / "docs/sources.md").read_text(encoding="utf-8")
    return re.search(r"^## Bounds$(.*?)^## ", text, re.M | re.S)[1]


def bounds():
    for root, file in FILES:
        module = ".".join(file.relative_to(root).with_suffix("").parts)
        for line in file.read_text(encoding="utf-8").splitlines():
            found = BOUND.match(line)
            for name in found[1].split(", ") if found else ():
                if not NO_BOUNDS.search(name):
                    yield module, name


def forms(name, value):
    """Return how a table may have the number."""
    if name.endswith("BYTES"):
        # The largest protobuf is a byte less.
        return {f"{round(value / scale, 3):g} {unit}" for scale, unit in SIZES}
    if "_S_OF_A_" in name or name.endswith("_S"):
        return {f"{value / scale:g} {unit}" for scale, unit in TIMES}
    return {f"{value}", f"{value:,}", f"{value / 1e6:.3g} million"}


BOUNDS = sorted(set(bounds()))


def test_the_bounds_are_found():
    assert len(BOUNDS) > 40


@pytest.mark.parametrize(("module", "name"), BOUNDS)
def test_a_bound_stands_in_the_table_with_its_number(module, name):
    value = getattr(importlib.import_module(module), name)
    told = forms(name, value)
    assert any(re.search(rf"(?<![\d.,]){re.escape(form)}(?![\d])", section()) for form in told), told
