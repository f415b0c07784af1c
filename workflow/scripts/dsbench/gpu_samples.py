"""One look at the GPU through NVML: clocks, power, temperature, utilisation, and who else uses it."""

import os
from collections.abc import Callable

from dsbench.process_identity import session_of

try:
    import pynvml
except ImportError:
    pynvml = None

POWER_CAP = "power cap"
# NVML's clock event bits that make the GPU slower than it was asked to be.
THROTTLES = {
    0x04: POWER_CAP,
    0x08: "hardware slowdown",
    0x20: "thermal slowdown by the driver",
    0x40: "thermal slowdown by the hardware",
    0x80: "power brake",
}
MIB_BYTES = 1 << 20
# It computes for the processes it serves, and is none of them.
MPS_SERVER = "nvidia-cuda-mps-server"


class Gpu:
    """The GPU that CUDA takes first, seen through NVML; a value it does not tell is None.

    On a GPU that MIG divides, memory and processes are the instance's that CUDA takes, the rest is the whole GPU's.
    """

    def __init__(self, board, instance=None):
        self._board = board
        self._part = board if instance is None else instance
        self._device = {
            "index": _ask(lambda: pynvml.nvmlDeviceGetIndex(board)),
            "uuid": _ask(lambda: pynvml.nvmlDeviceGetUUID(board)),
            "name": _ask(lambda: pynvml.nvmlDeviceGetName(board)),
            "mig": None if instance is None else _ask(lambda: pynvml.nvmlDeviceGetName(instance)),
        }
        self._before = set(self._pids(self._part) or ())

    def sample(self, session: int) -> dict:
        """Return clocks in MHz, power in W, temperature in C, utilisation in percent, memory in MiB, throttle names.

        `foreign` maps the ids of processes that are not of the tool's process session `session` to their names,
        `neighbours` those on the GPU's other MIG instances; `mps` is whether MPS shares the GPU out.
        """
        used = _ask(lambda: pynvml.nvmlDeviceGetUtilizationRates(self._board))
        memory = _ask(lambda: pynvml.nvmlDeviceGetMemoryInfo(self._part))
        reasons = _ask(lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._board))
        power_mw = _ask(lambda: pynvml.nvmlDeviceGetPowerUsage(self._board))
        pids = self._pids(self._part)
        return self._shared(pids) | {
            "device": self._device,
            "sm_clock_mhz": _ask(lambda: pynvml.nvmlDeviceGetClockInfo(self._board, pynvml.NVML_CLOCK_SM)),
            "memory_clock_mhz": _ask(
                lambda: pynvml.nvmlDeviceGetClockInfo(self._board, pynvml.NVML_CLOCK_MEM)
            ),
            "power_w": None if power_mw is None else power_mw / 1000,
            "temperature_c": _ask(
                lambda: pynvml.nvmlDeviceGetTemperature(self._board, pynvml.NVML_TEMPERATURE_GPU)
            ),
            "sm_pct": None if used is None else used.gpu,
            "memory_pct": None if used is None else used.memory,
            "nvdec_pct": _ask(lambda: pynvml.nvmlDeviceGetDecoderUtilization(self._board)[0]),
            "memory_used_mib": None if memory is None else memory.used / MIB_BYTES,
            "memory_total_mib": None if memory is None else memory.total / MIB_BYTES,
            "throttles": None
            if reasons is None
            else [name for bit, name in THROTTLES.items() if reasons & bit],
            "foreign": None if pids is None else self._foreign(pids, session),
        }

    def close(self) -> None:
        """Let NVML go."""
        _ask(pynvml.nvmlShutdown)

    def _pids(self, handle) -> list[int] | None:
        """Return the processes that compute there, those that MPS serves among them."""
        running = _ask(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
        served = _ask(lambda: pynvml.nvmlDeviceGetMPSComputeRunningProcesses(handle), missing=[])
        return None if running is None else list(dict.fromkeys(each.pid for each in [*running, *served]))

    def _shared(self, pids: list[int] | None) -> dict:
        everywhere = self._pids(self._board) if pids is not None and self._part is not self._board else pids
        if everywhere is None:
            return {"mps": None, "neighbours": None}
        served = _ask(lambda: pynvml.nvmlDeviceGetMPSComputeRunningProcesses(self._part), missing=[])
        return {
            "mps": bool(served) or any(_name(pid).endswith(MPS_SERVER) for pid in pids),
            "neighbours": {pid: _name(pid) for pid in everywhere if pid not in pids},
        }

    def _foreign(self, pids: list[int], session: int) -> dict[int, str]:
        others = [pid for pid in pids if pid in self._before or session_of(pid) != session]
        unseen = [pid for pid in others if pid not in self._before and session_of(pid) is None]
        if len(others) == len(pids) and unseen:
            # In a container NVML names processes by the host's ids: the first new one is the tool itself.
            others.remove(unseen[0])
        names = {pid: _name(pid) for pid in others}
        return {pid: name for pid, name in names.items() if not name.endswith(MPS_SERVER)}


def open_gpu() -> Gpu | None:
    """Return the GPU a CUDA program started now would take first; None where NVML or a GPU is missing."""
    if pynvml is None or _ask(pynvml.nvmlInit, missing=False) is False:
        return None
    name = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if not name.isdecimal():
        handle = _ask(lambda: pynvml.nvmlDeviceGetHandleByUUID(name))
    elif os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or _ask(pynvml.nvmlDeviceGetCount) == 1:
        handle = _ask(lambda: pynvml.nvmlDeviceGetHandleByIndex(int(name)))
    else:
        # CUDA counts from the fastest GPU on, NVML by bus: this number may be another GPU's.
        handle = None
    return None if handle is None else Gpu(*_board_and_instance(handle))


def _board_and_instance(handle) -> tuple:
    """Return the whole GPU of `handle`, and the MIG instance there that CUDA takes, None for an undivided one."""
    board = _ask(lambda: pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle))
    if board is not None:
        return board, handle
    mode = _ask(lambda: pynvml.nvmlDeviceGetMigMode(handle)[0])
    first = _ask(lambda: pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, 0)) if mode else None
    return handle, first


def _name(pid: int) -> str:
    return _ask(lambda: pynvml.nvmlSystemGetProcessName(pid)) or "unknown"


def _ask(question: Callable, missing=None):
    """Return NVML's answer, `missing` where this GPU or driver does not know it."""
    try:
        return question()
    except (pynvml.NVMLError, UnicodeDecodeError):
        return missing
