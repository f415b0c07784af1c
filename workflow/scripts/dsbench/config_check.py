"""What the configuration's schema cannot say: numbers are finite, and limits fit each other."""

import math

from dsbench.errors import BuildError


def check_config(config: dict) -> None:
    """Raise BuildError naming the key, unless every number is finite and no first batch is above its largest."""
    _refuse_infinite(config, "")
    for kind, first in config["first_batch"].items():
        largest = config["largest_batch"][kind]
        if first > largest:
            raise BuildError(f"config: first_batch.{kind} is {first}, above largest_batch.{kind} {largest}")


def _refuse_infinite(value, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BuildError(f"config: {place[1:]} is {value}, expected a finite number")
    if isinstance(value, dict):
        for key, entry in value.items():
            _refuse_infinite(entry, f"{place}.{key}")
