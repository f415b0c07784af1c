"""The hub client's own cache (HF_HUB_CACHE), read only: what is there is not downloaded again."""

import os
import re
import shutil
from pathlib import Path

from dsbench.remote_file import RemoteFile

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")


def _storage(cache: Path, repository: str) -> Path:
    return cache / f"models--{repository.replace('/', '--')}"


def cached_commit(cache: Path, repository: str, revision: str | None) -> str | None:
    """Return the commit that `revision` (default main) stood for when it was last cached, or None."""
    storage = _storage(cache, repository)
    if revision and COMMIT.fullmatch(revision):
        return revision if (storage / "snapshots" / revision).is_dir() else None
    reference = storage / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else ""
    return commit if COMMIT.fullmatch(commit) and (storage / "snapshots" / commit).is_dir() else None


def cached_files(cache: Path, repository: str, commit: str) -> list[RemoteFile]:
    """Return the files of a cached commit; the cache names each blob by the hub's hash."""
    snapshot = _storage(cache, repository) / "snapshots" / commit
    found = []
    for path in sorted(snapshot.rglob("*")):
        blob = path.resolve()
        if blob.is_file():
            found.append(
                RemoteFile(
                    name=path.relative_to(snapshot).as_posix(),
                    bytes=blob.stat().st_size,
                    sha256=blob.name if SHA256.fullmatch(blob.name) else None,
                    git_sha1=blob.name if COMMIT.fullmatch(blob.name) else None,
                )
            )
    return found


def copy_from_cache(cache: Path, repository: str, commit: str, wanted: RemoteFile, destination: Path) -> bool:
    """Copy a cached file that fits `wanted` to `destination`; return whether there was one."""
    cached = _storage(cache, repository) / "snapshots" / commit / wanted.name
    if destination.exists() or not cached.is_file() or wanted.difference(cached) is not None:
        return False
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{destination.name}.{os.getpid()}.copy")
    try:
        shutil.copyfile(cached, partial)
        os.replace(partial, destination)
    finally:
        partial.unlink(missing_ok=True)
    return True
