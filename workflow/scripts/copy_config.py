"""Copy the model's config.json once it is known to describe a detector that can be built."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.errors import BuildError
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    if snakemake.input[0] == snakemake.input.checked:
        raise BuildError(
            f"{snakemake.wildcards.model}: its source has no config.json, which this step needs."
        )
    read_detector(Path(snakemake.input[0]))
    shutil.copyfile(snakemake.input[0], snakemake.output[0])
