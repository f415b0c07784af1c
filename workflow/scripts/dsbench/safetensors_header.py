"""The header of a safetensors file, judged before torch sees the file."""

from pathlib import Path

from dsbench.file_choice import IntakeError, printable
from dsbench.foreign_files import what_to_do

LENGTH_BYTES = 8
# The library reads four times as much.
LARGEST_HEADER_BYTES = 25_000_000


def check_safetensors(path: Path) -> None:
    """Raise IntakeError unless the library finds the file sound: a header within it, tensors that fill the rest."""
    # Only where weights are judged, not wherever the DAG is made.
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
