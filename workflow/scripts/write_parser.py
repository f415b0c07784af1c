"""Write the C++ sources, settings and the Makefile of the family's parser into the model's tree."""

from pathlib import Path

from dsbench.core.records import read_record
from dsbench.dag.rule_script import explained
from dsbench.deepstream.parser_build import Resized, write_parser_sources
from dsbench.families.declared import family_named
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import read_proven
from dsbench.pixels.nvinfer_pixels import box_place

with explained(snakemake.log[0]):
    inspect = read_proven(snakemake.input.inspect, snakemake.input.preprocess)
    clip = read_record(snakemake.input.video, ClipFacts)
    write_parser_sources(
        family_named(inspect.family),
        inspect.tensors,
        inspect.settings,
        Path(snakemake.input.templates[0]).parent,
        Path(snakemake.output[0]).parent,
        *box_place(inspect.preprocessing, *clip.size),
        Resized.of(inspect.preprocessing),
    )
