"""Whether the engine for twice the batch would fit the memory of the device, from a measurement's log."""

import math
import re

from dsbench.run_samples import summary_of

TOTAL = re.compile(r"\] Device Global Memory: (\d+) MiB")
ENGINE = re.compile(r"\] (?:\[TRT\] )?Loaded engine size: (\d+) MiB")
CONTEXT = re.compile(
    r"\] Created execution context with device memory size: (\S+) MiB"
    r"|allocation in IExecutionContext creation: CPU \S+, GPU \+(\d+)"
)
# Up to 10.15 trtexec does not name the type; every input and most outputs are 4 bytes wide.
BINDING = re.compile(
    r"\] (?:Input|Output) binding for \S+ with dimensions ([0-9x]+) (?:and type (\w+) )?is created"
)
TYPE_BYTES = {"fp16": 2, "bf16": 2, "int64": 8, "int8": 1, "uint8": 1, "bool": 1}
MIB_BYTES = 1 << 20


def memory_stop(text: str) -> str | None:
    """Return why twice the batch of the trtexec measurement `text` cannot fit, None where it may or is unknown.

    Activations and bindings double, weights do not; builder, CUDA and DeepStream need more on top.
    """
    total, contexts = TOTAL.search(text), [float(a or b) for a, b in CONTEXT.findall(text)]
    if total is None or not contexts:
        return None
    growing_mib = max(contexts) + sum(map(_binding_mib, BINDING.findall(text)))
    engine = ENGINE.search(text)
    needed_mib = 2 * growing_mib + (float(engine[1]) if engine else 0)
    gpu = (summary_of(text) or {}).get("gpu")
    if gpu and gpu["memory_used_mib"]:
        needed_mib = max(needed_mib, gpu["memory_used_mib"]["max"] + growing_mib)
    total_mib = float(total[1])
    if needed_mib <= total_mib:
        return None
    return f"twice that needs at least {needed_mib:.0f} MiB of {total_mib:.0f} MiB of device memory"


def _binding_mib(found: tuple[str, str]) -> float:
    dimensions, kind = found
    return math.prod(int(n) for n in dimensions.split("x")) * TYPE_BYTES.get(kind, 4) / MIB_BYTES
