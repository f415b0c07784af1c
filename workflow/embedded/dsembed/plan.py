"""Execution plans: how a batch is cut over parallel CPU streams, the counterpart of TensorRT's tactics."""

from __future__ import annotations

from dataclasses import dataclass

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
