"""Copy the model's config.json once it is known to describe a detector that can be built."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.errors import BuildError
from dsbench.export_recipes import prompt_phrases
from dsbench.fetched_source import read_fetched
from dsbench.model_folder import ModelFolder
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    model = snakemake.wildcards.model
    source = read_fetched(Path(snakemake.input.checked))
    folder = ModelFolder(source.folder, source.names)
    if not folder.has_config:
        raise BuildError(
            f"{model}: its source has no config.json that names an architecture, so its family is known from the"
            f" ONNX alone; ask for models/{model}/model/{model}.onnx."
        )
    detector = read_detector(Path(snakemake.input[0]))
    if not folder.has_onnx:
        prompt_phrases(detector.model_type, snakemake.params.prompt)
    shutil.copyfile(snakemake.input[0], snakemake.output[0])
