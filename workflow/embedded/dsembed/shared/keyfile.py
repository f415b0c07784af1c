"""Reads configuration files by the rules of GLib's GKeyFile, comments after values included."""

import re
from dataclasses import dataclass
from pathlib import Path

GROUP = re.compile(r"\[([^\[\]\x00-\x1f\x7f]+)\][ \t\r\f\v]*")
PAIR = re.compile(r"([^=\[]*[^=\[\s])[ \t]*=[ \t]*(.*)")
INTEGER = re.compile(r"\s*([+-]?[0-9]+)(?=\s|$)")
UNSIGNED = re.compile(r"\s*[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?|inf|nan)")
ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
BOOLEANS = {"true": 1, "1": 1, "false": 0, "0": 0}
WHITE_SPACE = " \t\n\f\r\v"
INT32_RANGE = range(-(2**31), 2**31)


class KeyFileError(ValueError):
    """A file that is not a key file, or a value that is not of the wanted kind."""


@dataclass(frozen=True)
class KeyFile:
    """The groups of one file, in file order; a repeated group is merged, a repeated key's last value wins."""

    path: Path
    groups: dict[str, dict[str, str]]

    @classmethod
    def read(cls, path: Path) -> "KeyFile":
        """Return the parsed file; raises KeyFileError naming the file and the line."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise KeyFileError(f"{path}: {error.strerror}, expected a readable configuration file") from error
        except UnicodeDecodeError as error:
            raise KeyFileError(f"{path}: not UTF-8 at byte {error.start}, save it as UTF-8") from error
        return cls(path, _parse(path, text))

    def integer(self, group: str, key: str) -> int:
        """Return a 32-bit integer; text after white space is ignored, any other trailing text is an error."""
        match = INTEGER.match(self.groups[group][key])
        if not match or int(match[1]) not in INT32_RANGE:
            raise self._wrong(group, key, "an integer")
        return int(match[1])

    def unsigned(self, group: str, key: str) -> int:
        """Return an integer of 0 to 2^64 - 1, a negative one counted from 2^64; no trailing text is allowed."""
        text = self.groups[group][key]
        if not UNSIGNED.fullmatch(text):
            raise self._wrong(group, key, "an integer without trailing text")
        number = int(text)
        return number % 2**64 if abs(number) < 2**64 else 2**64 - 1

    def boolean(self, group: str, key: str) -> int:
        """Return 1 or 0; only true, 1, false and 0 are booleans, with nothing but white space after them."""
        value = BOOLEANS.get(self.groups[group][key].rstrip(WHITE_SPACE))
        if value is None:
            raise self._wrong(group, key, "true, false, 1 or 0 without trailing text")
        return value

    def number(self, group: str, key: str) -> float:
        """Return a float; no trailing text at all is allowed."""
        return self._number(group, key, self.groups[group][key])

    def numbers(self, group: str, key: str) -> tuple[float, ...]:
        """Return the floats of a `;`-separated list."""
        return tuple(self._number(group, key, item) for item in self._items(group, key))

    def integers(self, group: str, key: str) -> tuple[int, ...]:
        """Return the integers of a `;`-separated list."""
        matches = [INTEGER.match(item) for item in self._items(group, key)]
        if not all(matches):
            raise self._wrong(group, key, "a list of integers")
        return tuple(int(match[1]) for match in matches if match)

    def string(self, group: str, key: str) -> str:
        """Return the text with GKeyFile's escapes undone; a comment after it is part of it."""
        return self._unescape(group, key, self.groups[group][key])

    def strings(self, group: str, key: str) -> tuple[str, ...]:
        """Return the texts of a `;`-separated list."""
        return tuple(self._unescape(group, key, item) for item in self._items(group, key))

    def _items(self, group: str, key: str) -> list[str]:
        return self.groups[group][key].removesuffix(";").split(";")

    def _number(self, group: str, key: str, text: str) -> float:
        if not NUMBER.fullmatch(text):
            raise self._wrong(group, key, "a number without trailing text")
        return float(text)

    def _unescape(self, group: str, key: str, text: str) -> str:
        if re.search(r"\\(?![sntr\\])", text.replace("\\\\", "")):
            raise self._wrong(group, key, "text with the escapes \\s \\n \\t \\r \\\\ only")
        return re.sub(r"\\(.)", lambda match: ESCAPES[match[1]], text)

    def _wrong(self, group: str, key: str, expected: str) -> KeyFileError:
        return KeyFileError(f"{self.path}: [{group}] {key}={self.groups[group][key]} is not {expected}")


def _parse(path: Path, text: str) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        if header := GROUP.fullmatch(line):
            current = groups.setdefault(header[1], {})
        elif not (pair := PAIR.fullmatch(line)):
            raise KeyFileError(f"{path}:{number}: '{line}' is no group, key=value pair or comment")
        elif current is None:
            raise KeyFileError(f"{path}:{number}: a key before the first [group]")
        else:
            current.pop(pair[1], None)  # the place of a repeated key is that of its last value
            current[pair[1]] = pair[2]
    return groups
