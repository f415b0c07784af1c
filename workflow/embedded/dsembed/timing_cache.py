"""The timing cache: plans found by earlier builds, kept by what they depend on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FORMAT = "dsembed timing cache 1"


def cache_key(**facts: object) -> str:
    """Return the key of a measurement: a SHA-256 over everything that it depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_cache(path: Path) -> tuple[dict[str, dict], int] | None:
    """Return the entries of the cache at `path` and its size in bytes, None if there is no readable cache."""
    try:
        text = path.read_text()
        content = json.loads(text)
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return None
    entries = content.get("entries")
    return (entries, len(text.encode())) if isinstance(entries, dict) else None


def add_to_cache(path: Path, key: str, entry: dict) -> int:
    """Add `entry` to the cache at `path`, keeping what other builds added meanwhile; return its size in bytes.

    Raises OSError where it cannot be written.
    """
    with _locked(path):
        known = read_cache(path)
        entries = {**(known[0] if known else {}), key: entry}
        text = json.dumps({"format": FORMAT, "entries": entries}, indent=1, sort_keys=True) + "\n"
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            unfinished.write_text(text)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return len(text.encode())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
