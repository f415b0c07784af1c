"""docs/rebuilds.md says what the DAG says."""

from dsbench.dag.rebuild_table import rebuild_table
from workflow_run import PROJECT, rebuilt

FAKES = PROJECT / "tests/fakes"


def test_the_table_is_that_of_the_dag():
    made = rebuild_table([FAKES, FAKES / "gstreamer"])
    assert made == (PROJECT / "docs/rebuilds.md").read_text(), "run `make rebuilds` and read the difference"


def test_an_upgrade_leaves_what_does_not_depend_on_the_tool():
    assert {"build_engine", "benchmark_streams", "print_pdf"} <= rebuilt("nvidia", "driver")
    assert not {"export_onnx", "compile_parser", "write_labels"} & rebuilt("nvidia", "driver")
    assert "compile_parser" in rebuilt("nvidia", "DeepStream")
    assert "build_engine" not in rebuilt("nvidia", "DeepStream")
    assert rebuilt("nvidia", "template") == {"render_markdown", "render_html", "print_pdf"}
    assert rebuilt("nvidia", "chart code") == {"draw_charts", "render_html", "print_pdf"}
