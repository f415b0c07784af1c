"""Toolchain facts: one small JSON value per tool, probed in well under a second while the DAG is made.

A value changes only when the tool does, since it reruns every rule that reads its file. None means absent.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

from dsbench.runtime import Runtime

PROBE_TIMEOUT_S = 10
CPU_IDENTITY = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU architecture", "CPU part")
VECTOR_FLAGS = ("sse4", "avx", "f16c", "fma", "amx", "asimd", "bf16", "i8mm", "sve")
THEORA_ELEMENTS = ("fdsrc", "rawvideoparse", "theoraenc", "oggmux", "filesink")
EMBEDDED_SOURCES = ("bin", "dsembed", "host")


class Toolchain:
    """The probes, for one runtime and one project folder."""

    def __init__(self, runtime: Runtime, project: Path, deepstream_dir: str):
        self.runtime = runtime
        self.project = project
        self.deepstream_dir = Path(deepstream_dir)

    def probe(self, fact: str):
        """Return the value of `fact`, a JSON value or None; raise KeyError for an unknown name."""
        return PROBES[fact](self)

    def builder_facts(self) -> list[str]:
        """Return the facts an engine and every number measured with it depend on."""
        if self.runtime.kind == "nvidia":
            return ["runtime", "trtexec", "driver", "cuda", "gpu"]
        return ["runtime", "trtexec", "openvino", "cpu"]

    def runner_facts(self) -> list[str]:
        """Return the facts a deepstream-app run depends on besides its engine's."""
        return ["deepstream"]

    def _trtexec(self):
        if self.runtime.kind == "embedded":
            return embedded_identity(self.project)
        program = shutil.which("trtexec")
        library = re.search(r"libnvinfer\.so\S* => (\S+)", _output(["ldd", program]) or "")
        version = re.search(r"\.so\.(\d+\.\d+\.\d+)$", os.path.realpath(library[1])) if library else None
        if version:
            return {"version": version[1]}
        return {"version": banner_version(_output([program, "--help"]) or "")}

    def _deepstream(self):
        if self.runtime.kind == "embedded":
            return embedded_identity(self.project)
        version = self._deepstream_version_file()
        if version is None:
            printed = re.search(r"DeepStreamSDK (\S+)", _output(["deepstream-app", "--version"]) or "")
            version = printed[1] if printed else None
        return {"version": version}

    def _deepstream_headers(self):
        """Return where the parser's interface comes from, and the size of its object in bytes."""
        if self.runtime.kind == "embedded":
            return {"directory": None, "object_bytes": 28}
        version = self._deepstream()["version"]
        major = int(version.split(".")[0]) if version else 9
        header = self.deepstream_dir / "sources/includes/nvdsinfer_custom_impl.h"
        return {
            "directory": str(self.deepstream_dir) if header.is_file() else None,
            "object_bytes": 28 if major >= 9 else 24,
        }

    def _deepstream_version_file(self) -> str | None:
        file = self.deepstream_dir / "version"
        found = re.search(r"(\d+\.\d+(?:\.\d+)?)", file.read_text()) if file.is_file() else None
        return found[1] if found else None


def embedded_identity(project: Path) -> dict:
    """Return the identity of the embedded runtime: the hash of its sources."""
    digest = hashlib.sha256()
    for folder in EMBEDDED_SOURCES:
        for file in sorted((project / "workflow/embedded" / folder).rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return {"embedded_sources_sha256": digest.hexdigest()}


def banner_version(text: str) -> str | None:
    """Return the dotted version of trtexec's banner: v101601 is 10.16.1, v8601 is 8.6.1."""
    found = re.search(r"\[TensorRT v(\d+)\]", text)
    if not found:
        return None
    number = int(found[1])
    major, rest = divmod(number, 10_000 if number >= 100_000 else 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


@cache
def _nvidia_smi(query: str) -> list[str] | None:
    text = _output(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"])
    return [line.strip() for line in text.splitlines() if line.strip()] if text else None


def _cuda(_: Toolchain):
    """Return the CUDA version the driver offers, as nvidia-smi's table head states it."""
    found = re.search(r"CUDA Version: (\S+)", _output(["nvidia-smi"]) or "")
    return found[1] if found else None


def cpu() -> dict:
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


def encoder() -> dict:
    """Return GStreamer's version and the marker of the encoder the video will use."""
    version = re.search(r"version (\S+)", _output(["gst-launch-1.0", "--version"]) or "")
    usable = version is not None and all(
        _output(["gst-inspect-1.0", "--exists", element]) is not None for element in THEORA_ELEMENTS
    )
    return {
        "gstreamer": version[1] if version else None,
        "encoder": "theoraenc-fallback" if usable else "skipped",
    }


def _first_line(command: list[str]) -> str | None:
    text = _output(command)
    return text.splitlines()[0].strip() if text else None


def _output(command: list[str]) -> str | None:
    """Return what `command` prints, None where it is missing, hangs or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout + done.stderr if done.returncode == 0 else None


PROBES = {
    "runtime": lambda tools: tools.runtime.kind,
    "trtexec": Toolchain._trtexec,
    "deepstream": Toolchain._deepstream,
    "deepstream_headers": Toolchain._deepstream_headers,
    "driver": lambda _: (_nvidia_smi("driver_version") or [None])[0],
    "cuda": _cuda,
    "gpu": lambda _: _nvidia_smi("name,compute_cap,memory.total"),
    "openvino": lambda _: metadata.version("openvino"),
    "cpu": lambda _: cpu(),
    "compiler": lambda _: _first_line(["g++", "--version"]),
    "encoder": lambda _: encoder(),
    "wkhtmltopdf": lambda _: _first_line(["wkhtmltopdf", "--version"]),
    "export_lock": lambda tools: hashlib.sha256(
        (tools.project / "envs/export.lock").read_bytes()
    ).hexdigest(),
}


def read_fact(directory: Path, fact: str):
    """Return the recorded value of `fact` from `directory`."""
    return json.loads((directory / f"{fact}.json").read_text())


def facts_of(files: list[str]) -> dict[str, str]:
    """Return the recorded values of fact files by name, as the one-line texts a log head carries."""
    return {Path(file).stem: Path(file).read_text().strip() for file in files}
