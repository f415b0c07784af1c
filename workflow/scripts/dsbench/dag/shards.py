"""Many models shared out to working directories: a call for some of them has a small DAG, several run at once."""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import yaml

from dsbench.core.errors import BuildError
from dsbench.core.files import write_whole
from dsbench.sources.source import SourceError, locate, parse_source

SHARDS = Path("shards")
CONFIG = "config/config.yaml"
RUN = "run.sh"
# Where a working directory without a shared one keeps it.
OWN_ENVIRONMENTS = "build/environments"
SCRIPT = """#!/bin/sh
#SBATCH --job-name=shard-{number} --ntasks=1 --mem=4096
#SBATCH --output={folder}/snakemake-%j.log
# The call for this share of the models, written by `snakemake shards`; options given to this file are added to it.
cd {folder} && exec {python} -m snakemake --snakefile {snakefile} --workflow-profile {profile} "$@"
"""


class ShardError(BuildError):
    """Models that cannot be shared out as asked."""


def write_shards(
    config: dict, video: str | None, truth: str | None, project: Path, bases: Sequence[Path]
) -> list[Path]:
    """Write a working directory for each of `config["shards"]` shares of the models; return the scripts to start.

    A model stays where an earlier call has put it. Paths of the configuration are looked for below `bases`, and of the
    `video` and its `truth` from here; they are absolute in the shares. A model is shown beside one of its
    own share only. Raises ShardError where the number of shares is
    missing, or is too small for what is there.
    """
    if config["shards"] is None:
        raise ShardError("config: shards is null; say how many, as in --config shards=8")
    shares = share_out(config["models"], config["shards"], _held())
    common = {key: value for key, value in config.items() if key not in ("shards", "facts", "gpu_class")} | {
        "video": video and str(_absolute(video)),
        "truth": truth and str(_absolute(truth)),
        "environments": str(_absolute(config["environments"] or OWN_ENVIRONMENTS)),
    }
    scripts = []
    for number, names in shares.items():
        folder, script = SHARDS / str(number), SHARDS / str(number) / RUN
        if not names:
            script.unlink(missing_ok=True)
            (folder / CONFIG).unlink(missing_ok=True)
            continue
        (folder / CONFIG).parent.mkdir(parents=True, exist_ok=True)
        models = {name: _absolute_entry(config["models"][name], bases) for name in names}
        for entry in models.values():
            if entry.get("beside") not in models:
                entry.pop("beside", None)
        write_whole(folder / CONFIG, yaml.safe_dump(common | {"models": models}, sort_keys=False))
        write_whole(script, _script(number, folder, project))
        script.chmod(0o755)
        scripts.append(script)
    return scripts


def share_out(models: Sequence[str], shards: int, held: dict[str, int]) -> dict[int, list[str]]:
    """Return the names of each share by its number from 1; `held` has the numbers of models that are in one already."""
    shares: dict[int, list[str]] = {number: [] for number in range(1, shards + 1)}
    for name in models:
        if held.get(name, 0) > shards:
            raise ShardError(
                f"config: shards is {shards}, but {SHARDS / str(held[name])} has {name} already; keep the number, or"
                " delete the folders with higher ones, which has their models built again"
            )
        if name in held:
            shares[held[name]].append(name)
    for name in models:
        if name not in held:
            min(shares.values(), key=len).append(name)
    return shares


def start_lines(scripts: Sequence[Path]) -> str:
    """Return what starts the shares: a line each for a terminal and for Slurm."""
    lines = [
        f"{len(scripts)} shares of the models; start each in a terminal of its own:",
        *(f"  sh {script}" for script in scripts),
        "or as a job of Slurm, where a job may submit jobs and its node has a network:",
        *(f"  sbatch {script}" for script in scripts),
        f"Their reports side by side: snakemake --cores 1 {SHARDS}/comparison.md",
    ]
    return "".join(f"{line}\n" for line in lines)


def _held() -> dict[str, int]:
    """Return the number of the share that has each model; a configuration that cannot be read has none."""
    held: dict[str, int] = {}
    for file in SHARDS.glob(f"*/{CONFIG}"):
        with suppress(yaml.YAMLError, OSError, ValueError, TypeError, KeyError):
            number = int(file.relative_to(SHARDS).parts[0])
            held |= dict.fromkeys(yaml.safe_load(file.read_text())["models"], number)
    return held


def _absolute(path: str) -> Path:
    return Path(os.path.expanduser(path)).absolute()


def _absolute_entry(entry: dict, bases: Sequence[Path]) -> dict:
    """Return a model's entry with absolute paths; what is not there stays, for its own call to say so."""
    changed = dict(entry)
    with suppress(SourceError):
        source = parse_source(entry["source"], bases)
        if not source.is_remote:
            changed["source"] = str(_absolute(source.name))
    if entry.get("truth") is not None:
        changed["truth"] = str(_absolute(entry["truth"]))
    if entry.get("labels") is not None:
        with suppress(SourceError):
            changed["labels"] = str(_absolute(str(locate(entry["labels"], bases))))
    return changed


def _script(number: int, folder: Path, project: Path) -> str:
    words = {
        "folder": folder.absolute(),
        "python": sys.executable,
        "snakefile": (project / "Snakefile").resolve(),
        "profile": (project / "profiles/slurm").resolve(),
    }
    return SCRIPT.format(number=number, **{name: shlex.quote(str(word)) for name, word in words.items()})
