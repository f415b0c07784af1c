"""Which reports are finished: those of the folders of classes and shards, and those of other working directories."""

import os
from collections.abc import Sequence
from pathlib import Path

from dsbench.core.errors import BuildError

CLASSES = Path("classes")
REPORTS = "models/*/reports/benchmark_data.json"
# What the folders of a directory are called, and how one comes to be.
PLACES = {
    "classes": ("class", "build one with --config gpu_class=NAME"),
    "shards": ("shard", "start one with a line that `snakemake shards` prints"),
}


def finished_reports(directory: Path = CLASSES) -> list[str]:
    """Return the benchmark_data.json of every folder in `directory` and model that has one, in order."""
    folders = ("*", "*/classes/*")
    found = (directory.glob(f"{folder}/{REPORTS}") for folder in folders)
    return sorted(str(file) for files in found for file in files)


def reports_of_trees(others: Sequence[str] = ()) -> list[str]:
    """Return the absolute path of each finished report here and in the `others`, with their classes and shards.

    Absolute, since a report is compared as it is: by its relative path Snakemake would first make it anew.
    """
    found: dict[str, None] = {}
    for tree in (Path.cwd(), *(Path(os.path.expanduser(other)).absolute() for other in others)):
        if not tree.is_dir():
            raise BuildError(
                f"config: comparison.trees: {tree} {'is no folder' if tree.exists() else 'does not exist'}, expected a"
                " working directory with finished models; correct or remove it"
            )
        inside = (file for place in PLACES for file in finished_reports(tree / place))
        found |= dict.fromkeys([*sorted(map(str, tree.glob(REPORTS))), *inside])
    return list(found)
