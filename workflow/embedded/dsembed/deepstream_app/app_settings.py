"""Reads a deepstream-app configuration file into the settings of one pipeline, the files it plays included."""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dsembed.deepstream_app import app_keys
from dsembed.shared.declared_keys import Key, RefusedError, read_group
from dsembed.shared.keyfile import INTEGER, KeyFile

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


MAX_SOURCES = 1024
SURFACE_SIDES = range(2, 16385)
# The one line number that the contract knows; readers of these lines match the text, not the number.
SOURCE_PARSER_LINE = 781


@dataclass(frozen=True)
class MuxSettings:
    """The surface that all metadata refers to, in pixels."""

    width: int
    height: int
    enable_padding: bool


@dataclass(frozen=True)
class GieSettings:
    """The primary inference; None where the nvinfer file decides."""

    config_file: Path
    batch_size: int | None
    unique_id: int | None
    engine_file: Path | None
    labels_file: Path | None


@dataclass(frozen=True)
class AppSettings:
    """One pipeline: a file per stream, in stream order."""

    sources: tuple[Path, ...]
    mux: MuxSettings
    gie: GieSettings
    perf_interval_s: int | None
    kitti_dir: Path | None
    file_loop: bool
    tiled_display: bool


def read_app_settings(path: Path, say: Callable[[str], None]) -> AppSettings:
    """Return the settings in `path`; `say` gets a warning line per unknown key.

    Raises KeyFileError for a file or value that cannot be read, RefusedError for what is not supported.
    """
    if path.suffix != ".txt":
        raise RefusedError(f"{path}: only key files named .txt are read, found '{path.suffix}'")
    try:
        return _Reader(KeyFile.read(path.resolve()), say).settings()
    except RefusedError as error:
        raise RefusedError(f"{path}: {error}") from error


class _Reader:
    def __init__(self, keyfile: KeyFile, say: Callable[[str], None]):
        self.keyfile = keyfile
        self.say = say

    def settings(self) -> AppSettings:
        self._refuse_other_stages()
        application = self._group("application", "parse_app", app_keys.APPLICATION)
        sources, listed = self._sources()
        self._sinks()
        self._group("osd", "parse_osd", app_keys.OSD)
        tiled_display = self._group("tiled-display", "parse_tiled_display", app_keys.TILED_DISPLAY)
        tests = self._group("tests", "parse_tests", app_keys.TESTS)
        return AppSettings(
            sources=sources,
            mux=self._mux(len(sources), listed),
            gie=self._gie(len(sources), listed),
            perf_interval_s=self._perf_interval_s(application),
            kitti_dir=self._path(application["gie-kitti-output-dir"]),
            file_loop=tests["file-loop"] == 1,
            tiled_display=tiled_display["enable"] == 1,
        )

    def _group(self, group: str, parser: str, table: dict[str, Key]) -> dict[str, Any]:
        line = SOURCE_PARSER_LINE if parser == "parse_source" else 0

        def unknown(key: str) -> None:
            self.say(f"** WARN: <{parser}:{line}>: Unknown key '{key}' for group [{group}]")

        return read_group(self.keyfile, group, table, unknown)

    def _enabled(self, prefix: str) -> list[str]:
        groups = [group for group in self.keyfile.groups if group.startswith(prefix)]
        return [group for group in groups if self._is_enabled(group)]

    def _is_enabled(self, group: str) -> bool:
        enable = INTEGER.match(self.keyfile.groups.get(group, {}).get("enable", ""))
        return enable is not None and int(enable[1]) != 0

    def _refuse_other_stages(self) -> None:
        prefixed = [group for prefix in app_keys.OTHER_STAGE_PREFIXES for group in self._enabled(prefix)]
        for group in (*filter(self._is_enabled, app_keys.OTHER_STAGES), *prefixed):
            raise RefusedError(f"[{group}] enable=1: the embedded runtime has no such stage, set enable=0")

    def _numbered(self, prefix: str) -> list[str]:
        groups = [group for group in self.keyfile.groups if group.startswith(prefix)]
        groups = [group for group in groups if group not in ("source-list", "source-attr-all")]
        numbers = [re.fullmatch(r"[0-9]+", group.removeprefix(prefix)) for group in groups]
        if not all(numbers):
            raise RefusedError(f"a [{prefix}] group without a number, name it [{prefix}0]")
        if len({int(number[0]) for number in numbers if number}) != len(groups):
            raise RefusedError(f"two [{prefix}N] groups have the same number")
        return [group for group in groups if self._is_enabled(group)]

    def _sources(self) -> tuple[tuple[Path, ...], bool]:
        directory = self.keyfile.path.parent
        listed: list[Path] = []
        if "source-list" in self.keyfile.groups:
            if not self._is_enabled("source-attr-all"):
                raise RefusedError("[source-attr-all] group not present.")
            listed = listed_sources(self._group, directory)
        sources = (*declared_sources(self._numbered("source"), self._group, directory), *listed)
        if not 1 <= len(sources) <= MAX_SOURCES:
            raise RefusedError(f"{len(sources)} enabled sources, expected 1 to {MAX_SOURCES}")
        return sources, bool(listed)

    def _sinks(self) -> None:
        sinks = self._numbered("sink")
        for group in sinks:
            if self._group(group, "parse_sink", app_keys.SINK)["type"] is None:
                raise RefusedError(f"[{group}] has no type, set type=1 (fakesink)")
        if not sinks:
            raise RefusedError("no [sinkN] with enable=1, add [sink0] with enable=1, type=1 and sync=0")

    def _mux(self, source_count: int, listed: bool) -> MuxSettings:
        if os.environ.get("USE_NEW_NVSTREAMMUX") == "yes":
            raise RefusedError(
                "USE_NEW_NVSTREAMMUX=yes: the embedded runtime has only the old nvstreammux, unset the variable"
            )
        values = self._group("streammux", "parse_streammux", app_keys.STREAMMUX)
        width, height = values["width"], values["height"]
        if width not in SURFACE_SIDES or height not in SURFACE_SIDES:
            raise RefusedError(
                f"[streammux] width={width} height={height}: set both to the surface size, "
                f"{SURFACE_SIDES[0]} to {SURFACE_SIDES[-1]} pixels"
            )
        if not listed and values["batch-size"] not in (0, source_count):
            raise RefusedError(
                f"[streammux] batch-size={values['batch-size']} with {source_count} sources: "
                "the embedded mux takes one frame of every source, set it to their number"
            )
        return MuxSettings(width, height, values["enable-padding"] == 1)

    def _gie(self, source_count: int, listed: bool) -> GieSettings:
        if not self._is_enabled("primary-gie"):
            raise RefusedError("no [primary-gie] with enable=1: there is no pipeline without inference")
        colours = {
            key: Key("numbers")
            for key in self.keyfile.groups["primary-gie"]
            if re.fullmatch(r"bbox-(border|bg)-color[0-9]+", key)
        }
        values = self._group("primary-gie", "parse_gie", app_keys.PRIMARY_GIE | colours)
        if values["config-file"] is None:
            raise RefusedError("[primary-gie] has no config-file")
        return GieSettings(
            config_file=self.keyfile.path.parent / values["config-file"],
            batch_size=source_count if listed else values["batch-size"],
            unique_id=values["gie-unique-id"],
            engine_file=self._path(values["model-engine-file"]),
            labels_file=self._path(values["labelfile-path"]),
        )

    def _perf_interval_s(self, application: dict[str, Any]) -> int | None:
        if application["enable-perf-measurement"] == 0:
            return None
        interval_s = application["perf-measurement-interval-sec"]
        if interval_s < 1:
            raise RefusedError(
                f"[application] perf-measurement-interval-sec={interval_s}: set 1 or more seconds"
            )
        return interval_s

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self.keyfile.path.parent / text
