"""Toolchain facts: one small JSON value per tool, probed in well under a second while the DAG is made.

A value changes only when the tool does, since it reruns every rule that reads its file. None means absent.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, TypedDict

from dsbench.core.errors import BuildError
from dsbench.core.records import read_record
from dsbench.machine.gpu_devices import gpu_in_use
from dsbench.machine.host import (
    Host,
    ProcessorFacts,
    banner_version,
    cpu,
    cuda_version,
    driver,
    first_line,
    host,
    output_of,
)
from dsbench.machine.runtime import Encoder, Runtime, encoder

IN_IMAGE = "workflow/container/in_image"
EMBEDDED_SOURCES = ("bin", "dsembed", "host")


class Trtexec(TypedDict, total=False):
    """NVIDIA's trtexec by the version of its TensorRT, the embedded one by the hash of its sources."""

    version: str
    embedded_sources_sha256: str


class DeepStream(Trtexec, total=False):
    """DeepStream likewise, with the version of the TensorRT that it loads."""

    tensorrt: str | None


class Headers(TypedDict):
    """Where the parser's interface comes from, None for the project's own, and the size of its object."""

    directory: str | None
    sha256: str | None
    object_bytes: int


class Toolchain:
    """The probes, for one runtime and one project folder."""

    def __init__(self, runtime: Runtime, project: Path, deepstream_dir: str):
        self.runtime = runtime
        self.project = project
        self.deepstream_dir = Path(os.path.expanduser(deepstream_dir))
        self._ahead: dict[str, Future] = {}

    def probe_ahead(self) -> None:
        """Start every probe now; asking for all of them takes as long as the slowest."""
        pool = ThreadPoolExecutor(len(PROBES))
        self._ahead = {fact: pool.submit(probe, self) for fact, probe in PROBES.items()}
        pool.shutdown(wait=False)

    def probe(self, fact: str):
        """Return the value of `fact`, a JSON value or None; raise KeyError for an unknown name."""
        return self._ahead[fact].result() if fact in self._ahead else PROBES[fact](self)

    def builder_facts(self) -> list[str]:
        """Return the facts an engine and every number measured with it depend on."""
        if self.runtime.kind == "nvidia":
            return ["runtime", "trtexec", "driver", "cuda", "gpu"]
        return ["runtime", "trtexec", "openvino", "cpu"]

    def required_facts(self) -> list[str]:
        """Return the facts of what a build needs: without wkhtmltopdf it has no PDF, without the others nothing."""
        return [*self.builder_facts(), "deepstream", "compiler", "wkhtmltopdf"]

    def runner_facts(self) -> list[str]:
        """Return the facts a deepstream-app run depends on besides its engine's."""
        return ["deepstream"] if self.runtime.kind == "nvidia" else ["deepstream", "pyav", "compiler"]

    def project_facts(self) -> list[str]:
        """Return the facts that are the same on every machine, since they are of the project's own files."""
        embedded = ["trtexec", "deepstream", "deepstream_headers"] if self.runtime.kind == "embedded" else []
        return ["export_lock", *embedded]

    def _trtexec(self) -> Trtexec | None:
        if self.runtime.kind == "embedded":
            return embedded_identity(self.project)
        program = shutil.which(self.runtime.trtexec)
        if program is None:
            return None
        version = _linked_tensorrt(program) or banner_version(output_of([program, "--help"]) or "")
        return {"version": version} if version else None

    def _deepstream(self) -> DeepStream | None:
        if self.runtime.kind == "embedded":
            return embedded_identity(self.project)
        version = self._deepstream_version_file()
        if version is None or self._is_in_image("deepstream-app"):
            version = self._printed_deepstream(version)
        if version is None:
            return None
        return {
            "version": version,
            "tensorrt": _linked_tensorrt(self.deepstream_dir / "lib/libnvds_infer.so") or _stated_tensorrt(),
        }

    def _deepstream_headers(self) -> Headers | None:
        if self.runtime.kind == "embedded":
            return {"directory": None, "sha256": None, "object_bytes": 28}
        found = self._deepstream()
        if found is None:
            return None
        folder = self.deepstream_dir / "sources/includes"
        installed = (folder / "nvdsinfer_custom_impl.h").is_file()
        headers = b"".join(file.read_bytes() for file in sorted(folder.glob("nvdsinfer*.h")))
        return {
            "directory": str(self.deepstream_dir) if installed else None,
            "sha256": hashlib.sha256(headers).hexdigest() if installed else None,
            "object_bytes": 28 if int(found["version"].split(".")[0]) >= 9 else 24,
        }

    def _is_in_image(self, program: str) -> bool:
        """Return whether `program` is one that workflow/container runs in an image, with a DeepStream of its own."""
        found = shutil.which(program)
        return found is not None and Path(found).resolve() == (self.project / IN_IMAGE).resolve()

    def _printed_deepstream(self, installed: str | None) -> str | None:
        """Return the version that deepstream-app prints; refuse another release than DeepStream's folder has."""
        printed = re.search(r"DeepStreamSDK (\S+)", output_of(["deepstream-app", "--version"]) or "")
        if printed and installed and printed[1].split(".")[:2] != installed.split(".")[:2]:
            raise BuildError(
                f"{self.deepstream_dir} has DeepStream {installed}, and deepstream-app in the image is {printed[1]};"
                " let deepstream.directory in the config name a copy of the image's folder, or no folder at all"
            )
        return printed[1] if printed else None

    def _deepstream_version_file(self) -> str | None:
        file = self.deepstream_dir / "version"
        found = re.search(r"(\d+\.\d+(?:\.\d+)?)", file.read_text()) if file.is_file() else None
        return found[1] if found else None


def embedded_identity(project: Path) -> DeepStream:
    """Return the identity of the embedded runtime: the hash of its sources."""
    digest = hashlib.sha256()
    for folder in EMBEDDED_SOURCES:
        for file in sorted((project / "workflow/embedded" / folder).rglob("*")):
            if file.is_file() and file.suffix != ".pyc":
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return {"embedded_sources_sha256": digest.hexdigest()}


def _linked_tensorrt(file: str | Path) -> str | None:
    """Return the version of the libnvinfer that `file` is linked with, from the library's own file name."""
    library = re.search(r"libnvinfer\.so\S* => (\S+)", output_of(["ldd", str(file)]) or "")
    version = re.search(r"\.so\.(\d+\.\d+\.\d+)$", os.path.realpath(library[1])) if library else None
    return version[1] if version else None


def _stated_tensorrt() -> str | None:
    """Return major and minor of the TensorRT that deepstream-app says it was built with."""
    found = re.search(
        r"^TensorRT Version: (\d+\.\d+)", output_of(["deepstream-app", "--version-all"]) or "", re.M
    )
    return found[1] if found else None


PROBES = {
    "runtime": lambda tools: tools.runtime.kind,
    "trtexec": Toolchain._trtexec,
    "deepstream": Toolchain._deepstream,
    "deepstream_headers": Toolchain._deepstream_headers,
    "driver": lambda _: driver(),
    "cuda": lambda _: cuda_version(),
    "gpu": lambda tools: gpu_in_use() if tools.runtime.kind == "nvidia" else None,
    "host": lambda _: host(),
    "pyav": lambda _: metadata.version("av"),
    "openvino": lambda _: metadata.version("openvino"),
    "cpu": lambda _: cpu(),
    "compiler": lambda _: first_line(["g++", "--version"]),
    "encoder": lambda tools: encoder(tools.runtime.kind),
    "wkhtmltopdf": lambda _: first_line(["wkhtmltopdf", "--version"]),
    "export_lock": lambda tools: hashlib.sha256(
        (tools.project / "envs/export.lock").read_bytes()
    ).hexdigest(),
}


# What each probe returns and each file of a fact holds.
KINDS: dict[str, Any] = {
    "trtexec": Trtexec | None,
    "deepstream": DeepStream | None,
    "deepstream_headers": Headers | None,
    "gpu": list[str] | None,
    "host": Host,
    "cpu": ProcessorFacts,
    "encoder": Encoder,
}


def read_fact(file: str | Path) -> Any:
    """Return the recorded value of the fact that `file` is named after: of its kind in KINDS, else text or None."""
    return read_record(file, KINDS.get(Path(file).stem, str | None), called="fact of the toolchain")


def read_facts(files: Iterable[str | Path]) -> dict[str, Any]:
    """Return the recorded values of fact files by name."""
    return {Path(file).stem: read_fact(file) for file in files}


def facts_of(files: list[str]) -> dict[str, str]:
    """Return the recorded values of fact files by name, as the one-line texts a log head carries."""
    return {Path(file).stem: Path(file).read_text().strip() for file in files}
