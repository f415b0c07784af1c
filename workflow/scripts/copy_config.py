"""Copy the model's config.json once it is known to describe a detector that can be built."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    read_detector(Path(snakemake.input[0]))
    shutil.copyfile(snakemake.input[0], snakemake.output[0])
