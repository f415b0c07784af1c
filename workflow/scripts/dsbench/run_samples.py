"""What the machine did while a tool ran: sampled in the background, summed up beside the tool's log."""

import json
import os
import re
import time
from pathlib import Path
from statistics import fmean
from threading import Event, Thread

from dsbench.gpu_samples import open_gpu

INTERVAL_S = 0.5
HEAD = "# samples: "
# What trtexec prints when it starts to measure, and deepstream-app's first PERF row that is not only zeros.
MEASURING = re.compile(r"\] Starting inference|^(?:\*\*PERF:|PERF\(\d+\):)\s+(?=.*[1-9])[0-9.]+ \(")
RANGES = (
    *("sm_clock_mhz", "memory_clock_mhz", "power_w", "temperature_c", "sm_pct", "memory_pct", "nvdec_pct"),
    "memory_used_mib",
)


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
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self, session: int) -> None:
        """Begin to sample beside the tool whose process session is `session`."""
        self._thread = Thread(target=self._follow, args=(session,), daemon=True)
        self._thread.start()

    def see(self, line: str) -> None:
        """Take one line of the tool's output: samples from its measuring on are told from those of its start."""
        self._measuring = self._measuring or MEASURING.search(line) is not None

    def stop(self) -> dict | None:
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


def summarise(samples: list[dict]) -> dict:
    """Return min, mean and max of each series while the tool measured, or of all samples where it did not say.

    Percent, MHz, W, C and MiB as sampled; `throttled_pct` is each reason's share of the samples.
    """
    kept = [sample for sample in samples if sample["measuring"]] or samples
    gpus = [sample["gpu"] for sample in kept if sample["gpu"] is not None]
    return {
        "samples": len(kept),
        "cpu_pct": _range([sample["cpu_pct"] for sample in kept]),
        "gpu": _summarise_gpu(gpus) if gpus else None,
    }


def read_summary(log: Path) -> dict | None:
    """Return the summary at the end of the tool log `log`, None where nothing was sampled."""
    return summary_of(log.read_text(errors="replace"))


def summary_of(text: str) -> dict | None:
    """Return the summary at the end of a tool log's text, None where nothing was sampled."""
    lines = [line for line in text.splitlines()[-3:] if line.startswith(HEAD)]
    return json.loads(lines[-1].removeprefix(HEAD)) if lines else None


def _summarise_gpu(gpus: list[dict]) -> dict:
    throttles = [gpu["throttles"] for gpu in gpus if gpu["throttles"] is not None]
    names = {name for entry in throttles for name in entry}
    totals = [gpu["memory_total_mib"] for gpu in gpus if gpu["memory_total_mib"] is not None]
    return {key: _range([gpu[key] for gpu in gpus]) for key in RANGES} | {
        "memory_total_mib": max(totals, default=None),
        "throttled_pct": {
            name: round(100 * sum(name in entry for entry in throttles) / len(throttles), 1)
            for name in sorted(names)
        }
        if throttles
        else None,
        "device": gpus[-1]["device"],
        "mps": max((gpu["mps"] for gpu in gpus if gpu["mps"] is not None), default=None),
        "foreign_processes": _processes([gpu["foreign"] for gpu in gpus]),
        "mig_neighbours": _processes([gpu["neighbours"] for gpu in gpus]),
    }


def _processes(samples: list[dict[int, str] | None]) -> list[dict] | None:
    """Return every process of the samples once, None where nobody could say."""
    seen = [sample for sample in samples if sample is not None]
    found = {pid: name for sample in seen for pid, name in sample.items()}
    return [{"pid": pid, "name": name} for pid, name in sorted(found.items())] if seen else None


def _range(values: list[float | None]) -> dict | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return {"min": round(min(known), 1), "mean": round(fmean(known), 1), "max": round(max(known), 1)}


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
