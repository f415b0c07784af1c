"""What a call of Snakemake asks for, by its command line."""

from argparse import Namespace
from collections.abc import Sequence

from snakemake.cli import parse_args

# Snakemake's options with which it runs no job.
RUNS_NOTHING = (
    *("dryrun", "touch", "lint", "list_rules", "list_target_rules", "print_compilation", "unlock", "summary"),
    *("detailed_summary", "dag", "rulegraph", "filegraph", "d3dag", "report", "archive", "list_changes"),
    *("list_input_changes", "list_params_changes", "list_untracked", "cleanup_metadata", "delete_all_output"),
    *("delete_temp_output", "cleanup_shadow", "list_conda_envs", "conda_create_envs_only", "containerize"),
    *("generate_unit_tests", "conda_cleanup_envs"),
)


def settings_of(arguments: Sequence[str]) -> Namespace:
    """Return Snakemake's own settings for a command line, with what its profiles say."""
    return parse_args(list(arguments))[1]


def runs_jobs(settings: Namespace) -> bool:
    """Return whether a call with these settings runs the jobs of its targets."""
    return not any(getattr(settings, name, None) for name in RUNS_NOTHING)
