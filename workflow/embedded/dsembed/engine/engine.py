"""Loading an engine and running batches on it, by plans: how a batch is cut over parallel CPU streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openvino as ov

from dsembed import RUNTIME_VERSION
from dsembed.engine.engine_file import EngineError, EngineFile, read_engine_file
from dsembed.shared.cpu import Cpu, this_cpu, usable_cores

PRECISIONS = ("f32", "f16", "bf16")  # OpenVINO's names of the types that convolutions compute in


@dataclass(frozen=True)
class Plan:
    """`streams` run in parallel with `threads` CPU threads each, on `chunk` images at a time, in `compute` type."""

    streams: int
    threads: int
    chunk: int
    compute: str

    def __str__(self) -> str:
        streams = f"{self.streams} stream{'s' * (self.streams > 1)}"
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{streams} x {threads}, chunk {self.chunk}, compute {self.compute}"

    def for_batch(self, batch: int) -> Plan:
        """Return this plan with the largest chunk, no larger than its own, that divides `batch` images."""
        chunk = max(size for size in range(1, min(self.chunk, batch) + 1) if batch % size == 0)
        return Plan(self.streams, self.threads, chunk, self.compute)

    def openvino_config(self) -> dict[str, object]:
        """Return the CPU plugin's properties for this plan."""
        return {
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self.streams * self.threads,
            "INFERENCE_PRECISION_HINT": self.compute,
        }


def whole_batch(batch: int, cores: int, compute: str) -> Plan:
    """Return the plan that runs `batch` images at once on all cores."""
    return Plan(1, cores, batch, compute)


def candidates(batch: int, cores: int, compute: str) -> list[Plan]:
    """Return the plans worth timing for `batch` images: whole, and cut so that every stream has work."""
    plans = [whole_batch(batch, cores, compute)]
    streams = 2
    while streams <= min(cores, batch):
        chunks = {size for size in (1, 2, batch // streams) if batch % size == 0 and batch // size >= streams}
        plans += [Plan(streams, cores // streams, chunk, compute) for chunk in sorted(chunks)]
        streams *= 2
    return plans


__all__ = ["Binding", "Engine", "EngineError", "ExecutionContext"]

NUMPY_TYPES = {
    "fp32": np.float32,
    "fp16": np.float16,
    "int64": np.int64,
    "int32": np.int32,
    "uint8": np.uint8,
}


@dataclass(frozen=True)
class Binding:
    """One input or output: `dims` without the batch, `dtype` as trtexec names it ("fp32", "int64", ...)."""

    name: str
    dims: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Engine:
    """An engine made for this machine; batches are images, `precision` is the type it computes in."""

    path: Path
    input: Binding
    outputs: tuple[Binding, ...]
    min_batch: int
    opt_batch: int
    max_batch: int
    precision: str
    facts: dict
    file: EngineFile = field(repr=False)

    @classmethod
    def load(cls, path: Path | str) -> Engine:
        """Return the engine at `path`; raises EngineError if it is damaged, foreign or made for another machine."""
        path = Path(path)
        engine = cls.from_file(path, read_engine_file(path))
        _refuse_other_makers(path, engine.facts)
        return engine

    @classmethod
    def from_file(cls, path: Path, file: EngineFile) -> Engine:
        """Return the engine that `file` describes, whoever made it."""
        header = file.header
        profile = header["profile"]
        return cls(
            path=path,
            input=_binding(header["input"]),
            outputs=tuple(_binding(output) for output in header["outputs"]),
            min_batch=profile["min"],
            opt_batch=profile["opt"],
            max_batch=profile["max"],
            precision=header["plans"][str(profile["opt"])]["compute"],
            facts=header,
            file=file,
        )

    def plan(self, batch: int) -> Plan:
        """Return the plan for `batch` images: the one timed for it, or that of the next larger timed batch."""
        timed = {int(size): Plan(**plan) for size, plan in self.facts["plans"].items()}
        return timed[min(size for size in timed if size >= batch)].for_batch(batch)

    def core_count_warning(self) -> str | None:
        """Return what makes this engine's plans doubtful here: they were timed on another number of CPU cores."""
        timed_on, usable = self.facts["cpu"]["cores"], usable_cores()
        if timed_on == usable:
            return None
        return (
            f"The engine's plans were timed on {timed_on} CPU cores, this process may use {usable}; "
            "performance is likely to suffer, build the engine here."
        )

    def compile(self, plan: Plan) -> ov.CompiledModel:
        """Return the model compiled for chunks of `plan`."""
        core = ov.Core()
        model = core.read_model(self.file.xml, ov.Tensor(np.frombuffer(self.file.weights, np.uint8)))
        if model.input().get_partial_shape().is_dynamic:
            model.reshape([plan.chunk, *self.input.dims])
        return core.compile_model(model, "CPU", plan.openvino_config())


class ExecutionContext:
    """Runs up to `batch` images in each of `slots` independent places, which may be in flight at once."""

    def __init__(self, engine: Engine, batch: int, slots: int = 1, plan: Plan | None = None):
        if not engine.min_batch <= batch <= engine.max_batch:
            raise EngineError(
                f"{engine.path}: batch {batch} is outside the engine's profile, {engine.min_batch} to "
                f"{engine.max_batch}; build an engine with --maxShapes of at least this batch."
            )
        self.plan = plan or engine.plan(batch)
        compiled = engine.compile(self.plan)
        self._slots = [_Slot(engine, compiled, batch, self.plan.chunk) for _ in range(slots)]

    def submit(self, slot: int, images: np.ndarray) -> None:
        """Start `images`, float32 C-contiguous [n, *dims] with n <= batch; they must not change until wait()."""
        self._slots[slot].submit(images)

    def wait(self, slot: int) -> list[np.ndarray]:
        """Return one [n, *dims] array per output of what `slot` runs, valid until its next submit()."""
        return self._slots[slot].wait()


class _Slot:
    """The requests of one batch, one per chunk, writing into common output arrays."""

    def __init__(self, engine: Engine, compiled: ov.CompiledModel, batch: int, chunk: int):
        self._chunk, self._batch, self._dims = chunk, batch, engine.input.dims
        self._requests = [compiled.create_infer_request() for _ in range(batch // chunk)]
        self._outputs = [np.empty((batch, *out.dims), NUMPY_TYPES[out.dtype]) for out in engine.outputs]
        self._padded = np.zeros((chunk, *self._dims), np.float32)
        self._images = self._padded[:0]
        for number, request in enumerate(self._requests):
            rows = slice(number * chunk, (number + 1) * chunk)
            for index, output in enumerate(self._outputs):
                request.set_output_tensor(index, ov.Tensor(output[rows], shared_memory=True))

    def submit(self, images: np.ndarray) -> None:
        if images.dtype != np.float32 or not images.flags.c_contiguous or images.shape[1:] != self._dims:
            raise EngineError(
                f"images are {images.dtype} {images.shape}, the engine takes C-contiguous float32 "
                f"[1 to {self._batch}, {', '.join(map(str, self._dims))}]."
            )
        if not 1 <= len(images) <= self._batch:
            raise EngineError(f"{len(images)} images submitted, this context takes 1 to {self._batch}.")
        self._images = images  # OpenVINO keeps no reference to the memory that it reads
        for number, request in enumerate(self._running()):
            part = images[number * self._chunk : (number + 1) * self._chunk]
            if len(part) < self._chunk:
                self._padded[: len(part)] = part
                part = self._padded
            request.set_input_tensor(ov.Tensor(part, shared_memory=True))
            request.start_async()

    def wait(self) -> list[np.ndarray]:
        for request in self._running():
            request.wait()
        return [output[: len(self._images)] for output in self._outputs]

    def _running(self) -> list[ov.InferRequest]:
        return self._requests[: -(-len(self._images) // self._chunk)]


def _binding(facts: dict) -> Binding:
    return Binding(facts["name"], tuple(facts["dims"]), facts["dtype"])


def _refuse_other_makers(path: Path, facts: dict) -> None:
    if facts["embedded_runtime"] != RUNTIME_VERSION:
        raise EngineError(
            f"{path}: built by embedded runtime {facts['embedded_runtime']}, this is embedded runtime "
            f"{RUNTIME_VERSION}; build it again."
        )
    if facts["openvino"] != ov.get_version():
        raise EngineError(
            f"{path}: built by OpenVINO {facts['openvino']}, this is OpenVINO {ov.get_version()}; build it again."
        )
    cpu = facts["cpu"]
    difference = Cpu(**{**cpu, "isa": tuple(cpu["isa"])}).difference(this_cpu())
    if difference:
        raise EngineError(
            f"{path}: built for the CPU family of {cpu['name']}, this CPU has {difference}; build it again."
        )
