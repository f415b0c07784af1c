"""Loads a program of the embedded runtime, bounded, or says in one sentence that this Python lacks its packages."""

import importlib
import sys
from collections.abc import Callable


def load_main(module: str, failure: int) -> Callable[..., int]:
    """Return `main` of dsembed.`module`; ends with status `failure` where one of its packages is missing."""
    try:
        importlib.import_module("dsembed.shared.bounds").bound_memory()
        return importlib.import_module(f"dsembed.{module}").main
    except ModuleNotFoundError as error:
        print(
            f"{sys.executable} has no package {error.name}: run `make report` once, or set DSEMBED_PYTHON to a "
            "Python that has it.",
            file=sys.stderr,
        )
        sys.exit(failure)
