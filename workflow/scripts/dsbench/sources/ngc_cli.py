"""The `ngc` command, where it is installed: it knows the user's organisation and key."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from dsbench.core.secret_words import environment_without_tokens, token, without_tokens
from dsbench.sources.ngc import NgcError
from dsbench.sources.source import RemoteFile, Source
from dsbench.tools.tool_run import report_progress

TIMEOUT_S = 6 * 3600
JSON_BEGINS = re.compile(r"^[\[{]", re.MULTILINE)
# As it says it where a key is set without an organisation, or with one that the key is not of.
NO_ORGANISATION = re.compile(r"\b(?:missing|invalid|no) org\b|\borg\w* is (?:also )?required", re.IGNORECASE)


class NoOrganisationError(NgcError):
    """An `ngc` that cannot be used before it is told the organisation of its key; NGC's API needs none."""


def is_installed() -> bool:
    """Return whether `ngc` is on PATH."""
    return shutil.which("ngc") is not None


def list_by_cli(source: Source) -> dict:
    """Return `revision`, `license` and `files` of an NGC model as `ngc registry model info` states them."""
    version: object = source.revision
    if version is None:
        version = _first(_info(source.name), "latestVersionIdStr")
    if not isinstance(version, str) or not version:
        raise NgcError(f"{source.name}: ngc names no latest version; add ?version=V to the source.")
    stated = _first(_info(f"{source.name}:{version}", "--files"), "modelFiles")
    files = [
        RemoteFile(str(entry.get("path", "")), entry.get("sizeInBytes"))
        for entry in (stated if isinstance(stated, list) else [])
        if isinstance(entry, dict)
    ]
    if not files:
        raise NgcError(f"{source.name}: ngc lists no files for version {version}; choose another one.")
    return {"revision": version, "license": None, "files": files}


def download_model(name: str, version: str, folder: Path) -> None:
    """Leave every file of the version below `folder`, which appears only when all have arrived."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    report_progress(f"downloading {name}:{version} with ngc")
    with tempfile.TemporaryDirectory(prefix=".ngc-", dir=folder.parent) as scratch:
        _run(["registry", "model", "download-version", f"{name}:{version}", "--dest", scratch], name)
        found = [path for path in Path(scratch).iterdir() if path.is_dir() and not path.is_symlink()]
        if len(found) != 1:
            raise NgcError(f"{name}: ngc left {len(found)} folders, expected one; run it by hand to see why.")
        if not folder.exists():
            os.replace(found[0], folder)


def _info(target: str, *options: str) -> object:
    text = _run(["registry", "model", "info", target, *options, "--format_type", "json"], target)
    # Lines on a newer ngc, or with [WARNING], may stand before it, or behind.
    for begins in JSON_BEGINS.finditer(text):
        with contextlib.suppress(ValueError, RecursionError):
            return json.JSONDecoder().raw_decode(text, begins.start())[0]
    raise NgcError(
        f"{target}: ngc printed no JSON; run `ngc registry model info {target}` by hand to see why."
    )


def _run(arguments: list[str], name: str) -> str:
    key = token("NGC_API_KEY", "NGC_CLI_API_KEY")
    environment = environment_without_tokens() | ({"NGC_CLI_API_KEY": key} if key else {})
    try:
        done = subprocess.run(
            ["ngc", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NgcError(f"{name}: ngc could not be run ({type(error).__name__}).") from None
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        last = without_tokens(said[-1])[:300] if said else "it printed nothing"
        kind = NoOrganisationError if any(map(NO_ORGANISATION.search, said)) else NgcError
        raise kind(f"{name}: ngc ended with exit status {done.returncode}: {last}")
    return done.stdout


def _first(value: object, key: str) -> object:
    """Return what stands under `key` anywhere in a JSON value: its nesting differs between versions of ngc."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            if (found := _first(entry, key)) is not None:
                return found
    return None
