"""Give an engine that was built, its passport and its timing cache their places."""

import shutil
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    made = Path(snakemake.input[0])
    if not any(made.iterdir()):
        raise BuildError(
            f"{snakemake.output.engine}: there is none, since batch {snakemake.wildcards.batch} did not fit; the last"
            f" line of build_b{snakemake.wildcards.batch}.log in that folder says why"
        )
    for place in map(Path, snakemake.output):
        shutil.move(made / place.name, place)
        # Moving leaves the date of the build, which is older than that of its folder.
        place.touch()
