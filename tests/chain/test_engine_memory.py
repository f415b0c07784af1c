import json
from pathlib import Path

import pytest

from dsbench.chain.measured_chain import memory_stop
from dsbench.tools.run_samples import HEAD
from sampled_run import sampled

FILE = Path("trtexec_b64.log")
LOG = """[a] [I] Device Global Memory: {total} MiB
[a] [I] [TRT] Loaded engine size: 100 MiB
[a] [I] Created execution context with device memory size: 400.5 MiB
[a] [I] Input binding for images with dimensions 64x3x512x512 and type fp32 is created.
[a] [I] Output binding for boxes with dimensions 64x1024x1024 and type fp16 is created.
"""


@pytest.mark.parametrize(
    ("total", "stops"), [(1540, "twice that needs at least 1541 MiB of 1540 MiB"), (1542, None)]
)
def test_activations_and_bindings_double_and_weights_do_not(total, stops):
    # 100 + 2 * (400.5 + 192 + 128)
    found = memory_stop(LOG.format(total=total), FILE)
    assert found is None if stops is None else found.startswith(stops)


def test_memory_seen_in_use_counts_where_it_was_sampled():
    def used(mib):
        samples = sampled(memory_used_mib={"min": 0, "mean": 0, "max": mib})
        return LOG.format(total=2000) + HEAD + json.dumps(samples) + "\n# ended: x\n"

    assert memory_stop(used(1279), FILE) is None
    assert memory_stop(used(1281), FILE).startswith("twice that needs at least 2002 MiB of 2000 MiB")


def test_log_of_tensorrt_8_names_the_context_another_way():
    text = (
        "[a] [I] Device Global Memory: 1399 MiB\n[a] [I] [TRT] [MemUsageChange] TensorRT-managed allocation in"
        " IExecutionContext creation: CPU +0, GPU +700, now: CPU 0, GPU 712 (MiB)\n"
    )
    assert memory_stop(text, FILE).startswith("twice that needs at least 1400 MiB of 1399 MiB")


@pytest.mark.parametrize("missing", ["Device Global", "Created execution"])
def test_nothing_is_known_without_the_lines(missing):
    text = "\n".join(line for line in LOG.format(total=1).splitlines() if missing not in line)
    assert memory_stop(text, FILE) is None
