"""The Snakefile loads nothing that is only needed where a job runs."""

import subprocess
import sys

from workflow_run import PROJECT

HEAVY = {
    *("onnx", "onnx_graphsurgeon", "onnxruntime", "openvino", "torch", "transformers", "cv2", "scipy"),
    *("pandas", "numpy", "matplotlib", "seaborn", "huggingface_hub", "httpx", "pdfkit", "markdown"),
}
DRY_RUN = """
import atexit, sys
import snakemake.cli
before = set(sys.modules)
atexit.register(lambda: print("LOADED", *sorted({name.split(".")[0] for name in set(sys.modules) - before})))
sys.argv = ["snakemake", "-n", "--cores", "1", *sys.argv[1:]]
snakemake.cli.main()
"""


def test_dry_run_loads_nothing_heavy_beyond_snakemakes_own(tmp_path):
    options = ("--snakefile", PROJECT / "Snakefile", "--configfile", PROJECT / "config/config.yaml")
    done = subprocess.run(
        [sys.executable, "-c", DRY_RUN, *options, "--directory", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "render_markdown" in done.stdout, done.stderr[-2000:]
    loaded = set(done.stdout.rpartition("LOADED ")[2].split())
    assert "dsbench" in loaded
    assert loaded & HEAVY == set()
