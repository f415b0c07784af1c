"""The rules as Snakemake has read them, for tests that hold all of them to something."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from dsbench.dag.jobs import link_project
from workflow_run import PROJECT, snakemake

FAKES = PROJECT / "tests/fakes"
# code_version() names what it hashes, so that a rule's `code` shows it.
BEFORE = f"""
import sys
sys.path.insert(0, {str(PROJECT / "workflow/scripts")!r})
import dsbench.dag.code_version
dsbench.dag.code_version.code_version = lambda *named: list(named)
"""
AFTER = """
def names_in(values):
    functions = [value for value in values if callable(value)]
    return sorted({name for each in functions for name in (each.__name__, *each.__code__.co_names)})

def declared(rule):
    code = dict(rule.params.items()).get("code")
    return {
        "name": rule.name,
        "script": Path(rule.script).stem if rule.script else None,
        "code": code if isinstance(code, list) else [],
        "logs": [str(log) for log in rule.log],
        "benchmark": str(rule.benchmark) if rule.benchmark else None,
        "needs_gpu": "gpu" in rule.resources,
        "calls": names_in([*rule.input, *rule.params]),
        "takes": {name: names_in([value]) for name, value in rule.input.items()},
    }

with open("rules.json", "w") as file:
    json.dump([declared(rule) for rule in workflow.rules], file)
"""


@dataclass(frozen=True)
class DeclaredRule:
    """A rule; `code` is what its code_version() names, `calls` are the functions behind its inputs and parameters."""

    name: str
    script: str | None
    code: list[str]
    logs: list[str]
    benchmark: str | None
    needs_gpu: bool
    calls: list[str]
    takes: dict[str, list[str]]


@cache
def declared_rules(runtime="embedded"):
    """Return every rule that the Snakefile declares on a runtime, whether something asks for its files or not."""
    with TemporaryDirectory() as folder:
        project, work = Path(folder, "project"), Path(folder, "work")
        work.mkdir()
        link_project(project, own=["Snakefile"])
        (project / "Snakefile").write_text(BEFORE + (PROJECT / "Snakefile").read_text() + AFTER)
        done = snakemake(
            work,
            *("--list-rules", "--snakefile", str(project / "Snakefile")),
            env={"PATH": f"{FAKES}:{os.environ['PATH']}"},
            config=f"runtime: {runtime}\n",
        )
        assert done.returncode == 0, done.stdout[-3000:]
        return [DeclaredRule(**rule) for rule in json.loads((work / "rules.json").read_text())]
