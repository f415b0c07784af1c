"""What the machine and its GPU did while a tool ran: sampled in the background, summed up beside the tool's log."""

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from threading import Event, Thread
from typing import Self

import msgspec

from dsbench.core.errors import MIB_BYTES, BuildError
from dsbench.core.process_identity import session_of
from dsbench.core.records import LONGEST_SHOWN

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
# It computes for the processes it serves, and is none of them.
MPS_SERVER = "nvidia-cuda-mps-server"
INTERVAL_S = 0.5
HEAD = "# samples: "
# What trtexec prints when it has measured.
ENDING = re.compile(r"\] Timing trace has ")
# What it prints when it starts to, and deepstream-app's first PERF row that is not only zeros.
MEASURING = re.compile(r"\] Starting inference|^(?:\*\*PERF:|PERF\(\d+\):)\s+(?=.*[1-9])[0-9.]+ \(")
RANGES = (
    *("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c", "sm_pct", "memory_pct", "nvdec_pct"),
    "memory_used_mib",
)


@dataclass(frozen=True)
class SampledRange:
    """The least, the mean and the greatest value of a series, in its unit."""

    min: float
    mean: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self | None:
        """Return the range of the values that are known, None where none is."""
        known = [value for value in values if value is not None]
        return cls(*(round(each, 1) for each in (min(known), fmean(known), max(known)))) if known else None


@dataclass(frozen=True)
class SampledGpu:
    """The GPU that was sampled; `mig` is the name of its MIG instance, None for a whole GPU."""

    index: int | None
    uuid: str | None
    name: str | None
    mig: str | None


@dataclass(frozen=True)
class OtherProcess:
    """A process that is not the tool's."""

    pid: int
    name: str


@dataclass(frozen=True)
class GpuSummary:
    """What the GPU did, in MHz, W, C, percent and MiB; None for what NVML did not tell.

    `throttled_pct` is each reason's share of the samples. `mps` is whether MPS shared the GPU out, `mig_neighbours` are
    the processes on its other MIG instances.
    """

    sm_clock_mhz: SampledRange | None
    memory_clock_mhz: SampledRange | None
    power_w: SampledRange | None
    temperature_c: SampledRange | None
    sm_pct: SampledRange | None
    memory_pct: SampledRange | None
    nvdec_pct: SampledRange | None
    memory_used_mib: SampledRange | None
    memory_total_mib: float | None
    throttled_pct: dict[str, float] | None
    device: SampledGpu
    mps: bool | None
    foreign_processes: list[OtherProcess] | None
    mig_neighbours: list[OtherProcess] | None

    @property
    def power_capped_pct(self) -> float | None:
        """In how many percent of the samples the power limit held the clock down, None where that is not known."""
        return (self.throttled_pct or {}).get(POWER_CAP)


@dataclass(frozen=True)
class SampleSummary:
    """What the machine did while a tool measured, from so many `samples`; `gpu` is None where none was sampled."""

    samples: int
    cpu_pct: SampledRange | None
    gpu: GpuSummary | None


class GpuSampler:
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

    def free_memory_mib(self) -> int | None:
        """Return how much of the GPU's or the instance's memory is free, None where NVML does not say."""
        memory = _ask(lambda: pynvml.nvmlDeviceGetMemoryInfo(self._part))
        return None if memory is None else int((memory.total - memory.used) / MIB_BYTES)

    def close(self) -> None:
        """Let NVML go."""
        _ask(pynvml.nvmlShutdown)

    def _pids(self, handle) -> list[int] | None:
        """Return the processes that compute there, those that MPS serves among them."""
        running = _ask(lambda: pynvml.nvmlDeviceGetComputeRunningProcesses(handle))
        served = _ask(lambda: pynvml.nvmlDeviceGetMPSComputeRunningProcesses(handle), missing=[])
        return None if running is None else list(dict.fromkeys(each.pid for each in [*running, *served]))

    def _shared(self, pids: list[int] | None) -> dict:
        everywhere = pids if pids is None or self._part is self._board else self._pids(self._board)
        if pids is None or everywhere is None:
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


def open_gpu() -> GpuSampler | None:
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
    return None if handle is None else GpuSampler(*_board_and_instance(handle))


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


class Sampler:
    """Samples processors and GPU from `start` to `stop`, all of them for `file`.

    Made before the tool starts, to see who used the GPU already.
    """

    def __init__(self, file: Path, interval_s: float = INTERVAL_S):
        file.unlink(missing_ok=True)
        self._file = file
        self._interval_s = interval_s
        self._gpu = open_gpu()
        self._cpu = _cpu_times()
        self._samples: list[dict] = []
        self._measuring = False
        self._has_measured = False
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self, session: int) -> None:
        """Begin to sample beside the tool whose process session is `session`."""
        self._thread = Thread(target=self._follow, args=(session,), daemon=True)
        self._thread.start()

    def see(self, line: str) -> None:
        """Take one line of the tool's output: samples of its measuring are told from those of its start and its end."""
        if ENDING.search(line):
            self.end_measuring()
        self._measuring = not self._has_measured and (self._measuring or MEASURING.search(line) is not None)

    def end_measuring(self) -> None:
        """From now on the tool only tears down."""
        self._measuring, self._has_measured = False, True

    def stop(self) -> SampleSummary | None:
        """End, write all samples, return their summary; None where there is none."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        if self._gpu is not None:
            self._gpu.close()
        if not self._samples:
            return None
        self._file.write_text(json.dumps({"interval_s": self._interval_s, "samples": self._samples}) + "\n")
        return summarise(self._samples)

    def _follow(self, session: int) -> None:
        began = time.monotonic()
        while not self._ended.wait(self._interval_s):
            before, self._cpu = self._cpu, _cpu_times()
            self._samples.append(
                {
                    "at_s": round(time.monotonic() - began, 2),
                    "measuring": self._measuring,
                    "cpu_pct": _busy_pct(before, self._cpu),
                    "gpu": None if self._gpu is None else self._gpu.sample(session),
                }
            )


def summarise(samples: list[dict]) -> SampleSummary:
    """Return the summary of the samples while the tool measured, or of all where it did not say."""
    kept = [sample for sample in samples if sample["measuring"]] or samples
    gpus = [sample["gpu"] for sample in kept if sample["gpu"] is not None]
    return SampleSummary(
        samples=len(kept),
        cpu_pct=SampledRange.of(sample["cpu_pct"] for sample in kept),
        gpu=_summarise_gpu(gpus) if gpus else None,
    )


def read_summary(log: Path) -> SampleSummary | None:
    """Return the summary at the end of the tool log `log`, None where nothing was sampled."""
    return summary_of(log.read_text(errors="replace"), log)


def summary_of(text: str, log: Path) -> SampleSummary | None:
    """Return the summary at the end of the text of `log`, a tool's, None where nothing was sampled."""
    lines = [line for line in text.splitlines()[-3:] if line.startswith(HEAD)]
    try:
        return msgspec.json.decode(lines[-1].removeprefix(HEAD), type=SampleSummary) if lines else None
    except msgspec.DecodeError as error:
        raise BuildError(
            f"{log}: its line '{HEAD.strip()}' is not as this version of the project writes it"
            f" ({str(error)[:LONGEST_SHOWN]}); delete the log and run the same command again, which measures anew"
        ) from None


def _summarise_gpu(gpus: list[dict]) -> GpuSummary:
    throttles = [gpu["throttles"] for gpu in gpus if gpu["throttles"] is not None]
    names = {name for entry in throttles for name in entry}
    totals = [gpu["memory_total_mib"] for gpu in gpus if gpu["memory_total_mib"] is not None]
    shares = {
        name: round(100 * sum(name in entry for entry in throttles) / len(throttles), 1)
        for name in sorted(names)
    }
    return GpuSummary(
        **{key: SampledRange.of(gpu[key] for gpu in gpus) for key in RANGES},
        memory_total_mib=max(totals, default=None),
        throttled_pct=shares if throttles else None,
        device=SampledGpu(**gpus[-1]["device"]),
        mps=max((gpu["mps"] for gpu in gpus if gpu["mps"] is not None), default=None),
        foreign_processes=_processes([gpu["foreign"] for gpu in gpus]),
        mig_neighbours=_processes([gpu["neighbours"] for gpu in gpus]),
    )


def _processes(samples: list[dict[int, str] | None]) -> list[OtherProcess] | None:
    """Return every process of the samples once, None where nobody could say."""
    seen = [sample for sample in samples if sample is not None]
    found = {pid: name for sample in seen for pid, name in sample.items()}
    return [OtherProcess(pid, name) for pid, name in sorted(found.items())] if seen else None


def _cpu_times() -> tuple[int, int] | None:
    """Return busy and all time of the processors this process may use, in clock ticks; None off Linux."""
    try:
        text = Path("/proc/stat").read_text()
    except OSError:
        return None
    busy = total = 0
    for number in os.sched_getaffinity(0):
        row = re.search(rf"^cpu{number} (.+)$", text, re.M)
        # user nice system idle iowait irq softirq steal; guest time is in user already.
        times = [int(value) for value in row[1].split()[:8]] if row else [0] * 8
        total += sum(times)
        busy += sum(times) - times[3] - times[4]
    return busy, total


def _busy_pct(before: tuple[int, int] | None, now: tuple[int, int] | None) -> float | None:
    if before is None or now is None or now[1] <= before[1]:
        return None
    return round(100 * (now[0] - before[0]) / (now[1] - before[1]), 1)
