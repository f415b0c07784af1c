"""NGC's catalogue: the latest version resolved once, its files listed and fetched over HTTPS."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from dsbench.core.errors import BuildError
from dsbench.core.secret_words import NO_SIGN_OF_A_TOKEN, token
from dsbench.sources.bounded_answers import TIMEOUT_S, read_answer
from dsbench.sources.download import fetch_file
from dsbench.sources.network_faults import (
    TOO_MANY,
    answered_between,
    check_endpoint,
    check_network_settings,
    explained_silence,
    is_web_page,
    page_sentence,
    shown_address,
    wait_words,
)
from dsbench.sources.source import RemoteFile, Source

MOST_FILES = 20_000
ENDPOINT, KEY_ENDPOINT = "NGC_API_URL", "NGC_AUTHN_URL"


class NgcError(BuildError):
    """A model of NGC's catalogue that cannot be listed or read, with the cause and what to do."""


def api_url() -> str:
    """Return the address of NGC's API; NGC_API_URL in the environment names another one."""
    return os.environ.get(ENDPOINT, "https://api.ngc.nvidia.com").rstrip("/")


def authentication_url() -> str:
    """Return the address that turns an API key into a token; NGC_AUTHN_URL names another one."""
    return os.environ.get(KEY_ENDPOINT, "https://authn.nvidia.com").rstrip("/")


def list_by_api(source: Source) -> dict:
    """Return `revision` (the version), `license` and `files` (RemoteFile) of an NGC model as they are now."""
    with _session(source.name) as client:
        version = source.revision or _latest_version(client, source.name)
        answer = _json(client, f"{_model_url(source.name)}/versions/{quote(version)}/files", source.name)
        files = [_remote_file(entry) for entry in _list_of(answer, "modelFiles", source.name)]
    if not files:
        raise NgcError(
            f"{source.name}: version {version} has no files; choose another one in its catalogue page."
        )
    return {"revision": version, "license": None, "files": files}


def fetch_model_file(
    name: str, version: str, wanted: RemoteFile, destination: Path, partial_folder: Path
) -> None:
    """Leave one file of an NGC model at `destination`, of the size and hash that were listed."""
    url = f"{_model_url(name)}/versions/{quote(version)}/files/{quote(wanted.name)}"
    with _session(name) as client:
        fetch_file(client, url, {}, wanted, destination, partial_folder, lambda got: _check_status(got, name))


def _model_url(name: str) -> str:
    return f"{api_url()}/v2/models/{quote(name)}"


def _latest_version(client: httpx.Client, name: str) -> str:
    answer = _json(client, _model_url(name), name)
    model = answer.get("model")
    version = model.get("latestVersionIdStr") if isinstance(model, dict) else None
    if not isinstance(version, str) or not version:
        raise NgcError(
            f"{name}: NGC names no latest version; add ?version=V from its catalogue page to the source."
        )
    return version


def _remote_file(entry: dict) -> RemoteFile:
    size = entry.get("sizeInBytes", entry.get("size"))
    sha256 = entry.get("sha256")
    return RemoteFile(
        name=str(entry.get("path") or entry.get("name") or ""),
        bytes=size if type(size) is int and size >= 0 else None,
        sha256=sha256.lower() if isinstance(sha256, str) and len(sha256) == 64 else None,
    )


def _list_of(answer: dict, key: str, name: str) -> list[dict]:
    found = answer.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise NgcError(f"{name}: NGC answered without a list of {key}; check NGC_API_URL.")
    if len(found) > MOST_FILES:
        raise NgcError(f"{name}: more than {MOST_FILES} files; this is no model.")
    return found


@contextmanager
def _session(name: str) -> Iterator[httpx.Client]:
    """Yield a client that sends the key, or the token it is exchanged for, to NGC's API only."""
    check_endpoint(ENDPOINT, api_url())
    check_network_settings()
    with (
        explained_silence(NgcError, name, api_url(), ENDPOINT),
        httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as client,
    ):
        if key := token("NGC_API_KEY", "NGC_CLI_API_KEY"):
            bearer = key if key.startswith("nvapi-") else _exchanged(client, key, name)
            client.headers["Authorization"] = f"Bearer {bearer}"
        yield client


def _exchanged(client: httpx.Client, key: str, name: str) -> str:
    """Return the token for a key of the older kind, valid for the model's organisation and team."""
    check_endpoint(KEY_ENDPOINT, authentication_url())
    organisation, *team = name.split("/")[:-1]
    scopes = [f"group/ngc:{'/'.join([organisation, *team[:n]])}" for n in range(len(team) + 1)]
    response = read_answer(
        client,
        f"{authentication_url()}/token",
        {},
        params={"service": "ngc", "scope": scopes},
        auth=("$oauthtoken", key),
    )
    if between := answered_between(response, KEY_ENDPOINT):
        raise NgcError(f"{name}: {between}")
    if not response.is_success:
        raise NgcError(
            f"{name}: NGC refuses NGC_API_KEY ({response.status_code}); make one at https://org.ngc.nvidia.com/setup."
        )
    try:
        bearer = response.json()["token"]
    except (ValueError, KeyError, TypeError, RecursionError):
        bearer = None
    if not isinstance(bearer, str) or not bearer or NO_SIGN_OF_A_TOKEN.search(bearer):
        raise NgcError(
            f"{name}: {shown_address(authentication_url())} gave no token for NGC_API_KEY; check the key."
        )
    return bearer


def _json(client: httpx.Client, url: str, name: str) -> dict:
    response = read_answer(client, url, {})
    _check_status(response, name)
    if is_web_page(response):
        raise NgcError(f"{name}: {page_sentence(url, ENDPOINT)}")
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise NgcError(f"{name}: NGC answered something that is no model listing; check NGC_API_URL.")
    return answer


def _check_status(response: httpx.Response, name: str) -> None:
    status = response.status_code
    if response.is_success:
        return
    if between := answered_between(response, ENDPOINT):
        raise NgcError(f"{name}: {between}")
    page = "https://catalog.ngc.nvidia.com"
    has_key = token("NGC_API_KEY", "NGC_CLI_API_KEY") is not None
    sentences = {
        401: "NGC does not accept NGC_API_KEY; make one at https://org.ngc.nvidia.com/setup."
        if has_key
        else "not open to guests; set NGC_API_KEY in the environment.",
        403: "your NGC account has no access; accept its terms in the catalogue or ask its owner."
        if has_key
        else "not open to guests; accept its terms in the catalogue and set NGC_API_KEY in the environment.",
        404: f"no such model or version (404); check the address at {page}.",
        TOO_MANY: f"NGC's rate limit is reached (429); run the same command again {wait_words(response)}.",
    }
    raise NgcError(
        f"{name}: {sentences.get(status, f'NGC answers with status {status}; run the same command again later.')}"
    )
