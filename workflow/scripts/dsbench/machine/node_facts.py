"""What is known of the GPU node, whether a job runs on that node, and facts in words."""

import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dsbench.core.errors import BuildError
from dsbench.core.records import read_if_whole, write_record
from dsbench.machine.clip import DEEPSTREAM_SAMPLE
from dsbench.machine.gpu_devices import gpu_in_use
from dsbench.machine.host import cpu, cuda_version, driver
from dsbench.machine.runtime import choose_runtime, runtime_of
from dsbench.machine.toolchain import PROBES, Toolchain

NODE_FILE = Path("build/toolchain/node.json")
# Left by a job that found its node upgraded; holds the sentence that it failed with.
CHANGED_FILE = Path("build/toolchain/node_changed.txt")
# Asked again where a job runs. A machine of another kind first, for there the rest may differ too.
KINDS = {"gpu": gpu_in_use, "cpu": cpu}
VERSIONS = {"driver": driver, "cuda": cuda_version}
HASH = re.compile(r"[0-9a-f]{64}")
SHOWN_DIGITS = 12


class NodeFactsError(BuildError):
    """Facts of the GPU node that are not known, or not those of this workflow."""


@dataclass(frozen=True)
class Question:
    """What an answer belongs to: another setting or another fact of the workflow needs another answer."""

    runtime: str
    deepstream: str
    facts: list[str]


@dataclass(frozen=True)
class NodeRecord:
    """What node.json says: the node's name, its facts by name, and DeepStream's sample where it is there."""

    node: str
    slurm_job: str | None
    asked: Question
    facts: dict[str, Any]
    sample: str | None


def read_node(wanted: str, deepstream_dir: str) -> NodeRecord | None:
    """Return what is recorded for these settings; None where nothing is, or a job found it outdated."""
    node = None if CHANGED_FILE.is_file() else recorded_node()
    return node if node and node.asked == _question(wanted, deepstream_dir) else None


def recorded_node() -> NodeRecord | None:
    """Return what is recorded, outdated or not; None where nothing is."""
    return read_if_whole(NODE_FILE, NodeRecord)


def _question(wanted: str, deepstream_dir: str) -> Question:
    return Question(wanted, deepstream_dir, sorted(PROBES))


def refuse_unseen_sample(node: NodeRecord, named: str | None) -> None:
    """Refuse to measure with another clip than DeepStream's sample because only the node sees that file."""
    sample = node.sample
    if not named and sample and not Path(sample).is_file():
        raise NodeFactsError(
            f"{sample} is on {node.node} and not on {socket.gethostname()}; copy it to a folder that both see and"
            " name it in the config's `video` or in DS_VIDEO"
        )


def probe_node(wanted: str, deepstream_dir: str, project: Path) -> NodeRecord:
    """Return what this machine is, without the facts that are of the project."""
    runtime = choose_runtime(wanted, project)
    tools = Toolchain(runtime, project, deepstream_dir)
    sample = tools.deepstream_dir / DEEPSTREAM_SAMPLE
    return NodeRecord(
        node=socket.gethostname(),
        slurm_job=os.environ.get("SLURM_JOB_ID"),
        asked=_question(wanted, deepstream_dir),
        facts={fact: tools.probe(fact) for fact in PROBES if fact not in tools.project_facts()},
        sample=str(sample) if sample.is_file() else None,
    )


def main(arguments: list[str]) -> int:
    """Write what this machine is to the file named last; return the exit status."""
    wanted, deepstream_dir, project, destination = arguments
    try:
        node = probe_node(wanted, deepstream_dir, Path(project))
    except BuildError as error:
        print(f"ERROR {error}")
        return 1
    write_record(destination, node)
    print(f"{destination}: recorded on {node.node}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))


class NodeError(BuildError):
    """A job on a machine that its engine and its numbers are not for."""


def check_node(facts: Mapping) -> None:
    """Refuse this machine where it is not what `facts` say, as one sentence; those not recorded are not asked."""
    here = socket.gethostname()
    for name, probe in KINDS.items():
        if facts.get(name) is not None and _kind(name, found := probe()) != _kind(name, facts[name]):
            raise NodeError(
                f"build/toolchain/{name}.json: engines and numbers of this tree are for {_kind(name, facts[name])},"
                f" this job ran on {here}, which has {_kind(name, found)}; let the profile ask for one kind of node,"
                " or give this kind a tree of its own with gpu_class in the config"
            )
    versions = VERSIONS | (_tools() if facts.get("runtime") == "nvidia" else {})
    for name, probe in versions.items():
        if facts.get(name) is not None and (found := probe()) != facts[name]:
            before, now = fact_change(facts[name], found)
            sentence = (
                f"build/toolchain/{name}.json: {name} was {before}, {here} has {now} now; run the same command again,"
                " which remakes what depends on it"
            )
            CHANGED_FILE.write_text(f"{sentence}\n")
            raise NodeError(sentence)


def _tools() -> dict:
    """Return how to ask for NVIDIA's tools, whose versions are no part of the driver's."""
    node = recorded_node()
    tools = Toolchain(runtime_of("nvidia", Path()), Path(), node.asked.deepstream if node else "")
    return {name: partial(tools.probe, name) for name in ("trtexec", "deepstream")}


def _kind(name: str, value) -> str:
    """Return what tells kinds of machines apart; how many GPUs or cores a job is given is not of the kind."""
    if name == "gpu":
        return " and ".join(sorted(set(value or []))) or "no GPU"
    return ", ".join([value["name"], *value["identity"], *value["instruction_sets"]])


def fact_change(before: object, now: object) -> tuple[str, str]:
    """Return both values in words, of a fact with several parts those that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        same = {key for key in before.keys() & now.keys() if before[key] == now[key]}
        before, now = ({k: v for k, v in each.items() if k not in same} for each in (before, now))
    return fact_words(before), fact_words(now)


def fact_words(value: object) -> str:
    """Return a fact without JSON's marks, hashes cut short; None as "absent"."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {fact_words(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(fact_words, value)) or "none"
    text = "absent" if value is None else str(value)
    return text[:SHOWN_DIGITS] if HASH.fullmatch(text) else text
