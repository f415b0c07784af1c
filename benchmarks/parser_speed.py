"""Print what one frame costs each parser, next to a straightforward decoder, as a Markdown table.

usage: python benchmarks/parser_speed.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "workflow/scripts"))

from dsbench.detector import FAMILIES  # noqa: E402
from dsbench.parser_build import compile_parser, write_parser_sources  # noqa: E402

HEADS = ((300, 80), (100, 4))
NUMBERS = ("fp32", "half")


def measure(directory: Path) -> list[str]:
    """Return one table row per parser, head size and number type: ns per frame on one core, and the ratio."""
    rows = []
    driver = compile_driver(directory)
    for family in {family.parser_source: family for family in FAMILIES}.values():
        parser = directory / family.name
        write_parser_sources(family, PROJECT / "workflow/parsers", parser)
        library = compile_parser(parser, None, 28, directory / "make.log")
        for queries, classes in HEADS:
            for numbers in NUMBERS:
                command = [driver, library, family.parser_symbol, str(queries), str(classes), numbers]
                answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                parser_ns, reference_ns, objects = map(int, answer.split())
                rows.append(
                    f"| {family.parser_source} | {queries} x {classes} | {numbers} | {objects} "
                    f"| {parser_ns:,} | {reference_ns:,} | {reference_ns / parser_ns:.1f} |"
                )
    return rows


def compile_driver(directory: Path) -> Path:
    """Return the compiled measuring program, built with the parsers' own optimisation level."""
    parsers = PROJECT / "workflow/parsers"
    driver = directory / "parser_speed"
    options = ["-std=c++17", "-O3", "-Wall", "-Wextra", "-Werror", "-DDEEPSTREAM_OBJECT_BYTES=28"]
    source = PROJECT / "benchmarks/parser_speed.cpp"
    includes = ["-I", parsers, "-I", parsers / "include"]
    subprocess.run(["g++", *options, *includes, source, "-o", driver, "-ldl"], check=True)
    return driver


def main() -> None:
    """Pin this process to one core, measure, print."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    print("| parser | head | numbers | objects | parser ns | double, full sort ns | ratio |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
