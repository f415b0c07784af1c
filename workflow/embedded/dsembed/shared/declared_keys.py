"""Reads a group of a key file by a table of the keys that DeepStream knows there."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from dsembed.shared.keyfile import KeyFile


class RefusedError(ValueError):
    """A setting that DeepStream has and the embedded runtime does not."""


@dataclass(frozen=True)
class Key:
    """One key: the KeyFile reader of its value, its default, and the only values that are supported."""

    kind: str
    default: Any = None
    supported: Collection[Any] | None = None


def integer(default: int | None = None) -> Key:
    """Return an integer key of which every value is supported."""
    return Key("integer", default)


def only(*supported: int) -> Key:
    """Return an integer key of which `supported` values do what DeepStream does; the first is the default."""
    return Key("integer", supported[0], supported)


def flag(*supported: int) -> Key:
    """Return a boolean key of which `supported` values do what DeepStream does; the first is the default."""
    return Key("boolean", supported[0], supported)


def refused(kind: str = "string") -> Key:
    """Return a key that is known and not supported with any value."""
    return Key(kind, None, ())


def read_group(
    keyfile: KeyFile, group: str, table: dict[str, Key], unknown: Callable[[str], None]
) -> dict[str, Any]:
    """Return the values of all keys in `table`, defaults where the group does not set them.

    `unknown` is called with each key that is not in the table. Raises KeyFileError for a value of the wrong
    kind and RefusedError for a known value that is not supported.
    """
    values = {name: key.default for name, key in table.items()}
    for name, raw in keyfile.groups.get(group, {}).items():
        if name not in table:
            unknown(name)
            continue
        key = table[name]
        values[name] = getattr(keyfile, key.kind)(group, name)
        if key.supported is not None and values[name] not in key.supported:
            legal = ", ".join(str(value) for value in key.supported)
            advice = f"supports only {legal}" if legal else "does not support this key, remove it"
            raise RefusedError(f"[{group}] {name}={raw}: the embedded runtime {advice}")
    return values
