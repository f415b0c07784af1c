"""What the configuration's schema cannot say: numbers are finite, limits fit each other, families are known."""

import math

from dsbench.errors import BuildError
from dsbench.families import families


def check_config(config: dict) -> None:
    """Raise BuildError naming the key, for a number not finite, a first batch above its largest, a family not known."""
    _refuse_infinite(config, "")
    for kind, first in config["first_batch"].items():
        largest = config["largest_batch"][kind]
        if first > largest:
            raise BuildError(f"config: first_batch.{kind} is {first}, above largest_batch.{kind} {largest}")
    named = {name: entry for name, entry in config["models"].items() if entry.get("family") is not None}
    # Their modules load onnx, of which a dry run has no other need.
    known = sorted(family.name for family in families()) if named else []
    for name, entry in named.items():
        if entry["family"] not in known:
            raise BuildError(
                f"config: models.{name}.family is {entry['family']!r}, expected one of {', '.join(known)}"
            )


def _refuse_infinite(value, place: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise BuildError(f"config: {place[1:]} is {value}, expected a finite number")
    if isinstance(value, dict):
        for key, entry in value.items():
            _refuse_infinite(entry, f"{place}.{key}")
