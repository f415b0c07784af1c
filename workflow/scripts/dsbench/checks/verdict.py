"""The verdict that every check returns."""

from dataclasses import dataclass

from dsbench.core.errors import BuildError


class CheckError(BuildError):
    """A check that did not pass; `numbers` are what it found."""

    def __init__(self, reason: str, numbers: dict[str, object]):
        super().__init__(reason)
        self.numbers = numbers


@dataclass(frozen=True)
class Verdict:
    """What a check found, as its JSON file holds it, and why it did not pass: None where it did."""

    numbers: dict[str, object]
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return self.reason is None

    def required(self) -> dict[str, object]:
        """Return the numbers; raise CheckError with the reason and the numbers where the check did not pass."""
        if self.reason is not None:
            raise CheckError(self.reason, self.numbers)
        return self.numbers
