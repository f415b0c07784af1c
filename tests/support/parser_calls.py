"""A compiled parser, called through nvinfer's C++ interface: what the parser tests share."""

import atexit
import shutil
import struct
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from dsbench.deepstream.parser_build import compile_parser, write_parser_sources

PARSERS = Path(__file__).parents[2] / "workflow/parsers"
DRIVER = Path(__file__).with_name("parser_driver.cpp")
FLOAT, HALF, INT32 = 0, 1, 3
NULL = 0xFFFFFFFF
SANITIZE = "-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all"


@dataclass
class Layer:
    name: str | None
    array: np.ndarray | None
    dtype: int
    dims: tuple[int, ...]
    elements: int
    dim_count: int | None = None

    def packed(self) -> bytes:
        name = b"" if self.name is None else self.name.encode()
        data = b"" if self.array is None else self.array.tobytes()
        return b"".join(
            [
                struct.pack("<I", NULL if self.name is None else len(name)) + name,
                struct.pack("<2I", self.dtype, len(self.dims) if self.dim_count is None else self.dim_count),
                struct.pack("<8I", *self.dims, *[0] * (8 - len(self.dims))),
                struct.pack("<2I", self.elements, NULL if self.array is None else len(data)) + data,
            ]
        )


def layer(name, array, **changes):
    facts = {
        "name": name,
        "array": array,
        "dtype": HALF if array.dtype == np.float16 else FLOAT,
        "dims": array.shape,
        "elements": array.size,
    }
    return Layer(**(facts | changes))


def case(layers, thresholds, size=(640, 480), classes=None):
    thresholds = np.asarray(thresholds, np.float32)
    classes = len(thresholds) if classes is None else classes
    head = struct.pack("<4I", *size, classes, len(thresholds)) + thresholds.tobytes()
    return head + struct.pack("<I", len(layers)) + b"".join(item.packed() for item in layers)


@dataclass
class Parser:
    driver: Path
    library: Path
    object_bytes: int
    symbol: str

    def run(self, cases):
        """Return (accepted, objects) per case and what the parser said; objects are rows of 6 values."""
        process = subprocess.run(
            [self.driver, self.library, self.symbol],
            input=struct.pack("<I", len(cases)) + b"".join(cases),
            capture_output=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr.decode()
        answers, rest = [], process.stdout
        while rest:
            accepted, count = struct.unpack_from("<2I", rest)
            words = np.frombuffer(rest[8 : 8 + count * self.object_bytes], np.float32)
            words = words.reshape(count, self.object_bytes // 4)
            assert not words[:, 6:].any(), "rotation_angle is not zero"
            objects = words[:, :6].astype(np.float64)
            objects[:, 0] = words[:, 0].view(np.uint32) if count else objects[:, 0]
            answers.append((bool(accepted), objects))
            rest = rest[8 + count * self.object_bytes :]
        return answers, process.stderr.decode().splitlines()


def tensors_of(family):
    """Return a name for each role's tensor, with characters that C++ has to escape."""
    return {role: f'{role}/it\'s "{role}"' for role in family.head.roles}


def scratch(name):
    """Return a folder that is gone after the test run."""
    folder = Path(mkdtemp(prefix=name))
    atexit.register(shutil.rmtree, folder)
    return folder


@cache
def compiled_driver(object_bytes, sanitize):
    """Return the program that calls a library, compiled once for all parsers of a test run."""
    driver = scratch("parser_driver") / "driver"
    options = ["-std=c++17", f"-DDEEPSTREAM_OBJECT_BYTES={object_bytes}", "-Wall", "-Wextra", "-Werror"]
    options += SANITIZE.split() if sanitize else []
    subprocess.run(
        ["g++", *options, "-I", PARSERS / "include", DRIVER, "-o", driver, "-ldl"], check=True, timeout=120
    )
    return driver


LIBRARIES = {}


def compiled_library(family, tensors, object_bytes=28, sanitize=False, **place):
    """Return the family's parser for outputs of these names by role; families that share one share the library.

    `place` are the last arguments of write_parser_sources.
    """
    settings = family.all_settings()
    named = (*sorted(settings.items()), *sorted(tensors.items()))
    key = (family.head.parser_source, named, object_bytes, sanitize, *sorted(place.items()))
    if key not in LIBRARIES:
        directory = scratch("parser")
        write_parser_sources(family, tensors, settings, PARSERS, directory, **place)
        if sanitize:
            makefile = directory / "Makefile"
            makefile.write_text(makefile.read_text().replace("-O3", f"-O1 -g {SANITIZE}"))
        LIBRARIES[key] = compile_parser(directory, None, object_bytes, directory / "make.log")
    return LIBRARIES[key]


def build(family, tensors, object_bytes=28, sanitize=False, **place):
    """Compile the family's parser and the driver that calls it."""
    library = compiled_library(family, tensors, object_bytes, sanitize, **place)
    return Parser(compiled_driver(object_bytes, sanitize), library, object_bytes, family.head.parser_symbol)
