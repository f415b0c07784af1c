"""Whether NVIDIA's parser accepts an ONNX with its dynamic profile, asked before anybody spends GPU time."""

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dsbench.checks.verdict import Verdict
from dsbench.core.errors import BuildError
from dsbench.core.records import read_record
from dsbench.core.secret_words import environment_without_tokens
from dsbench.trtexec.command import Profile

TIMEOUT_S = 3600
# Characters of TensorRT's own messages that a sentence shows.
MOST_OF_ERRORS = 300


@dataclass(frozen=True)
class RefusedNode:
    """A node that the parser has no layer for."""

    node: str
    operator: str
    reason: str


@dataclass(frozen=True)
class ParserAnswer:
    """What `inside_tensorrt` writes; `builds` is None where the parser refuses already."""

    parser: str
    accepted: bool
    refused: list[RefusedNode]
    builds: bool | None
    errors: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class TensorrtParse(ParserAnswer):
    """What tensorrt_parse.json says: the answer, what was asked, and the verdict in a sentence.

    `profile` is the min, opt and max shape, None where the batch is static.
    """

    onnx: str
    profile: list[list[int]] | None
    verdict: str


def parse_with_tensorrt(python: Path, onnx: Path, profile: Profile, log: Path) -> Verdict[TensorrtParse]:
    """Return whether TensorRT builds `onnx` with the profile's min 1, opt = max = its batch, and what it says.

    `python` is the one that has tensorrt-rtx. Raises BuildError where TensorRT ends without a verdict.
    """
    largest = [profile.max_batch, *profile.chw]
    shapes = None if profile.static else [[1, *profile.chw], largest, largest]
    with tempfile.TemporaryDirectory() as scratch:
        job, result = Path(scratch, "job.json"), Path(scratch, "result.json")
        job.write_text(
            json.dumps(
                {"onnx": str(onnx), "input": profile.input_name, "shapes": shapes, "result": str(result)}
            )
        )
        status = _run([str(python), "-m", "dsbench.checks.inside_tensorrt.tensorrt_rtx_parse", str(job)], log)
        if status != 0 or not result.is_file():
            raise BuildError(
                f"{log}: TensorRT's parser ended with status {status} and no verdict on {onnx}; its last lines say why"
            )
        found = read_record(result, ParserAnswer)
    sentence = _sentence(found)
    record = TensorrtParse(**vars(found), onnx=str(onnx), profile=shapes, verdict=sentence)
    return Verdict(record, None if found.builds else sentence)


def _sentence(found: ParserAnswer) -> str:
    """Return in one sentence what TensorRT says to the graph."""
    errors = " ".join(found.errors)[:MOST_OF_ERRORS]
    if not found.accepted:
        nodes = [f"{each.operator} ({each.node}): {each.reason}" for each in found.refused]
        return f"TensorRT's parser refuses {'; '.join(nodes) or f'the file: {errors}'}"
    if not found.builds:
        return f"TensorRT's parser accepts the graph, its builder does not: {errors}"
    return "TensorRT's parser accepts the graph, and its builder the profile"


def _run(command: list[str], log: Path) -> int:
    with log.open("w") as stream:
        try:
            return subprocess.run(
                command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment_without_tokens() | {"PYTHONPATH": _path(), "PYTHONNOUSERSITE": "1"},
                timeout=TIMEOUT_S,
                check=False,
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildError(f"{log}: `{' '.join(command[:3])}` gave no verdict ({error})") from None


def _path() -> str:
    """Return this package's folder before what PYTHONPATH names already."""
    return os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
