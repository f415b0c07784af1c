"""The engine as one file: what it holds, written whole or not at all, read back or refused by name."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"DSEMBED\x00"
FORMAT_VERSION = 1
PREFIX = struct.Struct("<8sIQQQ")  # magic, format version, then the bytes of header, xml and weights
CHECKSUM_BYTES = 32


class EngineError(Exception):
    """Why an engine cannot be built, loaded or run, in one sentence."""


@dataclass(frozen=True)
class EngineFile:
    """An engine's parts: `header` as JSON values, the OpenVINO model as `xml` and `weights` bytes."""

    header: dict
    xml: bytes
    weights: memoryview

    @property
    def size_bytes(self) -> int:
        """Return the size of the file."""
        return PREFIX.size + len(self.header_bytes) + len(self.xml) + len(self.weights) + CHECKSUM_BYTES

    @property
    def header_bytes(self) -> bytes:
        """Return the header as JSON text."""
        return json.dumps(self.header, sort_keys=True).encode()


def write_engine_file(path: Path, engine: EngineFile) -> None:
    """Write `engine` under a temporary name, then rename it to `path`."""
    header = engine.header_bytes
    prefix = PREFIX.pack(MAGIC, FORMAT_VERSION, len(header), len(engine.xml), len(engine.weights))
    checksum = hashlib.sha256()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as stream:
            for part in (prefix, header, engine.xml, engine.weights):
                stream.write(part)
                checksum.update(part)
            stream.write(checksum.digest())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_engine_file(path: Path) -> EngineFile:
    """Return the parts of the engine at `path`; raises EngineError if it is not one, whole and undamaged."""
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise EngineError(f"{path}: {error.strerror}, an engine file is needed; build it first.") from error
    header_end, xml_end, weights_end = _ends(path, content)
    if hashlib.sha256(content[:weights_end]).digest() != content[weights_end:]:
        raise EngineError(
            f"{path}: the content does not match its SHA-256, the file is damaged; build it again."
        )
    return EngineFile(
        header=json.loads(bytes(content[PREFIX.size : header_end])),
        xml=bytes(content[header_end:xml_end]),
        weights=content[xml_end:weights_end],
    )


def _ends(path: Path, content: memoryview) -> tuple[int, int, int]:
    if bytes(content[: len(MAGIC)]) != MAGIC:
        raise EngineError(
            f"{path}: not an engine of the embedded runtime (found magic {bytes(content[:8])!r}, expected "
            f"{MAGIC!r}); a TensorRT engine needs NVIDIA's runtime, build one here from the ONNX file."
        )
    if len(content) < PREFIX.size:
        raise EngineError(f"{path}: truncated, {len(content)} bytes are less than a header; build it again.")
    _, version, header_bytes, xml_bytes, weights_bytes = PREFIX.unpack(content[: PREFIX.size])
    if version != FORMAT_VERSION:
        raise EngineError(
            f"{path}: engine format version {version}, this runtime reads version {FORMAT_VERSION}; build it again."
        )
    header_end = PREFIX.size + header_bytes
    xml_end = header_end + xml_bytes
    weights_end = xml_end + weights_bytes
    if len(content) != weights_end + CHECKSUM_BYTES:
        raise EngineError(
            f"{path}: truncated or overlong, {len(content)} bytes found, {weights_end + CHECKSUM_BYTES} expected; "
            "build it again."
        )
    return header_end, xml_end, weights_end
