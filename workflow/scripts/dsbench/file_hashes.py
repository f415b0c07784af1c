"""Hashes of files, as Git, the Hugging Face hub and this build's records write them."""

import hashlib
from pathlib import Path

CHUNK_BYTES = 1 << 20


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def tree_sha256_of(folder: Path) -> str:
    """Return one SHA-256 over the names and contents of the files in a folder, as hexadecimal text."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(f"{file.name}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def git_sha1_of(file: Path) -> str:
    """Return the name Git gives a file's content: SHA-1 over a header with the size, then the content."""
    digest = hashlib.sha1(b"blob %d\0" % file.stat().st_size, usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
