"""Write the C++ sources and the Makefile of the family's parser into the model's tree."""

from pathlib import Path

from dsbench.detector import read_detector
from dsbench.parser_build import write_parser_sources
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    write_parser_sources(
        read_detector(Path(snakemake.input.config)).family,
        Path(snakemake.input.templates[0]).parent,
        Path(snakemake.output[0]).parent,
    )
