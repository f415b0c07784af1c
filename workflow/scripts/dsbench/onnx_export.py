"""Run the torch side in the export environment and keep what it leaves."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dsbench.errors import BuildError


class ExportError(BuildError):
    """An export that failed, with the last line of its log."""


def export_onnx(python: Path, source: Path, image: Path, onnx: Path, reference: Path, log: Path) -> None:
    """Export the Hugging Face folder `source` to `onnx`, with torch's answers for `image` in `reference`."""
    if not python.exists():
        raise ExportError(
            f"{python}: no such program, so the export environment is incomplete;"
            f" delete {python.parents[1]} and try again"
        )
    package_root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory(prefix="export-", dir=onnx.parent) as scratch:
        with log.open("w") as stream:
            status = subprocess.run(
                [str(python), "-m", "dsbench.torch_export", str(source), str(image), scratch],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(package_root), "PYTHONNOUSERSITE": "1"},
                check=False,
            ).returncode
        if status != 0:
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            raise ExportError(
                f"{source}: the export to ONNX ended with exit status {status}:"
                f" {lines[-1].strip() if lines else 'no output'}; the whole log is {log}"
            )
        shutil.move(Path(scratch, "reference.npz"), reference)
        shutil.move(Path(scratch, "model.onnx"), onnx)
