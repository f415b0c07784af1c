"""What a source is: a folder, an ONNX file, a hub repository, an NGC model; its files as listed and as fetched."""

import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from dsbench.core.errors import BuildError
from dsbench.core.files import git_sha1_of, read_once, sha256_of
from dsbench.core.records import write_record
from dsbench.core.secret_words import without_tokens
from dsbench.intake.file_choice import refusal_of

FORMS = (
    "a folder, an .onnx file, org/name[@revision], hf:org/name[@revision], https://huggingface.co/org/name"
    ", ngc:ORG[/TEAM]/NAME[:VERSION] or https://catalog.ngc.nvidia.com/orgs/ORG[/teams/TEAM]/models/NAME[?version=V]"
)
LONGEST_TEXT = 1000
PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
REPOSITORY = re.compile(rf"({PART}/{PART})(?:@(.+))?")
# As the program `ngc` names a model.
NGC_MODEL = re.compile(rf"({PART}(?:/{PART}){{1,2}})(?::({PART}))?")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
HUB_VIEWS = ("tree", "resolve", "blob", "raw")
NGC_HOST = "catalog.ngc.nvidia.com"
AGAIN = "the next call that runs jobs fetches it again."


class SourceError(BuildError):
    """A source that cannot be used, with the reason and what would be accepted."""


@dataclass(frozen=True)
class Source:
    """One source: `kind` is folder, onnx, huggingface or ngc.

    `name` is the path as found, `org/name`, or `org/team/name`; `file` is the one ONNX a URL points at.
    """

    text: str
    kind: str
    name: str
    revision: str | None = None
    file: str | None = None

    @property
    def is_remote(self) -> bool:
        """Return whether the files must be fetched over a network."""
        return self.kind in ("huggingface", "ngc")


def parse_source(text: str, bases: Sequence[Path] = (Path(),)) -> Source:
    """Return what `text` names; a path is looked for below each of `bases`, before a repository of that name.

    Raises SourceError for everything else. No network is used.
    """
    if not text or len(text) > LONGEST_TEXT or not text.isprintable() or text != text.strip():
        raise SourceError(f"source {text[:80]!r}: found no usable text, expected {FORMS}.")
    if text.startswith(("http://", "https://")):
        return _from_url(text)
    if text.startswith("hf:"):
        return _repository(text, text.removeprefix("hf:"))
    if text.startswith("ngc:"):
        return _from_ngc_name(text, text.removeprefix("ngc:"))
    if SCHEME.match(text):
        raise SourceError(f"source {_shown(text)}: not a kind of source this build reads, expected {FORMS}.")
    for base in bases:
        path = base / os.path.expanduser(text)
        # Of a name that is too long, Path.exists() raises.
        if os.path.lexists(path):
            return _from_path(text, path)
    is_file = any(refusal_of(part) or part.lower().endswith(".onnx") for part in text.split(":"))
    if not is_file and REPOSITORY.fullmatch(text):
        return _repository(text, text)
    # Of two names the hub's repositories have some too, perhaps with a revision behind the wrong sign.
    if not is_file and text.count("/") == 2 and ":" in text and NGC_MODEL.fullmatch(text):
        return _from_ngc_name(text, text)
    raise SourceError(_no_such_path(text, bases))


def _no_such_path(text: str, bases: Sequence[Path]) -> str:
    """Return that nothing is at the path `text`; what can only be a path is told no other kinds of source."""
    is_path = text.startswith(("/", "~", "./", "../"))
    forms = "a folder in Hugging Face layout or an .onnx file" if is_path else FORMS
    is_alone = os.path.isabs(os.path.expanduser(text))
    below = "" if is_alone else f" below {' or '.join(str(base) for base in bases)}"
    return f"{text}: no such file or folder{below}; correct the source in the config, expected {forms}."


def _from_path(text: str, path: Path) -> Source:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        link = f", it is a link to {os.readlink(path)!r}" if path.is_symlink() and not path.exists() else ""
        raise SourceError(
            f"{text}: cannot be read ({error.strerror}{link}); expected a folder in Hugging Face layout or an .onnx"
            " file."
        ) from None
    if stat.S_ISDIR(mode):
        return Source(text, "folder", str(path))
    if not stat.S_ISREG(mode):
        raise SourceError(f"{text}: neither a regular file nor a folder, expected {FORMS}.")
    if path.suffix.lower() == ".onnx":
        return Source(text, "onnx", str(path))
    reason = (
        refusal_of(path.name) or "a model source must be a folder in Hugging Face layout or an .onnx file"
    )
    raise SourceError(f"{text}: {reason}.")


def _repository(text: str, wanted: str, file: str | None = None) -> Source:
    found = REPOSITORY.fullmatch(wanted)
    if not found or "--" in found[1] or ".." in found[1] or found[1].endswith((".git", "-", ".")):
        raise SourceError(f"source {_shown(text)}: not a repository name, expected hf:org/name[@revision].")
    if found[2] is not None:
        _check_revision(text, found[2])
    return Source(text, "huggingface", found[1], found[2], file)


def _check_revision(text: str, revision: str) -> None:
    if not REVISION.fullmatch(revision) or ".." in revision or "//" in revision or revision.endswith("/"):
        raise SourceError(
            f"source {_shown(text)}: {_shown(revision)} is not a revision, expected a branch, tag or commit hash."
        )


def _from_url(text: str) -> Source:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        raise SourceError("source: not a URL that can be read; correct it in the config.") from None
    if url.username is not None or url.password is not None or "token=" in url.query.lower():
        raise SourceError(
            f"source at {host}: a URL with a user name, password or token is refused, since it would be"
            " written down; set HF_TOKEN or NGC_API_KEY in the environment instead."
        )
    if url.scheme != "https" or port not in (None, 443):
        raise SourceError(f"source {_shown(text)}: expected a plain https:// address without a port.")
    parts = [unquote(part) for part in url.path.strip("/").split("/")]
    if host in HUB_HOSTS:
        return _from_hub_url(text, parts)
    if host == NGC_HOST:
        return _from_ngc_url(text, parts, dict(parse_qsl(url.query)))
    raise SourceError(f"source {_shown(text)}: {host} is not a model hub this build knows, expected {FORMS}.")


def _from_hub_url(text: str, parts: list[str]) -> Source:
    if parts[0] in ("datasets", "spaces"):
        raise SourceError(f"source {_shown(text)}: one of the hub's {parts[0]}, expected a model repository.")
    repository = "/".join(parts[:2])
    if len(parts) == 2:
        return _repository(text, repository)
    if len(parts) < 4 or parts[2] not in HUB_VIEWS:
        raise SourceError(
            f"source {_shown(text)}: not a model's address, expected https://huggingface.co/org/name[/tree/REVISION]."
        )
    file = "/".join(parts[4:]) or None
    if file and (reason := refusal_of(file)):
        raise SourceError(f"source {_shown(text)}: {reason}.")
    if file and (parts[2] == "tree" or ".." in file.split("/")):
        raise SourceError(
            f"source {_shown(text)}: one folder of a repository, expected the whole repository."
        )
    is_onnx = file is not None and file.lower().endswith(".onnx")
    return _repository(text, f"{repository}@{parts[3]}", file if is_onnx else None)


def _from_ngc_url(text: str, parts: list[str], query: dict[str, str]) -> Source:
    if parts[-1] in ("files", "version", "overview"):
        parts = parts[:-1]
    keys, values = parts[0::2], parts[1::2]
    if keys not in (["orgs", "models"], ["orgs", "teams", "models"]) or len(keys) != len(values):
        raise SourceError(
            f"source {_shown(text)}: not a model of NGC's catalogue, expected"
            f" https://{NGC_HOST}/orgs/ORG/teams/TEAM/models/NAME?version=V."
        )
    for value in (*values, *([query["version"]] if "version" in query else [])):
        if not re.fullmatch(PART, value) or ".." in value:
            raise SourceError(f"source {_shown(text)}: {_shown(value)} is not a name NGC gives.")
    return Source(text, "ngc", "/".join(values), query.get("version"))


def _from_ngc_name(text: str, name: str) -> Source:
    found = NGC_MODEL.fullmatch(name)
    if not found or ".." in name:
        raise SourceError(
            f"source {_shown(text)}: not a model's name at NGC, expected ngc:ORG[/TEAM]/NAME[:VERSION]."
        )
    return Source(text, "ngc", found[1], found[2])


def _shown(text: str) -> str:
    """Return `text` short enough for a sentence, with a query, which may hold a key, and a login left out."""
    return repr(without_tokens(text.partition("?")[0])[:120])


def locate(path: str, bases: Sequence[Path]) -> Path:
    """Return the file `path` below the first of `bases` that has it; raise SourceError when none has."""
    for base in bases:
        if os.path.isfile(file := base / os.path.expanduser(path)):
            return file
    raise SourceError(f"{path}: no such file below {' or '.join(map(str, bases))}; correct it in the config.")


@dataclass(frozen=True)
class SourceFolder:
    """A folder in Hugging Face layout, or one with ONNX files and perhaps labels.

    `names` are the files taken from it; None takes whatever is there.
    """

    path: Path
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, files: Iterable[str | Path], **more) -> Self:
        """Return the deepest folder that holds all of `files`, with their names in it."""
        paths = [Path(file) for file in files]
        folder = Path(os.path.commonpath([str(path.parent) for path in paths]))
        return cls(folder, tuple(path.relative_to(folder).as_posix() for path in paths), **more)

    def file(self, name: str) -> Path | None:
        """Return the file `name` of the folder, None where there is none or it is not taken."""
        path = self.path / name
        return path if (self.names is None or name in self.names) and path.is_file() else None

    @property
    def has_onnx(self) -> bool:
        """Whether an ONNX is there, which is taken before any export."""
        if self.names is not None:
            return any(name.lower().endswith(".onnx") for name in self.names)
        return any(self.path.glob("*.onnx")) or any(self.path.glob("onnx/*.onnx"))

    @property
    def has_config(self) -> bool:
        """Whether there is a config.json that names an architecture or a model_type."""
        file = self.file("config.json")
        if file is None:
            return False
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            return True
        # Some YOLO repositories have a config.json that says nothing; there the graph decides.
        return not self.has_onnx or bool(isinstance(config, dict) and config.get("architectures"))


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


@dataclass(frozen=True)
class ListedFile:
    """One file in source.json, with what the remote side states of it, and why it is left where it is."""

    name: str
    bytes: int | UnsetType = UNSET
    sha256: str | UnsetType = UNSET
    git_sha1: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET

    @classmethod
    def of(cls, file: RemoteFile, reason: str | UnsetType = UNSET) -> Self:
        """Return `file` as source.json lists it."""
        stated = {key: value for key, value in vars(file).items() if value is not None}
        return cls(**stated, reason=reason)

    @property
    def remote(self) -> RemoteFile:
        """The file as the remote side lists it."""
        stated = {key: value for key, value in vars(self).items() if value is not UNSET and key != "reason"}
        return RemoteFile(**stated)


@dataclass(frozen=True)
class SourceIdentity:
    """Which source it is; the revision of a remote one is a commit hash or an NGC version."""

    source: str
    kind: str
    repository: str | None
    requested_revision: str | None
    revision: str | None
    license: str | None


@dataclass(frozen=True)
class SourceListing(SourceIdentity):
    """What source.json says: which `files` are taken of which revision, and why others are `left`.

    External data of an ONNX is taken once the ONNX has been read; `external` names that of each ONNX on disk.
    """

    files: list[ListedFile]
    left: list[ListedFile]
    external: dict[str, list[str]] | UnsetType = UNSET

    @property
    def pinned(self) -> str:
        """The revision of a remote source; raises BuildError where the listing names none."""
        if self.revision is None:
            raise BuildError(
                f"{self.source}: its list of files names no revision; delete its source.json, run again"
            )
        return self.revision


@dataclass(frozen=True)
class FetchedFile:
    """One checked file of a fetched source; UNSET the Git hash that nobody states."""

    name: str
    bytes: int
    sha256: str
    git_sha1: str | UnsetType = UNSET


@dataclass(frozen=True)
class Provenance(SourceIdentity):
    """What provenance.json says: where a source's files come from, and what each of them is."""

    bytes: int
    files: list[FetchedFile]


@dataclass(frozen=True)
class FetchedRecord:
    """What the record of a fetched source says: where its files are."""

    folder: str
    files: list[FetchedFile]


@dataclass(frozen=True)
class FetchedSource:
    """The checked files of a source: `names` below `folder`."""

    folder: Path
    names: tuple[str, ...]


def write_fetched(path: Path, folder: Path, files: list[FetchedFile]) -> None:
    """Write the record at `path`; it holds hashes, so that its content changes when a file's does."""
    write_record(path, FetchedRecord(str(folder), files))


def read_fetched(path: Path) -> FetchedSource:
    """Return the source recorded at `path`; raise BuildError when a file is gone or has another size."""
    try:
        record = msgspec.json.decode(path.read_bytes(), type=FetchedRecord)
    except msgspec.DecodeError:
        raise BuildError(f"{path}: no whole record of a fetched source; {AGAIN}") from None
    folder = Path(record.folder)
    sizes = {file.name: file.bytes for file in record.files}
    for name, size_bytes in sizes.items():
        file = folder / name
        if not file.is_file() or file.stat().st_size != size_bytes:
            raise BuildError(f"{file}: gone or changed since it was fetched; {AGAIN}")
    return FetchedSource(folder, tuple(sizes))


def what_is_lost(path: Path) -> str | None:
    """Return in a sentence how files of the record at `path` are not as it says; None if they are, or without it."""
    try:
        read_once(read_fetched, path)
    except FileNotFoundError:
        return None
    except BuildError as error:
        return str(error)
    return None
