"""What the configuration's schema cannot say: numbers are finite, limits fit each other, families are known."""

import math

from dsbench.errors import BuildError
from dsbench.families import families


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
        raise BuildError(f"config: models.{name}.family is {named!r}, expected one of {', '.join(known)}")


def _refuse_infinite(value, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BuildError(f"config: {place[1:]} is {value}, expected a finite number")
    if isinstance(value, dict):
        for key, entry in value.items():
            _refuse_infinite(entry, f"{place}.{key}")
