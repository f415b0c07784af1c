"""What an engine answers to given images: NVIDIA's through files of trtexec, the embedded runtime's in this process."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dsbench.core.errors import BuildError
from dsbench.tools.tool_run import run_tool
from dsbench.trtexec.command import Profile, outputs_command
from dsbench.trtexec.run import START_TIMEOUT_S
from dsembed.engine.engine import Engine, EngineError, ExecutionContext

# One tensor of --exportOutput: a C++ stream wrote it, so that no number may be nan or inf, which JSON has not.
TENSOR = re.compile(r'"name" : "(.*)"\n *, "dimensions" : "([0-9x]+)"\n *, "values" : \[ (.*) \]\n')


# The text of one call's answers then takes some 60 MB.
MOST_VALUES = 6_000_000


class AnswersError(BuildError):
    """A file of answers that does not hold what it says."""


@dataclass(frozen=True)
class AskedEngine:
    """An engine that trtexec runs on images, at most `profile.max_batch` at once; `log` is the last call's."""

    program: str
    engine: Path
    profile: Profile
    log: Path
    facts: Mapping[str, str]

    def answers(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return each output [n, ...] by name for images [n, 3, H, W], float32, of six significant digits.

        Raises ToolFailedError where trtexec does not run the engine, AnswersError where it writes something else.
        """
        batch = self.profile.max_batch if self.profile.static else len(images)
        filled = np.zeros((batch, *self.profile.chw), np.float32)
        filled[: len(images)] = images
        with TemporaryDirectory() as folder:
            # trtexec splits the option at commas and at the last colon: the way there from here has neither.
            given, written = (Path(os.path.relpath(folder), name) for name in ("images.bin", "answers.json"))
            filled.tofile(given)
            files = str(given), str(written)
            command = outputs_command(self.program, str(self.engine), self.profile, batch, *files)
            run_tool(command, self.log, dict(self.facts), timeout_s=START_TIMEOUT_S)
            return {name: values[: len(images)] for name, values in read_answers(written, batch).items()}


class EmbeddedEngine:
    """An engine of the embedded runtime, run in this process: what its trtexec would answer, in a fraction of the time.

    Raises BuildError where the engine is not one of this machine.
    """

    def __init__(self, engine: Path):
        self.engine = engine
        try:
            found = Engine.load(engine)
            self._context = ExecutionContext(found, found.max_batch)
        except EngineError as error:
            raise BuildError(str(error)) from error
        self._names = [output.name for output in found.outputs]

    def answers(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return each output [n, ...] by name for images [n, 3, H, W], float32, of at most the engine's batch."""
        self._context.submit(0, images)
        return {name: each.copy() for name, each in zip(self._names, self._context.wait(0), strict=True)}


def images_at_once(shapes: Sequence[Sequence[int | str]], max_batch: int) -> int:
    """Return how many images of a model with outputs of these shapes one call takes, each side after the batch fixed.

    A side that is a name is unknown, and the images go one by one.
    """
    sides = [side for shape in shapes for side in shape[1:]]
    if not all(isinstance(side, int) for side in sides):
        return 1
    of_one = sum(math.prod(int(side) for side in shape[1:]) for shape in shapes)
    return max(1, min(max_batch, MOST_VALUES // max(1, of_one)))


def read_answers(file: Path, batch: int) -> dict[str, np.ndarray]:
    """Return the tensors of a file that --exportOutput wrote, each float32 [batch, ...], by name."""
    text = file.read_text() if file.is_file() else ""
    found = {name: _tensor(file, name, dims, values) for name, dims, values in TENSOR.findall(text)}
    others = [f"{name} {values.shape}" for name, values in found.items() if values.shape[:1] != (batch,)]
    if others or not found:
        raise AnswersError(
            f"{file.name}: it has {', '.join(others) or 'no tensor'}, expected tensors of batch {batch}"
        )
    return found


def _tensor(file: Path, name: str, dims: str, values: str) -> np.ndarray:
    shape = tuple(map(int, dims.split("x")))
    try:
        numbers = np.fromstring(values, np.float32, sep=",")
    except ValueError as error:
        raise AnswersError(f"{file.name}: {name} has a value that is no number") from error
    if numbers.size != math.prod(shape):
        raise AnswersError(f"{file.name}: {name} has {numbers.size} numbers, expected {dims}")
    return numbers.reshape(shape)
