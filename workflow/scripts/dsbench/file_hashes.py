"""Hashes of files, as Git, the Hugging Face hub and this build's records write them."""

import hashlib
from pathlib import Path

CHUNK_BYTES = 1 << 20


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_sha1_of(file: Path) -> str:
    """Return the name Git gives a file's content: SHA-1 over a header with the size, then the content."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
