"""Every job of a DAG with its files, its parameters and why it would run; nothing is built by asking.

Run as a program, so that the rules are read as a dry run reads them: `python -m dsbench.dag_jobs SNAKEFILE TARGET...`
takes the configuration as JSON on stdin and prints the jobs as JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from dsbench.errors import BuildError

LIBRARY = Path(__file__).parents[1]
LARGEST_CHECKSUM_BYTES = 10**12


def dag_jobs(
    snakefile: Path, directory: Path, config: Mapping, targets: Iterable[str], env: Mapping | None = None
) -> list[dict]:
    """Return the jobs that `targets` need in `directory`, those that need not run too, producers first.

    Each has rule, script, wildcards, input, output, log (the first one), benchmark, params, `needs` (numbers of the
    jobs that make it run), `runs` and `reason`. Raises BuildError with Snakemake's own words where the DAG cannot be
    made.
    """
    env = dict(env or os.environ)
    # First the library of that Snakefile, since its rules hash the modules they find beside them.
    libraries = (snakefile.resolve().parent / "workflow/scripts", LIBRARY, env.get("PYTHONPATH"))
    path = os.pathsep.join(str(each) for each in libraries if each)
    done = subprocess.run(
        [sys.executable, "-m", "dsbench.dag_jobs", str(snakefile.resolve()), *targets],
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


def _build(snakefile: Path, targets: list[str], config: Mapping):
    """Return Snakemake's own DAG of `targets`, with every job's reason."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        Quietness,
        RerunTrigger,
        ResourceSettings,
    )

    with (
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api,
        NamedTemporaryFile("w", suffix=".json") as configuration,
    ):
        # As a file, since a Snakefile that names one insists on it where none is given.
        json.dump(config, configuration)
        configuration.flush()
        rules = api.workflow(
            snakefile=snakefile,
            config_settings=ConfigSettings(
                configfiles=[Path(configuration.name)], replace_workflow_config=True
            ),
            resource_settings=ResourceSettings(cores=1),
        )
        # As the profiles say it.
        dag_api = rules.dag(
            DAGSettings(
                targets=set(targets),
                rerun_triggers=frozenset(RerunTrigger.all()) - {RerunTrigger.CODE},
                max_checksum_file_size=LARGEST_CHECKSUM_BYTES,
            )
        )
        # What `snakemake --list-changes` does; the API has no word for it that returns the jobs.
        workflow = dag_api.workflow_api._workflow
        workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True, nolock=True)
        workflow._build_dag()
        return workflow.dag


def _rows(dag) -> list[dict]:
    jobs = [job for level in dag.toposorted() for job in sorted(level, key=_sort_key)]
    numbers = {job: number for number, job in enumerate(jobs)}
    return [_row(job, dag, sorted(numbers[other] for other in _makers(dag, job))) for job in jobs]


def _makers(dag, job) -> list:
    """Return the jobs that make it run when they run: not those of which only the files have to be there."""
    return [other for other, files in dag.dependencies[job].items() if not all(f.is_ancient for f in files)]


def _sort_key(job) -> tuple[str, str]:
    return job.rule.name, str(job.wildcards)


def _row(job, dag, needs: list[int]) -> dict:
    reason, runs = dag.reason(job), dag.needrun(job)
    return {
        "rule": job.rule.name,
        "script": Path(job.rule.script).stem if job.rule.script else None,
        "wildcards": dict(job.wildcards.items()),
        "input": [str(file) for file in job.input],
        "output": [str(file) for file in job.output],
        "log": str(job.log[0]) if job.log else None,
        "benchmark": str(job.benchmark) if job.benchmark else None,
        "params": {name: repr(value) for name, value in job.params.items()},
        "needs": needs,
        "runs": runs,
        "reason": {
            "updated": sorted(map(str, set(reason.updated_input) - set(reason.updated_input_run))),
            "missing": sorted(map(str, reason.missing_output)),
            "incomplete": sorted(map(str, reason.incomplete_output)),
            "params_before": sorted(map(str, reason.params_changed.only_old)),
            "params_now": sorted(map(str, reason.params_changed.only_new)),
            "is_script_changed": bool(reason.code_changed),
            "is_input_set_changed": bool(reason.input_changed),
            "is_environment_changed": bool(reason.software_stack_changed),
        },
    }


def _main(snakefile: str, *targets: str) -> None:
    """Print the jobs; end with Snakemake's own words where it refuses."""
    from snakemake.exceptions import WorkflowError

    # Rules read the words of the call; this one is a dry run.
    sys.argv = ["snakemake", "--dry-run", *targets]
    try:
        print(json.dumps(_rows(_build(Path(snakefile), list(targets), json.load(sys.stdin)))))
    except WorkflowError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(*sys.argv[1:])
