"""Fold what nvinfer cannot express into the ONNX, prove it once more, and write down what it is."""

from pathlib import Path

import onnx
import onnx_graphsurgeon as gs

from dsbench.core.files import written_beside
from dsbench.core.records import read_record, write_record
from dsbench.dag.rule_script import explained
from dsbench.families.declared import family_named
from dsbench.machine.clip import ClipFacts
from dsbench.onnx.inspection import Origin
from dsbench.onnx.interface import image_input
from dsbench.onnx.model_onnx import ModelFolder
from dsbench.onnx.prepare import prepare, write_inspection

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    clean = onnx.load(snakemake.input.onnx)
    size = tuple(image_input(gs.import_onnx(clean)).shape[2:])
    origin = read_record(snakemake.input.origin, Origin)
    source = ModelFolder.of(snakemake.input.files, block=snakemake.params.preprocessing)
    family = family_named(origin.family)
    frame = snakemake.params.frame
    if clip := snakemake.input.get("clip"):
        frame = read_record(clip, ClipFacts).size
    model, facts = prepare(
        clean,
        source.preprocessing(size, family),
        Path(snakemake.input.reference),
        origin,
        repair=snakemake.params.repair,
        resize=frame and source.resize_matrices(size, family, frame[::-1]),
    )
    with written_beside(Path(snakemake.output.onnx)) as partial:
        onnx.save(model, partial)
    write_record(snakemake.output.inspect, facts)
    write_inspection(Path(snakemake.output.table), f"{snakemake.wildcards.model}.onnx", facts)
