"""The configuration's faults, each in one sentence: the schema's, and those that a schema cannot say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import yaml
from snakemake.exceptions import WorkflowError

from dsbench.core.errors import BuildError, closest
from dsbench.families.declared import LIST, families
from dsbench.pixels.own_pixels import check_block

if TYPE_CHECKING:
    from jsonschema import ValidationError

TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "settings by name",
    "array": "a list",
    "null": "null",
}
LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "a number above {}",
    "exclusiveMaximum": "a number below {}",
    "minLength": "at least {} character",
    "maxLength": "at most {} characters",
    "minProperties": "at least {} entry",
    "pattern": "text of the form {}",
}
QUOTES = "; a number and a word such as no, off, on or null are text only in quotes: write it so in the config file"
SCHEMA = "config/schema.yaml"
LONGEST_SHOWN = 60


def fit_config(config: dict, validate: Callable[[], None]) -> None:
    """Leave `config` as its schema wants it; `validate` is Snakemake's, which fills in the defaults.

    Snakemake takes what is nested in a setting of the command line for text: 3 in `{duration_s: 3}` is read again.
    Raises BuildError with one sentence for what does not fit.
    """
    while True:
        try:
            return validate()
        except WorkflowError as error:
            # Snakemake's own error holds no more than a text.
            fault = error.__context__
            if not hasattr(fault, "absolute_path"):
                raise
            if not _read_again(config, fault):
                raise BuildError(f"config: {_sentence(fault)}") from None


def _read_again(config: dict, fault: ValidationError) -> bool:
    """Put what the text at the fault's place means as YAML there; return whether that is of the wanted kind."""
    from jsonschema import Draft202012Validator

    text, path = fault.instance, list(fault.absolute_path)
    if not isinstance(text, str) or not path or fault.validator not in ("type", "enum"):
        return False
    try:
        meant = yaml.safe_load(text[:LONGEST_SHOWN])
    except yaml.YAMLError:
        return False
    kind = {key: fault.schema[key] for key in ("type", "enum") if key in fault.schema}
    if isinstance(meant, str) or not Draft202012Validator(kind).is_valid(meant):
        return False
    for key in path[:-1]:
        config = config[key]
    config[path[-1]] = meant
    return True


def _sentence(fault: ValidationError) -> str:
    """Return what does not fit the schema at which place, and what would."""
    place = ".".join(map(str, fault.absolute_path))
    if "propertyNames" in fault.absolute_schema_path:
        return _name_sentence(place, fault.instance)
    if fault.validator == "additionalProperties":
        return _unknown_sentence(place, fault)
    if fault.validator == "required":
        missing = next(key for key in fault.validator_value if key not in fault.instance)
        return f"{place or 'the file'} has no {missing}; add it, {SCHEMA} describes it"
    if (expected := _expected(fault)) is None:
        return f"{place or 'the file'}: {fault.message.splitlines()[0][:300]}"
    return f"{place or 'the file'} is {_shown(fault.instance)}, expected {expected}"


def _expected(fault: ValidationError) -> str | None:
    """Return which values the schema has at the fault's place, None for a kind of rule that has no words here."""
    rule = fault.validator_value
    if fault.validator == "enum":
        return _either([_shown(value) for value in rule])
    if fault.validator == "type":
        kinds = [rule] if isinstance(rule, str) else rule
        unquoted = "string" in kinds and not isinstance(fault.instance, dict | list)
        return f"{_either([TYPES[kind] for kind in kinds])}{QUOTES if unquoted else ''}"
    return LIMITS[fault.validator].format(rule) if fault.validator in LIMITS else None


def _name_sentence(place: str, name: object) -> str:
    if isinstance(name, str):
        return (
            f"{place} has the name {_shown(name)}; a name has letters, digits, _ and - only, at most 64 of them, and"
            " begins with a letter or digit"
        )
    return f"{place} has the name {_shown(name)}, which YAML does not read as text{QUOTES}"


def _unknown_sentence(place: str, fault: ValidationError) -> str:
    """Return which setting there is none of, where it belongs, or which ones there are."""
    known = fault.schema["properties"]
    key = next(key for key in fault.instance if key not in known)
    value = _shown(fault.instance[key], quoted=False)
    name = f"{place}.{key}" if place else str(key)
    head, _, tail = str(key).partition(".")
    homes = [group for group, rules in known.items() if key in rules.get("properties", {})]
    if head in known and tail:
        homes, key = [head], tail
    if homes:
        nested = f"{{{key.replace('.', ': {')}: {value}{'}' * (key.count('.') + 1)}"
        return (
            f"{name} is no setting; write {homes[0]}: {nested} in the file, or --config {homes[0]}='{nested}' on the"
            " command line"
        )
    if not place and key in known["models"]["additionalProperties"]["properties"]:
        return (
            f"{name} is a setting of one model; write models: {{NAME: {{source: …, {key}: {value}}}}} in the file, or"
            f" --config models='{{NAME: {{source: …, {key}: {value}}}}}' on the command line"
        )
    return f"{f'{place} has' if place else 'there is'} no setting {_shown(key)}; {closest(str(key), known, SCHEMA)}"


def _shown(value: object, quoted: bool = True) -> str:
    """Return a value as YAML has it, short enough for a sentence."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value) if quoted and isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def check_config(config: dict) -> None:
    """Raise BuildError naming the key, for a number that is not finite and a first batch above its largest."""
    _refuse_infinite(config, "")
    for kind, first in config["first_batch"].items():
        largest = config["largest_batch"][kind]
        if first > largest:
            raise BuildError(f"config: first_batch.{kind} is {first}, above largest_batch.{kind} {largest}")


def check_family(name: str, entry: dict) -> None:
    """Raise BuildError where the model's entry names a family that there is not."""
    named = entry.get("family")
    # The families' modules load onnx, of which a dry run has no other need.
    if named is not None and named not in (known := sorted(family.name for family in families())):
        raise BuildError(f"config: models.{name}.family is {named!r}; {closest(named, known, LIST)}")


def check_beside(name: str, entry: dict, models: dict) -> None:
    """Raise BuildError where the entry wants to be shown beside itself, or beside no model of the config."""
    other = entry.get("beside")
    if other is not None and (other == name or other not in models):
        raise BuildError(
            f"config: models.{name}.beside is {other!r}, expected another model of the config; correct or remove it"
        )


def check_preprocessing(name: str, entry: dict) -> None:
    """Raise BuildError where keys of the entry's preprocessing: do not go together, or frame and resize do not."""
    if entry.get("frame") and entry.get("resize") != "in_graph":
        raise BuildError(
            f"config: models.{name}.frame is stated, but not resize: in_graph, to which it belongs; add that, or remove"
            " frame"
        )
    try:
        check_block(entry.get("preprocessing") or {})
    except BuildError as error:
        raise BuildError(f"config: models.{name}.preprocessing: {error}") from None


def _refuse_infinite(value, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BuildError(f"config: {place[1:]} is {value}, expected a finite number")
    if isinstance(value, dict):
        for key, entry in value.items():
            _refuse_infinite(entry, f"{place}.{key}")
