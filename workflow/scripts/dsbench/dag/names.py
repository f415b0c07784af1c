"""Model names, and what `--config source=…` gives to names that have no entry in the configuration."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from dsbench.core.errors import BuildError

# Not the configured names: Snakemake writes a constraint into every file's pattern, and searches that for every job.
NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
MOST_SHOWN = 10
REPORT = re.compile(r"(?:\./)?models/([^/]*)/reports/benchmark_report(?:_\1)?\.pdf")
SWEEP = re.compile(r"(?:\./)?models/([^/]*)/(?:benchmarks/sweep\.json|reports/charts/chart_sweep\.jpg)")
TREE = re.compile(r"(?:\./)?models/([^/]*)(?:/|$)")


@dataclass(frozen=True)
class GraphKind:
    """What of a graph the names of other files follow from: its batch, "static" or "dynamic", and its parser's source.

    Both are None while the graph is not known. `largest_batch` is the largest at which TensorRT can address every
    tensor, None where no tensor is known to be too large at any.
    """

    batch: str | None = None
    parser_source: str | None = None
    largest_batch: int | None = None


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
    """Return the configuration of one model: its entry, else one that has only the `source`; refuse other names."""
    if name not in models and source is None:
        raise BuildError(
            f"{name}: no such model, the config has {', '.join(islice(models, MOST_SHOWN))}"
            f"{', …' if len(models) > MOST_SHOWN else ''}; add it to `models`, or give --config source=…"
        )
    return models.get(name) or {"source": source}


def named_models(arguments: Sequence[str]) -> list[str]:
    """Return the names in the targets among the command line's `arguments`, each once."""
    return list(dict.fromkeys(found[1] for argument in arguments if (found := TREE.match(argument))))


def reports_of(arguments: Sequence[str]) -> list[str]:
    """Return the names of the models whose report is among the command line's `arguments`, each once."""
    return _models_in(REPORT, arguments)


def sweeps_of(arguments: Sequence[str]) -> list[str]:
    """Return the names of the models whose batch sweep is among the command line's `arguments`, each once."""
    return _models_in(SWEEP, arguments)


def _models_in(target: re.Pattern, arguments: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(found[1] for argument in arguments if (found := target.fullmatch(argument))))


def asked_models(arguments: Sequence[str], targets: Iterable[str], models: dict) -> list[str]:
    """Return the names that a call asks for: those in its targets, and every configured one for `all` or no target."""
    every = models if not targets or "all" in targets else ()
    return list(dict.fromkeys([*every, *named_models(arguments)]))


def check_targets(arguments: Sequence[str], models: dict, source: str | None) -> None:
    """Refuse targets among the command line's `arguments` that no model can be built for, each with its reason."""
    named = named_models(arguments)
    for name in named:
        if not re.fullmatch(NAME, name):
            raise BuildError(
                f"models/{name[:80]!r}: a model's name has letters, digits, _ and - only, at most 64 of them;"
                " choose another name in the target."
            )
        model_entry(models, source, name)
        if source is not None and name in models and models[name]["source"] != source:
            raise BuildError(
                f"{name} has the source {models[name]['source']} in the config; choose another name in the target."
            )
    if source is not None and not named:
        raise BuildError(
            "--config source=… needs a target that names the model, such as models/NAME/model/NAME.onnx."
        )
