"""One file as a listing states it, and whether a file on disk is that one."""

from dataclasses import dataclass
from pathlib import Path

from dsbench.file_hashes import git_sha1_of, sha256_of


@dataclass(frozen=True)
class RemoteFile:
    """One file as the remote side lists it; None where it states no size or hash."""

    name: str
    bytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None

    def difference(self, path: Path) -> str | None:
        """Return in words how the file at `path` differs from the listing, or None."""
        found = path.stat().st_size
        if self.bytes is not None and found != self.bytes:
            return f"{found} bytes, expected {self.bytes}"
        for kind, expected, hash_of in (
            ("SHA-256", self.sha256, sha256_of),
            ("Git hash", self.git_sha1, git_sha1_of),
        ):
            if expected is not None and (got := hash_of(path)) != expected:
                return f"{kind} {got}, expected {expected}"
        return None
