"""Copy the model's config.json once it is known to describe a detector that can be exported or imported."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.export_recipes import prompt_phrases
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    detector = read_detector(Path(snakemake.input[0]))
    if not snakemake.params.has_onnx:
        prompt_phrases(detector.model_type, snakemake.params.prompt)
    shutil.copyfile(snakemake.input[0], snakemake.output[0])
