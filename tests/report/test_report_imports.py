"""The steps that make a report load nothing that only measures: each of them starts its own interpreter."""

import ast
import subprocess
import sys

import pytest

from workflow_run import PROJECT

MEASURES = {"av", "cv2", "onnx", "onnxruntime", "openvino", "scipy", "torch"}
STEPS = (
    *("collect_data", "keep_history", "draw_charts", "render_markdown", "render_html", "write_software_bill"),
    *("print_pdf", "compare_models", "draw_comparison", "render_comparison"),
)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_the_report_loads_nothing_that_measures(step):
    file = PROJECT / f"workflow/scripts/{step}.py"
    body = ast.parse(file.read_text()).body
    imports = [ast.unparse(each) for each in body if isinstance(each, ast.Import | ast.ImportFrom)]
    said = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, said])],
        env={"PYTHONPATH": str(PROJECT / "workflow/scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "dsbench" in loaded
    assert loaded & MEASURES == set()
