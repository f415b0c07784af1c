"""What this machine's CPU is, as far as an engine depends on it, and the memory of this process."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

# Flags that decide which kernels OpenVINO compiles, by /proc/cpuinfo name (x86, then ARM).
KERNEL_FLAGS = """
    sse4_2 avx avx2 avx_vnni f16c fma avx512f avx512_vnni avx512_bf16 avx512_fp16
    amx_tile amx_int8 amx_bf16 amx_fp16 asimd asimdhp asimddp bf16 i8mm sve sve2
"""


class CpuError(Exception):
    """/proc/cpuinfo does not say which CPU this is."""


@dataclass(frozen=True)
class Cpu:
    """One machine's CPU: `cores` usable by this process, the rest as the kernel names it."""

    name: str
    vendor: str
    family: str
    model: str
    isa: tuple[str, ...]
    cores: int

    def difference(self, other: Cpu) -> str | None:
        """Return the first fact in which two CPUs run different kernels, None if they run the same."""
        for fact in ("vendor", "family", "model", "isa"):
            mine, theirs = getattr(self, fact), getattr(other, fact)
            if mine != theirs:
                return f"{fact} {_words(theirs)} instead of {_words(mine)}"
        return None


def this_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Cpu:
    """Return this machine's CPU; raises CpuError where `cpuinfo` has no vendor, family or model."""
    facts: dict[str, str] = {}
    for line in cpuinfo.read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    vendor = _fact(facts, cpuinfo, "vendor_id", "CPU implementer")
    return Cpu(
        name=facts.get("model name") or f"{platform.machine()} {vendor}",
        vendor=vendor,
        family=_fact(facts, cpuinfo, "cpu family", "CPU architecture"),
        model=_fact(facts, cpuinfo, "model", "CPU part"),
        isa=tuple(
            sorted(set(KERNEL_FLAGS.split()) & set(_fact(facts, cpuinfo, "flags", "Features").split()))
        ),
        cores=usable_cores(),
    )


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return the cores this process may use: its affinity mask, or its cgroup's CPU quota if that is less."""
    cores = len(os.sched_getaffinity(0))
    if quota.is_file():
        limit_us, period_us = quota.read_text().split()
        if limit_us != "max":
            cores = min(cores, max(1, math.floor(int(limit_us) / int(period_us))))
    return cores


def _fact(facts: dict[str, str], cpuinfo: Path, *keys: str) -> str:
    for key in keys:
        if key in facts:
            return facts[key]
    raise CpuError(f"{cpuinfo}: none of {', '.join(keys)} found, so an engine cannot be tied to this CPU.")


def _words(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else "+".join(value) or "none"


Made = TypeVar("Made")


def with_memory_growth(make: Callable[[], Made]) -> tuple[Made, int]:
    """Return what `make` makes, and by how many bytes the resident memory grew meanwhile, at least 0."""
    before_bytes = _resident_bytes()
    made = make()
    return made, max(0, _resident_bytes() - before_bytes)


def _resident_bytes() -> int:
    return psutil.Process().memory_info().rss
