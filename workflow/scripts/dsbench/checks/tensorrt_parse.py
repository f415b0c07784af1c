"""Whether NVIDIA's parser and builder accept an ONNX with its dynamic profile, asked before anybody spends GPU time."""

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
# Without a GPU the builder has to be told one; which it is hardly matters to its checks of the graph.
ANY_CAPABILITY = 8.9


@dataclass(frozen=True)
class RefusedNode:
    """A node that the parser has no layer for."""

    node: str
    operator: str
    reason: str


@dataclass(frozen=True)
class ParserAnswer:
    """What `inside_tensorrt` writes.

    `builds` is None where the parser refuses already, or where `obstacle` says why nothing can be built here. `failed`
    are the layers that the builder's errors name. `engine_bytes` is the size of the engine, None without one.
    """

    parser: str
    accepted: bool
    refused: list[RefusedNode]
    builds: bool | None
    engine_bytes: int | None
    failed: list[str]
    obstacle: str | None
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


@dataclass(frozen=True)
class TensorrtBuild(TensorrtParse):
    """What tensorrt_build.json says: the same of one kind of GPU, named by its compute capability."""

    compute_capability: str


def parse_with_tensorrt(python: Path, onnx: Path, profile: Profile, log: Path) -> Verdict[TensorrtParse]:
    """Return whether TensorRT builds `onnx` with the profile's min 1, opt = max = its batch, and what it says.

    `python` is the one that has tensorrt-rtx. Raises BuildError where TensorRT ends without a verdict.
    """
    shapes = _shapes(profile)
    found = _asked(python, onnx, (profile.input_name, shapes), f"{ANY_CAPABILITY}", log)
    sentence = _refusal(found) or _parse_sentence(found)
    record = TensorrtParse(**vars(found), onnx=str(onnx), profile=shapes, verdict=sentence)
    return Verdict(record, None if found.builds else sentence)


def build_with_tensorrt(
    python: Path, onnx: Path, profile: Profile, capability: float, log: Path
) -> Verdict[TensorrtBuild]:
    """Return whether TensorRT builds `onnx` for GPUs of `capability`, as `parse_with_tensorrt` asks it.

    A machine or a `capability` for which nothing can be built is no complaint about the model.
    """
    shapes, asked = _shapes(profile), f"{capability:.1f}"
    found = _asked(python, onnx, (profile.input_name, shapes), asked, log)
    sentence = _refusal(found) or _build_sentence(found, asked)
    record = TensorrtBuild(
        **vars(found), onnx=str(onnx), profile=shapes, verdict=sentence, compute_capability=asked
    )
    return Verdict(record, None if found.builds or found.obstacle else sentence)


def _shapes(profile: Profile) -> list[list[int]] | None:
    largest = [profile.max_batch, *profile.chw]
    return None if profile.static else [[1, *profile.chw], largest, largest]


def _asked(
    python: Path, onnx: Path, profile: tuple[str, list[list[int]] | None], capability: str, log: Path
) -> ParserAnswer:
    """Return TensorRT's answer about `profile`, the input's name and shapes; raises BuildError without one."""
    name, shapes = profile
    with tempfile.TemporaryDirectory() as scratch:
        job, result = Path(scratch, "job.json"), Path(scratch, "result.json")
        asked = {"onnx": str(onnx), "input": name, "shapes": shapes, "compute_capability": capability}
        job.write_text(json.dumps(asked | {"result": str(result)}))
        status = _run([str(python), "-m", "dsbench.checks.inside_tensorrt.tensorrt_rtx_parse", str(job)], log)
        if status != 0 or not result.is_file():
            raise BuildError(
                f"{log}: TensorRT's parser ended with status {status} and no verdict on {onnx}; its last lines say why"
            )
        return read_record(result, ParserAnswer)


def _errors(found: ParserAnswer) -> str:
    return " ".join(found.errors)[:MOST_OF_ERRORS]


def _refusal(found: ParserAnswer) -> str | None:
    """Return what the parser refuses, in one sentence, None where it accepts the graph."""
    if found.accepted:
        return None
    nodes = [f"{each.operator} ({each.node}): {each.reason}" for each in found.refused]
    return f"TensorRT's parser refuses {'; '.join(nodes) or f'the file: {_errors(found)}'}"


def _parse_sentence(found: ParserAnswer) -> str:
    if found.obstacle:
        return f"TensorRT's parser accepts the graph; its builder cannot be asked on this machine: {found.obstacle}"
    if not found.builds:
        return f"TensorRT's parser accepts the graph, its builder does not: {_errors(found)}"
    return "TensorRT's parser accepts the graph, and its builder the profile"


def _build_sentence(found: ParserAnswer, capability: str) -> str:
    gpu = f"GPUs of compute capability {capability}"
    if found.obstacle:
        return (
            f"nothing is known of the model on {gpu}, since {found.parser} builds nothing for them on this machine: "
            f"{found.obstacle[:MOST_OF_ERRORS]}"
        )
    if found.engine_bytes is not None:
        return f"{found.parser} builds the graph for {gpu}: an engine of {found.engine_bytes / 2**20:.1f} MiB"
    layers = f"layer {', '.join(found.failed)} fails" if found.failed else "no layer is named"
    return f"{found.parser} cannot build the graph for {gpu}: {layers}: {_errors(found)}"


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
