"""What every rule script shares: a failure becomes one sentence, on the terminal and in the rule's log."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

from dsbench.checks.verdict import CheckError
from dsbench.core.errors import BuildError, storage_sentence
from dsbench.core.records import record_text
from dsbench.core.secret_words import without_tokens
from dsbench.tools.bounded_job import MORE_MEMORY, bounded
from dsbench.tools.core_share import keep_to_share
from dsbench.tools.doctor import diagnose
from dsbench.tools.tool_run import ToolFailedError, end_with_caller

UNKNOWN = (
    "Next: this fault is not in the catalogue; read the last lines of {log} and run the same command again."
)
# Emptied by the next call.
TEMPORARY = Path(".snakemake/tmp")


@contextmanager
def explained(log: str, memory_mib: int | None = None) -> Iterator[None]:
    """Turn a failure into its sentence and exit status 1; the job ends with the call that started it.

    Failures are a BuildError and a disk that is full or cannot be written; any other is a fault of the build itself.
    The log keeps the numbers of a check that did not pass. A job that runs somebody else's graph states `memory_mib`
    and is held to its bounds.
    """
    end_with_caller()
    keep_to_share(measures=False)
    path = Path(log)
    try:
        _keep_temporary_files_here()
        path.parent.mkdir(parents=True, exist_ok=True)
        # What an earlier call left there would explain this one's failure.
        path.write_text("")
        with bounded(path, memory_mib) if memory_mib else nullcontext():
            yield
    except CheckError as error:
        with suppress(OSError), path.open("a") as stream:
            stream.write(record_text(error.numbers))
        _refuse(_with_cause(error, path), path)
    except BuildError as error:
        _refuse(_with_cause(error, path), path)
    except MemoryError:
        _refuse(f"{log}: the memory of this job is used up; {MORE_MEMORY}", path)
    except OSError as error:
        sentence = storage_sentence(error, path)
        if sentence is None:
            raise
        _refuse(sentence, path)


def _keep_temporary_files_here() -> None:
    """Give this process and its children the working directory's disk for temporary files, however small /tmp is."""
    TEMPORARY.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = str(TEMPORARY.resolve())
    tempfile.tempdir = None


def _refuse(sentence: str, log: Path) -> NoReturn:
    """Print the sentence, append it to the log where that can be written, and exit with status 1."""
    # The text may quote a name from outside; a control character in it would reach the terminal.
    text = "".join(char if char.isprintable() or char == "\n" else "?" for char in without_tokens(sentence))
    print(f"\nERROR {text}\n", file=sys.stderr, flush=True)
    with suppress(OSError), log.open("a") as stream:
        stream.write(f"ERROR {text}\n")
    raise SystemExit(1) from None


def _with_cause(error: BuildError, log: Path) -> str:
    """Return the error's text with what is known of it: from its own words, else from the tool's log."""
    fault = diagnose(f"{error}\n{log.read_text(errors='replace') if log.is_file() else ''}")
    if fault is None:
        is_of_tool = isinstance(error, ToolFailedError) or isinstance(error.__cause__, ToolFailedError)
        return f"{error}\n{UNKNOWN.format(log=log)}" if is_of_tool else str(error)
    where = "" if str(log) in str(error) else f"\nLog: {log}"
    return f"{error}\n{fault.explained()}{where}"
