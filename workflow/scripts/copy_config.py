"""Copy the model's config.json once it is known to describe a detector that can be built."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    source = next(Path(file) for file in snakemake.input if Path(file).name == "config.json")
    read_detector(source)
    shutil.copyfile(source, snakemake.output[0])
