"""Lists the files that the [sourceN] and [source-list] groups of a deepstream-app configuration name."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dsembed import app_keys
from dsembed.declared_keys import Key, RefusedError

MULTI_URI = 3
GroupReader = Callable[[str, str, dict[str, Key]], dict[str, Any]]


def declared_sources(groups: Iterable[str], read: GroupReader, directory: Path) -> list[Path]:
    """Return one file per stream; copies of a MultiURI source follow all declared ones, as in DeepStream.

    Raises RefusedError for a source without a file or with another scheme than file://.
    """
    declared, copies = [], []
    for group in groups:
        values = read(group, "parse_source", app_keys.SOURCE)
        uri = values["uri"]
        if values["type"] is None or uri is None:
            raise RefusedError(f"[{group}] needs type=2 or 3 and uri=file://...")
        uris = [uri]
        if values["type"] == MULTI_URI:
            uris = [_copy_uri(group, uri, index) for index in range(max(1, values["num-sources"]))]
        files = [_file_of(group, uri, directory) for uri in uris]
        declared.append(files[0])
        copies += files[1:]
    return declared + copies


def listed_sources(read: GroupReader, directory: Path) -> list[Path]:
    """Return the files of [source-list]; raises RefusedError for another scheme than file://."""
    # The entries of the list stand for the type and uri of [source-attr-all].
    read("source-attr-all", "parse_source", app_keys.SOURCE)
    uris = read("source-list", "parse_source_list", app_keys.SOURCE_LIST)["list"] or ()
    return [_file_of("source-list", uri, directory) for uri in uris]


def _copy_uri(group: str, uri: str, index: int) -> str:
    if re.search(r"%(?![%d])", uri.replace("%%", "")) or uri.replace("%%", "").count("%d") > 1:
        raise RefusedError(f"[{group}] uri={uri}: with type=3 the uri is a printf format, write % as %%")
    return re.sub(r"%(.)", lambda match: str(index) if match[1] == "d" else "%", uri)


def _file_of(group: str, uri: str, directory: Path) -> Path:
    if not uri.startswith("file://"):
        raise RefusedError(f"[{group}] '{uri}': only file:// sources are supported")
    # DeepStream puts the folder before a relative path and lets GStreamer unescape all of it.
    return Path(unquote(f"{directory / uri.removeprefix('file://')}"))
