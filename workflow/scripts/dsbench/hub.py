"""The Hugging Face hub: a revision resolved to its commit, the listing with hashes, files at that commit."""

import json
import re
from pathlib import Path

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from dsbench.download import fetch_file
from dsbench.hub_cache import cached_commit, cached_files, copy_from_cache
from dsbench.hub_errors import ENDPOINT, HubError, UnreachableError, explained_hub_errors
from dsbench.network_faults import check_network_settings, page_sentence
from dsbench.remote_file import RemoteFile
from dsbench.secret_words import token
from dsbench.source import Source

COMMIT = re.compile(r"[0-9a-f]{40}")
ANSWER_TIMEOUT_S = 30.0
MOST_FILES = 20_000


def list_repository(source: Source) -> dict:
    """Return `revision` (a commit hash), `license` and `files` (RemoteFile), as the hub states them now.

    With HF_HUB_OFFLINE the hub client's own cache answers. Raises a HubError with the cause.
    """
    if constants.is_offline_mode():
        return _cached_listing(source)
    check_network_settings()
    api = huggingface_hub.HfApi(token=token("HF_TOKEN") or False)
    try:
        with explained_hub_errors(source.name, source.revision, constants.ENDPOINT):
            return _listing(api, source)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, json.JSONDecodeError) and error.doc.lstrip().startswith("<"):
            raise UnreachableError(f"{source.name}: {page_sentence(constants.ENDPOINT, ENDPOINT)}") from None
        raise UnreachableError(
            f"{source.name}: {constants.ENDPOINT} answered something that is no model listing"
            f" ({type(error).__name__}); check HF_ENDPOINT."
        ) from None


def _listing(api: huggingface_hub.HfApi, source: Source) -> dict:
    info = api.model_info(source.name, revision=source.revision, timeout=ANSWER_TIMEOUT_S)
    if not COMMIT.fullmatch(info.sha or ""):
        raise UnreachableError(f"{source.name}: the hub states no commit hash; check HF_ENDPOINT.")
    files = []
    for entry in api.list_repo_tree(source.name, recursive=True, revision=info.sha):
        if isinstance(entry, RepoFile):
            files.append(_remote_file(entry))
        if len(files) > MOST_FILES:
            raise HubError(f"{source.name}: more than {MOST_FILES} files; this is no model repository.")
    card = info.card_data.to_dict() if info.card_data else {}
    return {"revision": info.sha, "license": _license(card), "files": files}


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
    check_network_settings()
    headers = build_hf_headers(token=token("HF_TOKEN") or False)
    url = huggingface_hub.hf_hub_url(repository, wanted.name, revision=commit)
    with explained_hub_errors(repository, commit, constants.ENDPOINT):
        fetch_file(get_session(), url, headers, wanted, destination, partial_folder, hf_raise_for_status)
