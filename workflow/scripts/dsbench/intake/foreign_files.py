"""What a file is whose bytes are not what its name says: a pointer, a page, an archive, a pickle, an error text."""

import re
from pathlib import Path

from dsbench.intake.file_choice import printable

HEAD_BYTES = 1024
LONGEST_SHOWN = 80
UNPACK = "unpack it and give what is in it"
PICKLE = "never opened, since it runs code; export the model to ONNX or safetensors"
# Offset, bytes, what begins so, and what to do; of two that fit, the first.
MAGIC = (
    (0, b"\x1f\x8b", "a gzip archive", UNPACK),
    (0, b"BZh", "a bzip2 archive", UNPACK),
    (0, b"\xfd7zXZ", "an xz archive", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"\x89HDF", "an HDF5 file, as Keras saves", "export the model to ONNX"),
    (4, b"TFL3", "a TensorFlow Lite model", "export the model to ONNX"),
    (4, b"ORTM", "a model in ONNX Runtime's own format", "give the .onnx that it was made from"),
    (0, b"ftrt", "a TensorRT engine", "give the ONNX that it was built from"),
    (0, b"\x93NUMPY", "a NumPy array", "export the model to ONNX"),
    (0, b"%PDF", "a PDF", "download the file itself"),
)
LFS = b"version https://git-lfs.github.com/spec/"
PAGE = re.compile(rb"\s*(<!doctype html|<html|<head|<body|<!--)", re.IGNORECASE)


def what_to_do(path: Path, otherwise: str = "fetch or export it again", is_text: bool = False) -> str:
    """Return the end of a sentence that refuses the file at `path`: what it is instead, else `otherwise`.

    That it is text tells nothing where `is_text` says that a text was expected.
    """
    if path.stat().st_size == 0:
        return f"it is an empty file (0 bytes); {otherwise}"
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    head = head.removeprefix(b"\xef\xbb\xbf")
    kind = _pointer(head) or _archive_or_model(head) or (None if is_text else _text_kind(head))
    return f"it is {kind}" if kind else otherwise


def _pointer(head: bytes) -> str | None:
    """Return what stands in place of a file that was not downloaded."""
    if head.startswith(LFS):
        stated = re.search(rb"^size (\d{1,15})$", head, re.MULTILINE)
        of = f" of {int(stated[1])} bytes" if stated else ""
        return f"a Git LFS pointer to a file{of}; run `git lfs pull` in its repository, or download the file itself"
    if PAGE.match(head):
        return "a saved web page (HTML), often one to sign in; download the file itself"
    return None


def _archive_or_model(head: bytes) -> str | None:
    if head.startswith(b"PK\x03\x04"):
        is_pickle = b"data.pkl" in head
        return f"a PyTorch file of pickles, {PICKLE}" if is_pickle else f"a ZIP archive; {UNPACK}"
    if re.match(rb"\x80[\x02-\x05]", head):
        return f"a Python pickle, as PyTorch saves, {PICKLE}"
    found = (f"{what}; {remedy}" for offset, magic, what, remedy in MAGIC if head[offset:].startswith(magic))
    return next(found, None)


def _text_kind(head: bytes) -> str | None:
    """Return what a text is, as servers send one in place of a file; None for bytes that are no text."""
    try:
        shown = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end within a letter.
        if error.start < len(head) - 3:
            return None
        shown = head[: error.start].decode("utf-8")
    if not all(char.isprintable() or char.isspace() for char in shown) or not shown.strip():
        return None
    shown = printable(" ".join(shown.split())[:LONGEST_SHOWN])
    kind = "XML" if shown.startswith("<") else "JSON" if shown.startswith(("{", "[")) else "text"
    return f"{kind}, as a server may send in place of a file: {shown!r}; fetch the file itself"
