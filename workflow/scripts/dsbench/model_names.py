"""Model names, and which models a command line with `--config source=…` asks for."""

import re

from dsbench.errors import BuildError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
TREE = re.compile(r"(?:\./)?models/([^/]*)(?:/|$)")


def models_of_command(settings) -> list[str]:
    """Return the model names in Snakemake's DAG `settings`: of the target files, or of a job that it started."""
    if settings is None:
        return []
    named = [found[1] for target in settings.targets if (found := TREE.match(target))]
    started = [
        spec.wildcards_dict["model"] for spec in settings.target_jobs if "model" in spec.wildcards_dict
    ]
    return sorted({*named, *started})


def models_with_source(models: dict, source: str | None, named: list[str]) -> dict:
    """Return the configured `models`, and with `source` also those `named` that have no entry.

    Raises BuildError for a name that files cannot carry, for no name, and for one configured otherwise.
    """
    for name in named:
        if not NAME.fullmatch(name):
            raise BuildError(
                f"models/{name[:80]!r}: a model's name has letters, digits, _ and - only, at most 64 of them;"
                " choose another name in the target."
            )
    if source is None:
        return models
    if not named:
        raise BuildError(
            "--config source=… needs a target that names the model, such as models/NAME/model/NAME.onnx."
        )
    for name in named:
        if name in models and models[name]["source"] != source:
            raise BuildError(
                f"{name} has the source {models[name]['source']} in the config; choose another name in the target."
            )
    return {name: {"source": source, "labels": None, "threshold": None} for name in named} | models
