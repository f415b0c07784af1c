"""Import the source's ONNX, or export its safetensors, and prove that the result answers as the source does."""

from pathlib import Path

import onnx

from dsbench.core.files import written_beside
from dsbench.core.records import record_text, write_record
from dsbench.dag.rule_script import explained
from dsbench.onnx.model_onnx import ModelFolder, clean_onnx
from dsbench.sources.source_files import check_folder

with explained(snakemake.log[0], snakemake.resources.mem_mb):
    environment = snakemake.input.get("environment")
    labels = snakemake.input.get("labels")
    source = ModelFolder.of(
        snakemake.input.files,
        labels=Path(labels[0]) if labels else None,
        block=snakemake.params.preprocessing,
    )
    # The listing's job checks a source on disk too, but nothing makes this job wait for it.
    check_folder(source.path, source.names)
    clean = clean_onnx(
        source,
        python=Path(environment).parent / "bin/python" if environment else None,
        prompt=snakemake.params.prompt,
        family=snakemake.params.family,
        image=Path(snakemake.input.image),
        reference=Path(snakemake.output.reference),
        log=Path(snakemake.log[0]),
        repair=snakemake.params.repair,
    )
    Path(snakemake.log[0]).write_text(record_text(clean.attempts))
    for name in ("attempts", "variants", "origin"):
        write_record(snakemake.output[name], getattr(clean, name))
    with written_beside(Path(snakemake.output.onnx)) as partial:
        onnx.save(clean.model, partial)
