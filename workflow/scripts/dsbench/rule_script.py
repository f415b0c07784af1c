"""What every rule script shares: a failure becomes one sentence, on the terminal and in the rule's log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsbench.doctor import diagnose
from dsbench.errors import BuildError
from dsbench.tool_run import ToolFailedError

UNKNOWN = (
    "Next: this fault is not in the catalogue; read the last lines of {log} and run the same command again."
)


@contextmanager
def explained(log: str) -> Iterator[None]:
    """Turn a BuildError into its sentence and exit status 1; other exceptions are faults of the build itself."""
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    # What an earlier call left there would explain this one's failure.
    path.write_text("")
    try:
        yield
    except BuildError as error:
        # The text may quote a name from outside; a control character in it would reach the terminal.
        text = "".join(
            char if char.isprintable() or char == "\n" else "?" for char in _with_cause(error, path)
        )
        with path.open("a") as stream:
            stream.write(f"ERROR {text}\n")
        print(f"\nERROR {text}\n", file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def _with_cause(error: BuildError, log: Path) -> str:
    """Return the error's text with what is known of it: from its own words, else from the tool's log."""
    fault = diagnose(f"{error}\n{log.read_text(errors='replace')}")
    if fault is None:
        is_of_tool = isinstance(error, ToolFailedError) or isinstance(error.__cause__, ToolFailedError)
        return f"{error}\n{UNKNOWN.format(log=log)}" if is_of_tool else str(error)
    where = "" if str(log) in str(error) else f"\nLog: {log}"
    return f"{error}\n{fault.explained()}{where}"
