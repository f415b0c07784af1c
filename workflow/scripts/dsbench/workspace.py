"""How much memory the engine builder may take for workspace."""

import os
import re

from dsbench.errors import BuildError
from dsbench.machine import output_of

# The other half is for weights, activations and the timing of tactics.
SHARE_OF_FREE = 0.5
LEAST_MIB = 256


def workspace_mib(configured: int | None) -> int:
    """Return the workspace in MiB: the number in the config, or half of what is free on the GPU."""
    if configured is not None:
        return configured
    free = free_gpu_memory_mib()
    if free is None:
        raise BuildError(
            "nvidia-smi does not say how much of the GPU's memory is free, so workspace_mib: null has no meaning;"
            " set workspace_mib.nvidia to a number of MiB"
        )
    share = int(free * SHARE_OF_FREE)
    if share < LEAST_MIB:
        raise BuildError(
            f"the GPU has {free} MiB free, half of which is less than the {LEAST_MIB} MiB of workspace a build needs;"
            " end what holds the memory (nvidia-smi shows it), or set workspace_mib.nvidia"
        )
    return share


def free_gpu_memory_mib() -> int | None:
    """Return the free memory in MiB of the first GPU that CUDA is allowed to see, None where nobody says."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    chosen = ["-i", visible] if visible else []
    text = output_of(["nvidia-smi", *chosen, "--query-gpu=memory.free", "--format=csv,noheader,nounits"])
    found = re.match(r"\s*(\d+)\s*$", (text or "").partition("\n")[0])
    return int(found[1]) if found else None
