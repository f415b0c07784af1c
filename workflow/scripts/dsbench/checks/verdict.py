"""The verdict that every check returns."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from dsbench.core.errors import BuildError

N = TypeVar("N")


class CheckError(BuildError):
    """A check that did not pass; `numbers` are what it found."""

    def __init__(self, reason: str, numbers: object):
        super().__init__(reason)
        self.numbers = numbers


@dataclass(frozen=True)
class Verdict(Generic[N]):
    """What a check found, the record of its JSON file, and why it did not pass: None where it did."""

    numbers: N
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return self.reason is None

    def required(self) -> N:
        """Return the numbers; raise CheckError with the reason and the numbers where the check did not pass."""
        if self.reason is not None:
            raise CheckError(self.reason, self.numbers)
        return self.numbers
