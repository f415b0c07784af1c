"""Compile libparser.so against DeepStream's headers or the project's own, and check its symbol."""

from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.parser_build import check_symbol, compile_parser
from dsbench.families.declared import family_named
from dsbench.machine.toolchain import read_fact
from dsbench.onnx.inspection import Inspection

with explained(snakemake.log[0]):
    headers = read_fact(snakemake.input.headers)
    if headers is None:
        raise BuildError(
            "DeepStream's version is unknown, so is the size of its objects; set deepstream.directory"
        )
    library = compile_parser(
        Path(snakemake.output[0]).parent,
        Path(headers["directory"]) if headers["directory"] else None,
        headers["object_bytes"],
        Path(snakemake.log[0]),
    )
    family = family_named(read_record(snakemake.input.inspect, Inspection).family)
    check_symbol(library, family.head.parser_symbol)
