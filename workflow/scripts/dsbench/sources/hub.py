"""The Hugging Face hub: a revision resolved to its commit, the listing, the files, the client's cache, its refusals."""

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import huggingface_hub
from huggingface_hub import constants, errors
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import get_session, hf_raise_for_status

from dsbench.core.errors import BuildError
from dsbench.core.files import CHUNK_BYTES, ForeignFileError, open_plain, read_bounded
from dsbench.core.secret_words import token
from dsbench.sources.bounded_answers import read_answer
from dsbench.sources.download import fetch_file
from dsbench.sources.network_faults import (
    FORBIDDEN,
    TOO_MANY,
    answered_between,
    check_endpoint,
    check_network_settings,
    explained_silence,
    page_sentence,
    shown_address,
    wait_words,
)
from dsbench.sources.source import RemoteFile, Source

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
UNAUTHORISED, NOT_FOUND, LEGAL_REASONS = 401, 404, 451
# The hub puts one of them into every answer, whatever its body is.
OWN_HEADERS = ("X-Error-Code", "X-Error-Message", "X-Request-Id", "X-Repo-Commit")
ENDPOINT = "HF_ENDPOINT"
MOST_FILES = 20_000
# A commit's name and the end of its line.
LONGEST_REFERENCE_BYTES = 64
# The hub puts a thousand entries on a page.
MOST_PAGES = 1000
# The client prints warnings that a hub sends in headers, whatever is in them.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def _storage(cache: Path, repository: str) -> Path:
    return cache / f"models--{repository.replace('/', '--')}"


def cached_commit(cache: Path, repository: str, revision: str | None) -> str | None:
    """Return the commit that `revision` (default main) stood for when it was last cached, or None."""
    storage = _storage(cache, repository)
    if revision and COMMIT.fullmatch(revision):
        return revision if (storage / "snapshots" / revision).is_dir() else None
    reference = storage / "refs" / (revision or "main")
    try:
        commit = read_bounded(reference, LONGEST_REFERENCE_BYTES).decode("ascii", "replace").strip()
    except (OSError, ForeignFileError):
        return None
    return commit if COMMIT.fullmatch(commit) and (storage / "snapshots" / commit).is_dir() else None


def cached_files(cache: Path, repository: str, commit: str) -> list[RemoteFile]:
    """Return the files of a cached commit that can be checked: the cache names each blob by the hub's hash.

    Raises HubError for more files than a repository may have.
    """
    snapshot = _storage(cache, repository) / "snapshots" / commit
    found = []
    for count, path in enumerate(snapshot.rglob("*")):
        if count >= MOST_FILES:
            raise HubError(f"{snapshot}: more than {MOST_FILES} files; this is no model repository.")
        name = path.relative_to(snapshot).as_posix()
        blob = _blob(cache, repository, commit, name)
        if blob is not None:
            found.append(
                RemoteFile(
                    name=name,
                    bytes=blob.stat().st_size,
                    sha256=blob.name if SHA256.fullmatch(blob.name) else None,
                    git_sha1=blob.name if COMMIT.fullmatch(blob.name) else None,
                )
            )
    return sorted(found, key=lambda file: file.name)


def _blob(cache: Path, repository: str, commit: str, name: str) -> Path | None:
    """Return the blob of the storage that `name` of a snapshot leads to; None where it leads anywhere else.

    Others can write to a shared cache: a link in it may lead to a private file of this user, whose name is no hash.
    """
    storage = _storage(cache, repository)
    blob = Path(os.path.realpath(storage / "snapshots" / commit / name))
    is_own = blob.parent == Path(os.path.realpath(storage)) / "blobs"
    has_hash = SHA256.fullmatch(blob.name) or COMMIT.fullmatch(blob.name)
    return blob if is_own and has_hash and blob.is_file() else None


def copy_from_cache(cache: Path, repository: str, commit: str, wanted: RemoteFile, destination: Path) -> bool:
    """Copy a cached file whose hash is that of `wanted` to `destination`; return whether there was one."""
    blob = _blob(cache, repository, commit, wanted.name)
    if destination.exists() or blob is None or not (wanted.sha256 or wanted.git_sha1):
        return False
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{destination.name}.{os.getpid()}.copy")
    try:
        # The copy is compared: what others can write may change between two looks.
        if not _copied(blob, partial, wanted.bytes) or wanted.difference(partial) is not None:
            return False
        os.replace(partial, destination)
    except (FileNotFoundError, ForeignFileError):
        return False
    finally:
        partial.unlink(missing_ok=True)
    return True


def _copied(blob: Path, partial: Path, size_bytes: int | None) -> bool:
    """Copy a plain file of the stated size, and no more of one that grows; return whether it has that size."""
    with open(open_plain(blob), "rb") as stream, partial.open("wb") as copy:
        left = os.fstat(stream.fileno()).st_size
        if size_bytes not in (None, left):
            return False
        while chunk := stream.read(min(CHUNK_BYTES, left)):
            left -= copy.write(chunk)
    return left == 0


class HubError(BuildError):
    """A repository of the Hugging Face hub that cannot be listed or read, with the cause and what to do."""


class GatedError(HubError):
    """A repository whose terms must be accepted first."""


class MissingError(HubError):
    """A repository or revision that does not exist."""


class PrivateError(HubError):
    """A repository that this account, or nobody without a token, may see."""


class RateLimitedError(HubError):
    """A hub that asks to wait."""


class UnreachableError(HubError):
    """A hub that does not answer, or not sensibly."""


@contextmanager
def explained_hub_errors(repository: str, revision: str | None, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub and httpx raise into a HubError, without a token in its text."""
    try:
        with explained_silence(UnreachableError, repository, endpoint, ENDPOINT):
            yield
    except errors.OfflineModeIsEnabled:
        raise UnreachableError(
            f"{repository}: HF_HUB_OFFLINE is set and the files are not in build/downloads; unset it for one run."
        ) from None
    except errors.RevisionNotFoundError:
        raise MissingError(
            f"{repository}: has no revision {revision!r}; see https://huggingface.co/{repository}/commits."
        ) from None
    except httpx.HTTPStatusError as error:
        raise _explained(error.response, repository) from None
    except errors.HfHubHTTPError as error:
        raise _explained(error.response, repository) from None


def _explained(response: httpx.Response, repository: str) -> HubError:
    page = f"https://huggingface.co/{repository}"
    has_token = token("HF_TOKEN") is not None
    if response.headers.get("X-Error-Code") == "GatedRepo":
        whose = (
            ", with the account that HF_TOKEN belongs to"
            if has_token
            else " and set HF_TOKEN in the environment"
        )
        return GatedError(f"{repository}: gated; accept its terms at {page}{whose}.")
    if between := answered_between(response, ENDPOINT, OWN_HEADERS):
        return UnreachableError(f"{repository}: {between}")
    known = {
        UNAUTHORISED: (
            PrivateError,
            "the hub refuses HF_TOKEN, as it does one that is expired; make a valid one at"
            " https://huggingface.co/settings/tokens, or unset HF_TOKEN where the model is public."
            if has_token
            else "private, or it does not exist (the hub does not tell without a token); check the name, then set"
            " HF_TOKEN in the environment.",
        ),
        FORBIDDEN: (
            PrivateError,
            f"private, and {'the account of HF_TOKEN has' if has_token else 'without HF_TOKEN there is'} no access;"
            " ask its owner.",
        ),
        NOT_FOUND: (MissingError, f"not on the hub (404); check the name at {page}."),
        LEGAL_REASONS: (
            MissingError,
            "withheld for legal reasons (451), perhaps in this country only; choose another model.",
        ),
        TOO_MANY: (
            RateLimitedError,
            f"the hub's rate limit is reached (429); run the same command {wait_words(response)}"
            f"{'' if has_token else '; with HF_TOKEN set the limit is higher'}.",
        ),
    }
    later = f"the hub answers with status {response.status_code}; run the same command again later."
    kind, cause = known.get(response.status_code, (UnreachableError, later))
    return kind(f"{repository}: {cause}")


def list_repository(source: Source) -> dict:
    """Return `revision` (a commit hash), `license` and `files` (RemoteFile), as the hub states them now.

    With HF_HUB_OFFLINE the hub client's own cache answers. Raises a HubError with the cause.
    """
    if constants.is_offline_mode():
        return _cached_listing(source)
    check_endpoint(ENDPOINT, constants.ENDPOINT)
    check_network_settings()
    try:
        with explained_hub_errors(source.name, source.revision, constants.ENDPOINT):
            return _listing(source)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, json.JSONDecodeError) and error.doc.lstrip().startswith("<"):
            raise UnreachableError(f"{source.name}: {page_sentence(constants.ENDPOINT, ENDPOINT)}") from None
        raise UnreachableError(
            f"{source.name}: {shown_address(constants.ENDPOINT)} answered something that is no model listing"
            f" ({type(error).__name__}); check HF_ENDPOINT."
        ) from None


def _listing(source: Source) -> dict:
    at = f"/revision/{quote(source.revision, safe='')}" if source.revision else ""
    headers = _headers()
    info = _asked(f"{constants.ENDPOINT}/api/models/{source.name}{at}", headers).json()
    commit = info.get("sha") or ""
    if not COMMIT.fullmatch(commit):
        raise UnreachableError(f"{source.name}: the hub states no commit hash; check HF_ENDPOINT.")
    files = []
    for entry in _tree(source.name, commit):
        files.append(_remote_file(entry))
        if len(files) > MOST_FILES:
            raise HubError(f"{source.name}: more than {MOST_FILES} files; this is no model repository.")
    return {"revision": commit, "license": _license(info.get("cardData") or {}), "files": files}


def _headers() -> dict[str, str]:
    """Return the token's header; the client's own function for it asks the hub for a list, however long that is."""
    held = token("HF_TOKEN")
    return {"Authorization": f"Bearer {held}"} if held else {}


def _asked(url: httpx.URL | str, headers: dict[str, str]) -> httpx.Response:
    response = read_answer(get_session(), url, headers)
    _check_status(response)
    return response


def _check_status(response: httpx.Response) -> None:
    """Raise for all but success: the client lets redirects pass, and stumbles over JSON that it does not expect."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hf_raise_for_status(response)
    response.raise_for_status()


def _tree(repository: str, commit: str) -> Iterator[RepoFile]:
    """Yield the files of a commit, page after page; the client's own loop would take the token to any host.

    A mirror may lead to another host, and that one names its own pages, which are asked for without the token.
    """
    page = httpx.URL(f"{constants.ENDPOINT}/api/models/{repository}/tree/{commit}?recursive=true")
    home = _origin(page)
    for _ in range(MOST_PAGES):
        headers = _headers() if _origin(page) == home else {}
        response = _asked(page, headers)
        yield from (RepoFile(**entry) for entry in response.json() if entry["type"] == "file")
        following = response.links.get("next", {}).get("url")
        if following is None:
            return
        page = response.url.join(following)
        if _origin(page) not in (home, _origin(response.url)):
            raise UnreachableError(
                f"{repository}: {shown_address(constants.ENDPOINT)} names a next page at {shown_address(str(page))},"
                f" another host, which is not asked; let {ENDPOINT} name the hub's own address."
            )
    raise HubError(f"{repository}: its list goes on after {MOST_PAGES} pages; this is no model repository.")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _remote_file(entry) -> RemoteFile:
    lfs = entry.lfs
    return RemoteFile(
        name=entry.path,
        bytes=int(lfs.size if lfs else entry.size),
        sha256=str(lfs.sha256) if lfs else None,
        git_sha1=None if lfs else str(entry.blob_id),
    )


def _license(card: dict) -> str | None:
    found = card.get("license")
    if isinstance(found, list):
        found = ", ".join(str(name) for name in found)
    name = card.get("license_name")
    return str(name if found == "other" and name else found)[:200] if found else None


def _cached_listing(source: Source) -> dict:
    commit = cached_commit(Path(constants.HF_HUB_CACHE), source.name, source.revision)
    if commit is None:
        raise UnreachableError(
            f"{source.name}: HF_HUB_OFFLINE is set and {source.revision or 'main'} is not in the hub's cache"
            f" {constants.HF_HUB_CACHE}; unset HF_HUB_OFFLINE for one run."
        )
    files = cached_files(Path(constants.HF_HUB_CACHE), source.name, commit)
    if not files:
        raise UnreachableError(
            f"{source.name}: HF_HUB_OFFLINE is set and the hub's cache {constants.HF_HUB_CACHE} has {commit[:12]} with"
            " no file that is named by its hash, so none can be checked; unset HF_HUB_OFFLINE for one run."
        )
    return {"revision": commit, "license": None, "files": files}


def fetch_repository_file(
    repository: str, commit: str, wanted: RemoteFile, destination: Path, partial_folder: Path
) -> None:
    """Leave one verified file at `destination`: from the hub client's cache if it is there, else downloaded."""
    if copy_from_cache(Path(constants.HF_HUB_CACHE), repository, commit, wanted, destination):
        return
    if constants.is_offline_mode() and not destination.is_file():
        raise UnreachableError(
            f"{repository}: HF_HUB_OFFLINE is set and {wanted.name} at {commit[:12]} is neither in"
            " build/downloads nor in the hub's cache; unset HF_HUB_OFFLINE for one run."
        )
    check_endpoint(ENDPOINT, constants.ENDPOINT)
    check_network_settings()
    headers = _headers()
    url = huggingface_hub.hf_hub_url(repository, wanted.name, revision=commit)
    with explained_hub_errors(repository, commit, constants.ENDPOINT):
        fetch_file(get_session(), url, headers, wanted, destination, partial_folder, _check_status)
