"""Every job of a DAG with its files, its parameters and why it would run, and every rule; nothing is built by asking.

Run as a program, so that the rules are read as a dry run reads them: `python -m dsbench.dag.jobs SNAKEFILE TARGET...`
takes the configuration as JSON on stdin and prints the jobs as JSON. Without a target it prints the rules.
"""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dsbench.core.errors import BuildError

LIBRARY = Path(__file__).resolve().parents[2]
PROJECT = LIBRARY.parents[1]
# What the Snakefile, its rules and their scripts read of the project: all that a copy of it needs.
PARTS = ("Snakefile", "pyproject.toml", "config", "demo", "envs", "profiles", "rules", "workflow")


def link_project(folder: Path, own: Collection[str]) -> None:
    """Make `folder` a project of links to the parts of this one, but for those in `own`, which the caller writes."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        if part not in own:
            (folder / part).symlink_to(PROJECT / part)


def dag_jobs(
    snakefile: Path, directory: Path, config: Mapping, targets: Iterable[str], env: Mapping | None = None
) -> list[dict]:
    """Return the jobs that `targets` need in `directory`, those that need not run too, producers first.

    Each has rule, script, wildcards, input, output, log (the first one), benchmark, params, `needs` (numbers of the
    jobs that make it run), `runs` and `reason`. Raises BuildError with Snakemake's own words where the DAG cannot be
    made.
    """
    return _asked(snakefile, directory, config, targets, env)


def dag_rules(snakefile: Path, directory: Path, config: Mapping, env: Mapping | None = None) -> list[dict]:
    """Return every rule that `snakefile` declares, in its order, whether a target needs it or not.

    Each has name, file, script, and the patterns of its output and log. Raises BuildError as `dag_jobs` does.
    """
    return _asked(snakefile, directory, config, (), env)


def _asked(
    snakefile: Path, directory: Path, config: Mapping, targets: Iterable[str], env: Mapping | None
) -> list[dict]:
    """Return what this program prints."""
    env = dict(env or os.environ)
    # First the library of that Snakefile, since its rules hash the modules they find beside them.
    libraries = (snakefile.resolve().parent / "workflow/scripts", LIBRARY, env.get("PYTHONPATH"))
    path = os.pathsep.join(str(each) for each in libraries if each)
    done = subprocess.run(
        [sys.executable, "-m", "dsbench.dag.jobs", str(snakefile.resolve()), *targets],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        cwd=directory,
        env=env | {"PYTHONPATH": path},
        check=False,
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-20:]
        raise BuildError("the DAG cannot be made, so nobody knows what would run:\n" + "\n".join(words))
    return json.loads(done.stdout)


def _main(snakefile: str, *targets: str) -> None:
    """Print the jobs, or the rules without a target; end with Snakemake's own words where it refuses."""
    from snakemake.exceptions import WorkflowError

    from dsbench.dag.snakemake_internals import declared_rules, planned_jobs

    # Rules read the words of the call; this one is a dry run.
    sys.argv = ["snakemake", "--dry-run", *targets]
    config = json.load(sys.stdin)
    try:
        asked = (
            planned_jobs(Path(snakefile), targets, config)
            if targets
            else declared_rules(Path(snakefile), config)
        )
    except WorkflowError as error:
        sys.exit(str(error))
    print(json.dumps(asked))


if __name__ == "__main__":
    _main(*sys.argv[1:])
