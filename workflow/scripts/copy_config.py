"""Copy the model's config.json once it is known to describe a detector that can be built."""

import shutil
from pathlib import Path

from dsbench.detector import read_detector
from dsbench.errors import BuildError
from dsbench.fetched_source import read_fetched
from dsbench.rule_script import explained

with explained(snakemake.log[0]):
    source = read_fetched(Path(snakemake.input[0]))
    if "config.json" not in source.names:
        raise BuildError(f"{source.folder}: has no config.json, which this step needs.")
    read_detector(source.folder / "config.json")
    shutil.copyfile(source.folder / "config.json", snakemake.output[0])
