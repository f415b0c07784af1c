"""JSON from outside and the headers of safetensors: limited in size, depth and numbers before anything reads them."""

import json
import re
from pathlib import Path
from typing import NoReturn

from dsbench.core.files import ForeignFileError, read_bounded
from dsbench.intake.file_choice import IntakeError, is_safe_name, printable
from dsbench.intake.foreign_files import what_to_do
from dsbench.intake.model_bounds import LARGEST_SIDE_PX

LARGEST_CONFIG_BYTES = 10 << 20
# Tokenizers are JSON too, with every word of a language in them.
LARGEST_JSON_BYTES = 64 << 20
DEEPEST = 40
# Each takes a hundred bytes of memory and more; the largest tokenizers have a million.
MOST_VALUES = 3_000_000
LONGEST_DIGITS = 40
LARGEST_SETTING = 1_000_000
SIZE_KEY = re.compile(r"(sizes?|dims?|layers|heads|queries|d_model|channels|depths?|points|levels|labels)$")
SIDE_KEYS = ("height", "width", "shortest_edge", "longest_edge")
# Where transformers and timm have a backbone's name, which may also be a folder's or a hub's.
BACKBONE_KEYS = ("backbone", "architecture", "backbone_name")
BACKBONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
ELSEWHERE = re.compile(r"\s*(local-dir|hf[-_]hub):", re.IGNORECASE)
# What goes to timm as arguments, and those by which it loads a file.
BACKBONE_ARGUMENTS = ("backbone_kwargs", "model_args")
LOADED = {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "pretrained_strict"}
LENGTH_BYTES = 8
# The library reads four times as much.
LARGEST_HEADER_BYTES = 25_000_000


def parse_json(data: bytes, name: str, remedy: str = "fetch it again") -> object:
    """Return the JSON value in `data`; `name` stands in errors, `remedy` at the end of that for no JSON.

    Raises IntakeError for no JSON, keys that occur twice, NaN, infinities, endless digits, nesting over DEEPEST,
    more than MOST_VALUES values.
    """
    # Those in texts count too, so that nothing is read before.
    if sum(map(data.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise IntakeError(f"{name}: more than {MOST_VALUES} values; this is no model's file.")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=lambda pairs: _without_repeats(pairs, name),
            parse_constant=lambda text: _refuse_number(text, name),
            parse_int=lambda text: _integer(text, name),
            parse_float=lambda text: _finite(text, name),
        )
    except RecursionError:
        raise IntakeError(f"{name}: nested deeper than {DEEPEST}; this is no model's file.") from None
    except ValueError as error:
        raise IntakeError(f"{name}: not a readable JSON file ({error}); {remedy}.") from None
    if _depth(value) > DEEPEST:
        raise IntakeError(f"{name}: nested deeper than {DEEPEST}; this is no model's file.")
    return value


def _without_repeats(pairs: list[tuple[str, object]], name: str) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise IntakeError(f"{name}: a key occurs twice in one object, so readers disagree on its value.")
    return found


def _refuse_number(text: str, name: str) -> NoReturn:
    raise IntakeError(f"{name}: holds {text[:40]}, expected finite numbers.")


def _integer(text: str, name: str) -> int:
    return int(text) if len(text) <= LONGEST_DIGITS else _refuse_number(text, name)


def _finite(text: str, name: str) -> float:
    value = float(text)
    return _refuse_number(text, name) if value in (float("inf"), float("-inf")) else value


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level := [
        child
        for entry in level
        if isinstance(entry, dict | list)
        for child in (entry.values() if isinstance(entry, dict) else entry)
    ]:
        depth += 1
        if depth > DEEPEST:
            break
    return depth


def read_json_file(path: Path, largest_bytes: int = LARGEST_JSON_BYTES) -> object:
    """Return the value of a JSON file of at most `largest_bytes`."""
    try:
        content = read_bounded(path, largest_bytes, through_links=True)
    except ForeignFileError as error:
        most = f"{largest_bytes >> 20} MiB"
        raise IntakeError(f"{error}; expected a plain file of at most {most}; fetch it again.") from None
    return parse_json(content, path.name, what_to_do(path, "fetch it again", is_text=True))


def check_model_config(path: Path, is_loaded: bool = True) -> None:
    """Refuse a config.json that names code of its own or sizes no detector has.

    One that is loaded to export its weights may name nothing that its loader would fetch or open besides them.
    """
    config = _object(path)
    for place, key, value in _settings(config, ""):
        if key == "auto_map" or (key == "trust_remote_code" and value):
            raise IntakeError(
                f"{path.name}: comes with its own Python code ({printable(place)}), which is never run; use a model of"
                " the same architecture without it, or its ONNX."
            )
        if is_loaded and (fault := _loader_fault(key, value)):
            raise IntakeError(f"{path.name}: {printable(place)} {fault}.")
        for number in value if isinstance(value, list) else [value]:
            if SIZE_KEY.search(key) and type(number) in (int, float) and not 0 <= number <= LARGEST_SETTING:
                raise IntakeError(
                    f"{path.name}: {printable(place)} is {number}, expected 0 to {LARGEST_SETTING}."
                )


def _loader_fault(key: str, value: object) -> str | None:
    """Return why a setting would make the exporter's libraries load what is not in the source, and what to do."""
    if key in BACKBONE_KEYS and isinstance(value, str) and not BACKBONE.fullmatch(value):
        return (
            f"is {printable(repr(value))}, a place to load from; expected a backbone's plain name such as resnet50,"
            " without : and /"
        )
    if isinstance(value, str) and ELSEWHERE.match(value):
        return f"is {printable(repr(value))}, a place to load from besides the source; remove it"
    # Newer libraries note with true or false that they chose for themselves.
    if key.lstrip("_").startswith("attn_implementation") and not isinstance(value, bool | None):
        return (
            f"is {printable(repr(value))}, and an attention that a file names may be code of a hub; remove it"
        )
    if key == "quantization_config" and value:
        return (
            "asks for quantised weights, which no exporter here reads; use the model's full-precision weights"
        )
    if key in BACKBONE_ARGUMENTS and isinstance(value, dict) and (found := LOADED & set(value)):
        return f"has {', '.join(sorted(found))}, which names weights besides the model's own; remove it"
    return None


def check_preprocessor(path: Path) -> None:
    """Refuse a preprocessor_config.json that names code of its own or an absurd picture size."""
    config = _object(path)
    if "auto_map" in config:
        raise IntakeError(f"{path.name}: comes with its own Python code (auto_map), which is never run.")
    for place, key, value in _settings(config, ""):
        if (key not in SIDE_KEYS and place != "size") or value is None or isinstance(value, dict | list):
            continue
        if type(value) is not int or not 0 < value <= LARGEST_SIDE_PX:
            raise IntakeError(
                f"{path.name}: {printable(place)} is {printable(repr(value))}, expected 1 to {LARGEST_SIDE_PX} pixels."
            )


def check_index(path: Path, names: set[str]) -> None:
    """Refuse a shard index that names anything but safetensors files of the same folder."""
    weight_map = _object(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise IntakeError(f"{path.name}: no weight_map, expected tensor names with their shard.")
    for shard in set(map(str, weight_map.values())):
        if not is_safe_name(shard) or "/" in shard or not shard.endswith(".safetensors"):
            raise IntakeError(
                f"{path.name}: names the shard {shard[:80]!r}, expected a *.safetensors file beside it."
            )
        if shard not in names:
            raise IntakeError(f"{path.name}: shard {shard} is missing; fetch it too.")


def _object(path: Path) -> dict:
    value = read_json_file(path, LARGEST_CONFIG_BYTES)
    if not isinstance(value, dict):
        raise IntakeError(f"{path.name}: found a JSON {type(value).__name__}, expected an object.")
    return value


def _settings(value: object, place: str):
    if isinstance(value, dict):
        for key, entry in value.items():
            inner = f"{place}.{key}".lstrip(".")
            yield inner, key, entry
            yield from _settings(entry, inner)
    elif isinstance(value, list):
        for entry in value:
            yield from _settings(entry, place)


def check_safetensors(path: Path) -> None:
    """Raise IntakeError unless the library finds the file sound: a header within it, tensors that fill the rest."""
    # Only where weights are checked, not wherever the DAG is made.
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
    if length > LARGEST_HEADER_BYTES:
        raise _fault(path, f"a header of {length} bytes, expected at most {LARGEST_HEADER_BYTES}")
    try:
        with safe_open(path, framework="numpy") as opened:
            names = opened.keys()
    except SafetensorError as error:
        raise _fault(path, printable(" ".join(str(error).split()))) from None
    if not names:
        raise _fault(path, "no tensor")


def _fault(path: Path, found: str) -> IntakeError:
    remedy = "fetch or save it again"
    told = what_to_do(path, remedy)
    return IntakeError(
        f"{path.name}: no sound safetensors file: {f'{found}; {remedy}' if told == remedy else told}."
    )
