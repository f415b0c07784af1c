"""Checks the configuration against its schema before anything reads a setting."""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, str(Path(workflow.basedir, "workflow/scripts")))

from dsbench.core.errors import BuildError
from dsbench.dag.config_check import fit_config
from dsbench.dag.snakemake_internals import Call

CALL = Call.of(workflow, sys.argv[1:])

try:
    fit_config(config, lambda: validate(config, "../config/schema.yaml"))
except BuildError as error:
    raise WorkflowError(str(error)) from None
