"""Give an engine that was built, its passport and its timing cache their places."""

import os
from pathlib import Path

from dsbench.core.errors import BuildError
from dsbench.core.files import copy_whole
from dsbench.dag.rule_script import explained

with explained(snakemake.log[0]):
    made = Path(snakemake.input[0])
    if not any(made.iterdir()):
        raise BuildError(
            f"{snakemake.output.engine}: there is none, since batch {snakemake.wildcards.batch} did not fit; the last"
            f" line of build_b{snakemake.wildcards.batch}.log in that folder says why"
        )
    # A kill between two of them must find all again; the folder goes once this job is done.
    for place in map(Path, snakemake.output):
        place.unlink(missing_ok=True)
        try:
            os.link(made / place.name, place)
        except OSError:
            copy_whole(made / place.name, place)
        # The date of the build is older than that of its folder.
        place.touch()
