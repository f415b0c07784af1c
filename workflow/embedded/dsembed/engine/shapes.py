"""Shapes that trtexec is given, and the batch profile that they make for one image input."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TypeVar

Dims = tuple[int, ...]
Shape = TypeVar("Shape")


class ShapeError(Exception):
    """A shape that does not fit the network, in trtexec's words where it has some."""


@dataclass(frozen=True)
class ShapeRange:
    """Smallest, optimal and largest shape of the one input, each with its batch first."""

    min: Dims
    opt: Dims
    max: Dims

    def __str__(self) -> str:
        given = itertools.takewhile(len, (self.min, self.opt, self.max))
        return "+".join(dims_text(dims) for dims in given)


def dims_text(dims: Dims) -> str:
    """Return `dims` as trtexec writes them: 4x3x320x320."""
    return "x".join(map(str, dims))


def shape_of(name: str, shapes: dict[str, Shape], place: str) -> Shape | None:
    """Return what is given for tensor `name`; raises ShapeError where `shapes` names another or it twice."""
    for pattern in shapes:
        if not _matches(pattern, name):
            raise ShapeError(
                f'Cannot find input tensor with name "{pattern}" in the {place}! '
                "Please make sure the input tensor names are correct."
            )
    if len(shapes) > 1:
        patterns = ", ".join(f'"{pattern}"' for pattern in shapes)
        raise ShapeError(f"Input tensor {name} of the {place} is named by {patterns}; give its shape once.")
    return next(iter(shapes.values()), None)


def fill_profiles(
    given: dict[str, dict[str, Dims] | None],
) -> tuple[dict[str, ShapeRange], list[str]]:
    """Return each tensor's profile and trtexec's warnings: an option left out (None) takes what another one says.

    `given` has {tensor name: dims} by minShapes, optShapes and maxShapes. A dims that no option gives is ().
    """
    sources = {
        "minShapes": ("minShapes", "optShapes", "maxShapes"),
        "optShapes": ("optShapes", "maxShapes", "minShapes"),
        "maxShapes": ("maxShapes", "optShapes", "minShapes"),
    }
    profiles, warnings = {}, []
    for name in dict.fromkeys(name for shapes in given.values() for name in shapes or ()):
        dims = []
        for target, candidates in sources.items():
            source = next(option for option in candidates if given[option] is not None)
            dims.append((given[source] or {}).get(name, ()))
            if source != target:
                warnings.append(f"{source} is being broadcasted to {target} for tensor {name}")
        profiles[name] = ShapeRange(*dims)
    return profiles, warnings


def check_profile(profile: ShapeRange, name: str, network_dims: Dims) -> None:
    """Raise ShapeError unless only the batch varies and all dims fit `network_dims`, where -1 is dynamic."""
    for dims in (profile.min, profile.opt, profile.max):
        check_dims(dims, name, network_dims)
    if not profile.min[1:] == profile.opt[1:] == profile.max[1:]:
        raise ShapeError(
            f"Input {name} varies in more than its batch ({profile}); the embedded runtime varies only the batch, "
            "give min, opt and max the same other dimensions."
        )
    if not profile.min[0] <= profile.opt[0] <= profile.max[0]:
        raise ShapeError(
            f"Input {name} needs min <= opt <= max, found {profile}; give the batches in that order."
        )


def check_dims(dims: Dims, name: str, network_dims: Dims) -> None:
    """Raise ShapeError unless `dims` are positive and equal `network_dims` wherever those are not -1."""
    fits = len(dims) == len(network_dims) and all(
        dim > 0 and expected in (-1, dim) for dim, expected in zip(dims, network_dims, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"Error[3]: [setInputShape] input {name} is {dims_text(network_dims)} in the model (-1 is dynamic), "
            f"{dims_text(dims) or 'scalar'} does not fit; give dimensions that do."
        )


def _matches(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    head, _, tail = pattern.partition("*")
    return len(name) >= len(head) + len(tail) and name.startswith(head) and name.endswith(tail)
