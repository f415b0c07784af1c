"""What this machine is and has: processor, host, GPU driver, compiler; None means absent."""

import os
import platform
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TypedDict

from dsbench.core.errors import BuildError
from dsbench.core.secret_words import environment_without_tokens

# What a program may take to say what it is. Eight GPUs without nvidia-persistenced take half a minute to wake up, and
# GStreamer's first look at all plugins, with DeepStream's among them, more than a minute.
PROBE_TIMEOUT_S = 60
GSTREAMER_TIMEOUT_S = 300
CPU_IDENTITY = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU architecture", "CPU part")
VECTOR_FLAGS = ("sse4", "avx", "f16c", "fma", "amx", "asimd", "bf16", "i8mm", "sve")


def driver() -> str | None:
    """Return the version of the GPU driver."""
    versions = nvidia_smi("driver_version")
    return versions[0] if versions else None


@cache
def nvidia_smi(query: str) -> list[str] | None:
    """Return nvidia-smi's answer to `query`, one line for each GPU."""
    text = output_of(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"])
    return [line.strip() for line in text.splitlines() if line.strip()] if text else None


def cuda_version() -> str | None:
    """Return the CUDA version the driver offers, as nvidia-smi's table head states it."""
    # From driver 610 on it is the version of the user-mode driver (UMD).
    found = re.search(r"CUDA (?:UMD )?Version: ([\d.]+)", output_of(["nvidia-smi"]) or "")
    return found[1] if found else None


class ProcessorFacts(TypedDict):
    """Which processor a machine has."""

    name: str
    identity: list[str]
    instruction_sets: list[str]
    cores: int


class Host(TypedDict):
    """Which system a machine runs."""

    os: str | None
    kernel: str
    memory_gib: float


def cpu() -> ProcessorFacts:
    """Return which processor this is: what decides how inference is compiled for it, and how fast it runs.

    The instruction sets are a superset of those an embedded engine is tied to, so that a processor the engine
    would refuse is always seen here first.
    """
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    first = text.split("\n\n")[0]
    facts = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", first, re.M))
    flags = (facts.get("flags") or facts.get("Features") or "").split()
    return {
        "name": facts.get("model name") or platform.machine(),
        "identity": [facts[key] for key in CPU_IDENTITY if key in facts],
        "instruction_sets": sorted(flag for flag in flags if flag.startswith(VECTOR_FLAGS)),
        "cores": len(os.sched_getaffinity(0)),
    }


def host() -> Host:
    """Return operating system, kernel and memory in GiB of this machine."""
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME")
    except OSError:
        system = None
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"os": system, "kernel": platform.release(), "memory_gib": round(memory_bytes / 2**30, 1)}


def first_line(command: list[str]) -> str | None:
    """Return the first line `command` prints."""
    text = output_of(command)
    return text.splitlines()[0].strip() if text else None


class ProbeTimeoutError(BuildError):
    """A program that is here and does not answer, so that nobody knows what this machine has."""


def output_of(command: list[str], timeout_s: float | None = None) -> str | None:
    """Return what `command` prints, None where it is missing or fails; raise ProbeTimeoutError where it hangs."""
    limit_s = PROBE_TIMEOUT_S if timeout_s is None else timeout_s
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            env=environment_without_tokens(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProbeTimeoutError(
            f"{shlex.join(command)}: no answer within {limit_s:g} s, so it is not known what this machine has; run it"
            " by hand until it answers at once, then run the same command again"
        ) from None
    except OSError:
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


def banner_version(text: str) -> str | None:
    """Return the dotted version of trtexec's banner: v101601 is 10.16.1, v8601 is 8.6.1."""
    found = re.search(r"\[TensorRT v(\d+)\]", text)
    if not found:
        return None
    number = int(found[1])
    major, rest = divmod(number, 10_000 if number >= 100_000 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"
