"""What passes between rules as JSON: a dataclass whose fields are the keys, declared by the package that writes it."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from dsbench.core.errors import BuildError
from dsbench.core.files import read_json, write_whole

R = TypeVar("R")
# A list with an entry at least, and numbers above 0, such as a divisor has to be.
AtLeastOne = Annotated[list[R], msgspec.Meta(min_length=1)]
PositiveInt = Annotated[int, msgspec.Meta(ge=1)]
PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]
# A number's JSON pointer, the number, and its line.
Numbered = tuple[str, float, int]
# A name that another hand wrote into the file may stand in msgspec's sentence.
LONGEST_SHOWN = 200


def read_record(path: str | Path, kind: type[R], called: str | None = None) -> R:
    """Return the `kind` that a step of this build wrote to `path`; keys that it does not declare are left out.

    `called` is what a sentence calls a kind without a name of its own. Raises BuildError as `read_json` does, and
    where a key is missing or not of the declared type.
    """
    try:
        return msgspec.convert(read_json(path), kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise BuildError(
            f"{path}: is no {called or kind.__name__} as this version of the project writes it"
            f" ({str(error)[:LONGEST_SHOWN]}); delete it and run the same command again, which makes it anew"
        ) from None


def read_if_whole(path: Path, kind: type[R]) -> R | None:
    """Return the `kind` at `path`; None where nothing whole is, which some step then makes anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_record(path: str | Path, record: object) -> None:
    """Write `record` to `path` as JSON, its fields in the order of their declaration."""
    write_whole(path, record_text(record))


def record_text(record: object) -> str:
    """Return the JSON of `record`, a line for each value; a field that is UNSET is left out."""
    return json.dumps(as_json(record), indent=1) + "\n"


def as_json(record: object) -> Any:
    """Return `record` as dicts, lists and plain values."""
    return msgspec.to_builtins(record, str_keys=True, enc_hook=_plain)


def _plain(value: object) -> float:
    """Return the float that numpy's own kind of float is."""
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def numbers_in(value: object, pointer: str = "", line: int = 1) -> Generator[Numbered, None, int]:
    """Yield each number in what JSON holds: its JSON pointer, itself, and its line in a file of this build.

    Those files have a line for each value and each bracket. Returns the line after `value`.
    """
    if isinstance(value, dict | list | tuple) and value:
        line += 1
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            name = str(key).replace("~", "~0").replace("/", "~1")
            line = yield from numbers_in(entry, f"{pointer}/{name}", line)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield pointer, value, line
    return line + 1
