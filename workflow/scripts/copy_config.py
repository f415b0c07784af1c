"""Copy the model's config.json once it is known to describe a detector that can be exported or imported."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.errors import BuildError
from dsbench.export_recipes import prompt_phrases
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    files = [Path(file) for file in snakemake.input]
    source = next((file for file in files if file.name == "config.json"), None)
    if source is None:
        raise BuildError(
            f"{files[0].parent}: no config.json, so the family is known from the ONNX alone, and only for"
            " families with a config.json a parser is built; models/NAME/model/NAME.onnx can be asked for."
        )
    detector = read_detector(source)
    if not any(file.suffix == ".onnx" for file in files):
        prompt_phrases(detector.model_type, snakemake.params.prompt)
    shutil.copyfile(source, snakemake.output[0])
