"""Model names, and what `--config source=…` gives to names that have no entry in the configuration."""

import re
from collections.abc import Callable, Sequence

from dsbench.errors import BuildError

NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
TREE = re.compile(r"(?:\./)?models/([^/]*)(?:/|$)")


def model_pattern(models: dict, source: str | None) -> str:
    """Return the regex of the names that can be built: those configured, any good name where `source` is given."""
    return NAME if source is not None else "|".join(models)


def patterns_by_source(models: dict, source: str | None, is_remote: Callable[[str], bool]) -> tuple[str, str]:
    """Return the regexes of the names whose source is on disk and of those whose source is remote.

    They share no name; one that stands for none matches nothing.
    """
    remote = [name for name, entry in models.items() if is_remote(entry["source"])]
    local = [name for name in models if name not in remote]
    patterns = ["|".join(local) or "(?!)", "|".join(remote) or "(?!)"]
    if source is not None:
        configured = "|".join(models) or "(?!)"
        others = f"(?!(?:{configured})[/.]){NAME}"
        patterns[is_remote(source)] += f"|{others}"
    return patterns[0], patterns[1]


def model_entry(models: dict, source: str | None, name: str) -> dict:
    """Return the configuration of one model: its entry, else one that has only the `source`."""
    return models.get(name) or {"source": source}


def named_models(arguments: Sequence[str]) -> list[str]:
    """Return the names in the targets among the command line's `arguments`, each once."""
    return list(dict.fromkeys(found[1] for argument in arguments if (found := TREE.match(argument))))


def check_targets(arguments: Sequence[str], models: dict, source: str | None) -> None:
    """Refuse targets among the command line's `arguments` that no model can be built for, each with its reason."""
    named = named_models(arguments)
    for name in named:
        if not re.fullmatch(NAME, name):
            raise BuildError(
                f"models/{name[:80]!r}: a model's name has letters, digits, _ and - only, at most 64 of them;"
                " choose another name in the target."
            )
        if source is not None and name in models and models[name]["source"] != source:
            raise BuildError(
                f"{name} has the source {models[name]['source']} in the config; choose another name in the target."
            )
    if source is not None and not named:
        raise BuildError(
            "--config source=… needs a target that names the model, such as models/NAME/model/NAME.onnx."
        )
