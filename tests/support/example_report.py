"""The example of benchmark_data.json: as JSON that a test may change, and as the record and the report made of it."""

import json
from pathlib import Path

import msgspec

from dsbench.report.markdown import render_markdown
from dsbench.report.report_records import BenchmarkData

EXAMPLE = Path(__file__).parents[1] / "data/benchmark_data.json"


def example():
    """Return what the example holds."""
    return json.loads(EXAMPLE.read_text())


def record(data):
    """Return the record that is read from `data`."""
    return msgspec.convert(data, BenchmarkData)


def markdown_of(data, since=None):
    """Return the report of `data`."""
    return render_markdown(record(data), since)
