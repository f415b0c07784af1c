"""One look at the GPU through NVML: clocks, power, temperature, utilisation, and who else uses it."""

import os
from collections.abc import Callable

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


class Gpu:
    """The GPU that CUDA takes first, seen through NVML; a value it does not tell is None."""

    def __init__(self, handle):
        self._handle = handle
        self._before = set(self._pids() or ())

    def sample(self, session: int) -> dict:
        """Return clocks in MHz, power in W, temperature in C, utilisation in percent, memory in MiB, throttle names.

        `foreign` maps the ids of processes that are not of the tool's process session `session` to their names.
        """
        used = _ask(lambda: pynvml.nvmlDeviceGetUtilizationRates(self._handle))
        memory = _ask(lambda: pynvml.nvmlDeviceGetMemoryInfo(self._handle))
        reasons = _ask(lambda: pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle))
        power_mw = _ask(lambda: pynvml.nvmlDeviceGetPowerUsage(self._handle))
        return {
            "sm_clock_mhz": _ask(lambda: pynvml.nvmlDeviceGetClockInfo(self._handle, pynvml.NVML_CLOCK_SM)),
            "memory_clock_mhz": _ask(
                lambda: pynvml.nvmlDeviceGetClockInfo(self._handle, pynvml.NVML_CLOCK_MEM)
            ),
            "power_w": None if power_mw is None else power_mw / 1000,
            "temperature_c": _ask(
                lambda: pynvml.nvmlDeviceGetTemperature(self._handle, pynvml.NVML_TEMPERATURE_GPU)
            ),
            "sm_pct": None if used is None else used.gpu,
            "memory_pct": None if used is None else used.memory,
            "nvdec_pct": _ask(lambda: pynvml.nvmlDeviceGetDecoderUtilization(self._handle)[0]),
            "memory_used_mib": None if memory is None else memory.used / MIB_BYTES,
            "memory_total_mib": None if memory is None else memory.total / MIB_BYTES,
            "throttles": None
            if reasons is None
            else [name for bit, name in THROTTLES.items() if reasons & bit],
            "foreign": self._foreign(session),
        }

    def close(self) -> None:
        """Let NVML go."""
        _ask(pynvml.nvmlShutdown)

    def _pids(self) -> list[int] | None:
        running = _ask(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(self._handle))
        return None if running is None else [process.pid for process in running]

    def _foreign(self, session: int) -> dict[int, str] | None:
        pids = self._pids()
        if pids is None:
            return None
        others = [pid for pid in pids if pid in self._before or _session_of(pid) != session]
        unseen = [pid for pid in others if pid not in self._before and _session_of(pid) is None]
        if len(others) == len(pids) and unseen:
            # In a container NVML names processes by the host's ids: the first new one is the tool itself.
            others.remove(unseen[0])
        return {
            pid: _ask(lambda pid=pid: pynvml.nvmlSystemGetProcessName(pid)) or "unknown" for pid in others
        }


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
    return None if handle is None else Gpu(handle)


def _ask(question: Callable, missing=None):
    """Return NVML's answer, `missing` where this GPU or driver does not know it."""
    try:
        return question()
    except (pynvml.NVMLError, UnicodeDecodeError):
        return missing


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
