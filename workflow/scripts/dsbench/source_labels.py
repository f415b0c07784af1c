"""Class names that come as a text file with a model: read within limits, made harmless."""

from pathlib import Path

from dsbench.file_choice import IntakeError
from dsbench.labels import harmless_label

LARGEST_BYTES = 4 << 20
MOST_CLASSES = 20_000


def read_source_labels(path: Path) -> dict[int, str]:
    """Return the class names by class id, one per line (or one line with `;` between them), each harmless.

    A blank line inside keeps its class id. Raises IntakeError for a file that is no list of names.
    """
    try:
        size = path.stat().st_size
        if not path.is_file() or size > LARGEST_BYTES:
            raise IntakeError(f"{path}: {size} bytes, expected a text file of at most {LARGEST_BYTES}.")
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IntakeError(f"{path}: no UTF-8 text ({error}); expected one class name per line.") from None
    lines = text.replace("\r\n", "\n").rstrip().split("\n")
    if len(lines) == 1 and ";" in lines[0]:
        lines = lines[0].rstrip(";").split(";")
    if len(lines) > MOST_CLASSES:
        raise IntakeError(f"{path}: {len(lines)} lines, expected at most {MOST_CLASSES} class names.")
    names = {index: harmless_label(line) for index, line in enumerate(lines)}
    if not any(names.values()):
        raise IntakeError(f"{path}: holds no class name; write one per line.")
    return names
