"""What this build uses of Snakemake beyond its documentation: where a new Snakemake changes it, only this is mended.

Rules reach it through `Call`, the plan of an upgrade through `planned_jobs`.
`tests/dag/test_snakemake_internals.py` says what the installed Snakemake lacks; the long suite asks the oldest and the
newest that the project admits.
"""

import json
import logging
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import wraps
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TextIO, TypeVar

from snakemake.cli import parse_args
from snakemake.dag import DAG
from snakemake.iocontainers import Wildcards
from snakemake.logging import ColorizingTextHandler, logger
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_logger_plugins.common import LogEvent

# Snakemake's options with which it runs no job.
RUNS_NOTHING = (
    *("dryrun", "touch", "lint", "list_rules", "list_target_rules", "print_compilation", "unlock", "summary"),
    *("detailed_summary", "dag", "rulegraph", "filegraph", "d3dag", "report", "archive", "list_changes"),
    *("list_input_changes", "list_params_changes", "list_untracked", "cleanup_metadata", "delete_all_output"),
    *("delete_temp_output", "cleanup_shadow", "list_conda_envs", "conda_create_envs_only", "containerize"),
    *("generate_unit_tests", "conda_cleanup_envs"),
)
LARGEST_CHECKSUM_BYTES = 10**12
Handler = TypeVar("Handler", bound=logging.Handler)
# The options with which a user asks for Snakemake's own lines.
OWN_LINES = ("quiet", "verbose", "debug_dag", "printshellcmds", "logger")


def settings_of(arguments: Sequence[str]) -> Namespace:
    """Return Snakemake's own settings for a command line, with what its profiles say."""
    # Snakemake has said already which profile it takes.
    with redirect_stderr(StringIO()):
        return parse_args(list(arguments))[1]


def runs_jobs(settings: Namespace) -> bool:
    """Return whether a call with these settings runs the jobs of its targets."""
    return not any(getattr(settings, name, None) for name in RUNS_NOTHING)


def _submits(settings: Namespace) -> bool:
    """Return whether the executor runs jobs elsewhere; the workflow knows it only once its rules are read."""
    executor = ExecutorPluginRegistry().get_plugin(settings.executor or "local")
    return executor.common_settings.non_local_exec


def wildcards_of(**values: str) -> Wildcards:
    """Return wildcards as an input function gets them."""
    return Wildcards(fromdict=values)


@dataclass(frozen=True)
class Call:
    """The call of Snakemake that reads the Snakefile.

    `makes_dag` is False in a job that reads it again; then `runs_jobs` is True and `settings` is None. `submits` says
    whether jobs run on other machines; then `cores` is None. `gpus` is the limit of the resource gpu, None without one.
    """

    makes_dag: bool
    settings: Namespace | None
    runs_jobs: bool
    is_dry_run: bool
    submits: bool
    cores: int | None
    gpus: int | None

    @classmethod
    def of(cls, workflow, arguments: Sequence[str]) -> "Call":
        """Return the call with this command line, without the name of the program."""
        settings = settings_of(arguments) if workflow.is_main_process else None
        submits = settings is not None and _submits(settings)
        gpus = workflow.global_resources.get("gpu")
        return cls(
            makes_dag=workflow.is_main_process,
            settings=settings,
            runs_jobs=settings is None or runs_jobs(settings),
            is_dry_run=workflow.output_settings.dryrun,
            submits=submits,
            # `workflow.cores` raises where jobs are submitted: a node's cores are the job's own.
            cores=None if submits else workflow.resource_settings.cores,
            gpus=gpus and gpus.value,
        )


def limit_resource(workflow, name: str, amount: int) -> None:
    """Let jobs that run at once take at most `amount` of the resource `name` together."""
    workflow.register_resource(name, amount)


def put_off(workflow) -> list:
    """Keep Snakemake from asking jobs twice for their files while it makes the DAG; return the checkpoints.

    In a finished tree Snakemake replaces every job that takes a checkpoint's file, then goes through all jobs again.
    """
    checkpoints = [rule for rule in workflow.rules if rule.is_checkpoint]
    for rule in checkpoints:
        rule.is_checkpoint = False
    return checkpoints


def take_up(checkpoints: Iterable) -> None:
    """From now on let jobs be asked again for their files as soon as one of `checkpoints` is made."""
    for rule in checkpoints:
        rule.is_checkpoint = True


def heed_ancient_files() -> None:
    """Let Snakemake look for a job's own reasons to run, also where a job runs that makes an ancient file of it.

    Snakemake takes every job behind one that runs for a job that runs too, and looks for no reason of its own. But an
    ancient file makes no job run. An engine would stay although its tools changed, where the truth is read anew.
    """
    own = DAG.update_needrun
    if hasattr(own, "__wrapped__"):
        return

    @wraps(own)
    async def update_needrun(dag, *arguments, **settings):
        # Here alone: --omit-from leaves out what comes behind an ancient file too.
        dag.bfs = _made_to_run
        try:
            return await own(dag, *arguments, **settings)
        finally:
            del dag.bfs

    DAG.update_needrun = update_needrun


def _made_to_run(depending: Mapping, job) -> Iterator:
    """Yield `job` and all jobs that run because it runs; `depending` has the files between a job and each after it."""
    queue, seen = [job], {job}
    for each in queue:
        yield each
        found = [
            later
            for later, files in depending[each].items()
            if later not in seen and not all(file.is_ancient for file in files)
        ]
        seen.update(found)
        queue += found


def name_below_table(checkpoints: Iterable) -> None:
    """Make a dry run say below its table which of `checkpoints` it has, as Snakemake says it of its own."""
    names = [rule.name for rule in checkpoints]

    def tell(record) -> bool:
        is_table = getattr(record, "event", None) == LogEvent.RUN_INFO and hasattr(record, "stats")
        if is_table and (planned := [name for name in names if name in record.stats]):
            record.msg += f"more jobs may follow from what these find out: {', '.join(planned)}\n"
        return True

    logger.addFilter(tell)


def tell_through(settings: Namespace, make: Callable[[logging.Handler, TextIO], Handler]) -> Handler | None:
    """Put what `make` returns, given Snakemake's handler and its stream, in that handler's place on the terminal.

    Return None, and change nothing, in a call that runs no job and where the user asked for Snakemake's own lines.
    """
    if not runs_jobs(settings) or any(getattr(settings, name, None) for name in OWN_LINES):
        return None
    for own in logger.handlers:
        if isinstance(own, ColorizingTextHandler):
            logger.removeHandler(own)
            logger.addHandler(handler := make(own, own.stream))
            return handler
    return None


def planned_wall_times(workflow) -> list[Path | None]:
    """Return for each job that will run the file with its wall time, None for a job that keeps none."""
    return [Path(job.benchmark) if job.benchmark else None for job in workflow.dag.needrun_jobs()]


def plan_left_out_jobs_anew(workflow) -> None:
    """Forget the jobs that --until and --omit-from left out of the DAG.

    A checkpoint may show that one of them is needed. Snakemake would run it as it was planned, without the files that
    have become known since.
    """
    made, planned = workflow.dag.job_factory.cache, set(workflow.dag.jobs)
    for left_out in [key for key, job in made.items() if job not in planned]:
        del made[left_out]


def planned_jobs(snakefile: Path, targets: Sequence[str], config: Mapping) -> list[dict]:
    """Return the rows of `dag.jobs.dag_jobs` for the working directory; raise what Snakemake raises."""
    dag = _dag(snakefile, targets, config)
    jobs = [job for level in dag.toposorted() for job in sorted(level, key=_sort_key)]
    numbers = {job: number for number, job in enumerate(jobs)}
    return [_row(job, dag, sorted(numbers[other] for other in _makers(dag, job))) for job in jobs]


def declared_rules(snakefile: Path, config: Mapping) -> list[dict]:
    """Return the rows of `dag.jobs.dag_rules`; raise what Snakemake raises."""
    return [
        {
            "name": rule.name,
            "file": str(rule.snakefile),
            "script": Path(rule.script).stem if rule.script else None,
            "output": [str(file) for file in rule.output],
            "log": [str(file) for file in rule.log],
        }
        for rule in _dag(snakefile, (), config).workflow.rules
    ]


def _dag(snakefile: Path, targets: Sequence[str], config: Mapping):
    """Return Snakemake's own DAG of `targets`, of its default target without any, with every job's reason."""
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
            # Temporary files are always missing, and made only for what asks for them.
            "missing": sorted(map(str, set(reason.missing_output) - set(job.temp_output))),
            "incomplete": sorted(map(str, reason.incomplete_output)),
            "params_before": sorted(map(str, reason.params_changed.only_old)),
            "params_now": sorted(map(str, reason.params_changed.only_new)),
            "is_script_changed": bool(reason.code_changed),
            "is_input_set_changed": bool(reason.input_changed),
            "is_environment_changed": bool(reason.software_stack_changed),
        },
    }
