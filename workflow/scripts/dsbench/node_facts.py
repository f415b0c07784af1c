"""What is known of the GPU node: recorded by one small job there, never asked on the host that submits."""

import json
import os
import socket
import sys
from pathlib import Path

from dsbench.clip import DEEPSTREAM_SAMPLE
from dsbench.errors import BuildError
from dsbench.runtime import choose_runtime
from dsbench.toolchain import PROBES, Toolchain

NODE_FILE = Path("build/toolchain/node.json")
# Left by a job that found its node upgraded; holds the sentence that it failed with.
CHANGED_FILE = Path("build/toolchain/node_changed.txt")


class NodeFactsError(BuildError):
    """Facts of the GPU node that are not known, or not those of this workflow."""


def read_node(wanted: str, deepstream_dir: str) -> dict | None:
    """Return what is recorded for these settings; None where nothing is, or a job found it outdated."""
    node = None if CHANGED_FILE.is_file() else recorded_node()
    return node if node and node.get("asked") == _question(wanted, deepstream_dir) else None


def recorded_node() -> dict | None:
    """Return what is recorded: `node`, `facts` by name and `sample`, outdated or not; None where nothing is."""
    try:
        return json.loads(NODE_FILE.read_text())
    except (OSError, json.JSONDecodeError):
        return None


def _question(wanted: str, deepstream_dir: str) -> dict:
    """Return what an answer belongs to: another setting or another fact of the workflow needs another answer."""
    return {"runtime": wanted, "deepstream": deepstream_dir, "facts": sorted(PROBES)}


def refuse_unseen_sample(node: dict, named: str | None) -> None:
    """Refuse to measure with another clip than DeepStream's sample because only the node sees that file."""
    sample = node["sample"]
    if not named and sample and not Path(sample).is_file():
        raise NodeFactsError(
            f"{sample} is on {node['node']} and not on {socket.gethostname()}; copy it to a folder that both see and"
            " name it in the config's `video` or in DS_VIDEO"
        )


def probe_node(wanted: str, deepstream_dir: str, project: Path) -> dict:
    """Return what this machine is: its name, its facts by name without those of the project, DeepStream's sample."""
    runtime = choose_runtime(wanted, project)
    tools = Toolchain(runtime, project, deepstream_dir)
    sample = tools.deepstream_dir / DEEPSTREAM_SAMPLE
    return {
        "node": socket.gethostname(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "asked": _question(wanted, deepstream_dir),
        "facts": {fact: tools.probe(fact) for fact in PROBES if fact not in tools.project_facts()},
        "sample": str(sample) if sample.is_file() else None,
    }


def main(arguments: list[str]) -> int:
    """Write what this machine is to the file named last; return the exit status."""
    wanted, deepstream_dir, project, destination = arguments
    try:
        node = probe_node(wanted, deepstream_dir, Path(project))
    except BuildError as error:
        print(f"ERROR {error}")
        return 1
    partial = Path(f"{destination}.partial")
    partial.write_text(json.dumps(node, indent=1, sort_keys=True) + "\n")
    partial.replace(destination)
    print(f"{destination}: recorded on {node['node']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
