"""Whether the machine that a job runs on is the one that the toolchain facts were recorded for."""

import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from dsbench.errors import BuildError
from dsbench.fact_words import fact_change
from dsbench.gpu_devices import gpu_in_use
from dsbench.machine import cpu, cuda_version, driver
from dsbench.node_facts import CHANGED_FILE, recorded_node
from dsbench.runtime import runtime_of
from dsbench.toolchain import Toolchain

# Asked again where a job runs. A machine of another kind first, for there the rest may differ too.
KINDS = {"gpu": gpu_in_use, "cpu": cpu}
VERSIONS = {"driver": driver, "cuda": cuda_version}


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
    asked = (recorded_node() or {}).get("asked", {})
    tools = Toolchain(runtime_of("nvidia", Path()), Path(), asked.get("deepstream", ""))
    return {name: partial(tools.probe, name) for name in ("trtexec", "deepstream")}


def _kind(name: str, value) -> str:
    """Return what tells kinds of machines apart; how many GPUs or cores a job is given is not of the kind."""
    if name == "gpu":
        return " and ".join(sorted(set(value or []))) or "no GPU"
    return ", ".join([value["name"], *value["identity"], *value["instruction_sets"]])
