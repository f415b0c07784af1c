"""Compares the embedded deepstream-app's total frames/s with the embedded trtexec's images/s.

Both run the same engine at the same batch, in turns, so that other load on the machine meets them alike.
The configuration is a deepstream-app one with PERF rows on and file-loop=1; N is its number of sources.

    python benchmarks/embedded_deepstream.py --config app.txt --seconds 10 --repeats 3
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

EMBEDDED = Path(__file__).resolve().parents[1] / "workflow" / "embedded"
sys.path.insert(0, str(EMBEDDED))

from dsembed.deepstream_app.app_settings import AppSettings, read_app_settings  # noqa: E402
from dsembed.deepstream_app.nvinfer_settings import read_nvinfer_settings  # noqa: E402
from dsembed.engine.engine import Engine  # noqa: E402

FIELD = re.compile(r"(\d+\.\d\d) \(\d+\.\d\d\)\t")
ROW = "| {} | {:.1f} | {:.1f} | {:.3f} | {:.0f} |"
THROUGHPUT = re.compile(r"Throughput: (\S+) qps")


class BenchmarkError(Exception):
    """A run that did not measure anything."""


@dataclass(frozen=True)
class Measured:
    """One run: images/s over all streams and the peak resident memory of its process."""

    images_per_s: float
    peak_rss_mib: float


def run_trtexec(engine: Engine, batch: int, seconds: float) -> Measured:
    """Return trtexec's throughput times `batch`, without data transfers."""
    shape = "x".join(map(str, (batch, *engine.input.dims)))
    options = [f"--loadEngine={engine.path}", f"--shapes={engine.input.name}:{shape}"]
    options += [f"--duration={seconds}", "--warmUp=1000", "--noDataTransfers"]
    with subprocess.Popen([EMBEDDED / "bin/trtexec", *options], stdout=subprocess.PIPE, text=True) as process:
        log = process.stdout.read()
        rss_mib = _reap(process)
    rates = THROUGHPUT.findall(log)
    if len(rates) != 1:
        raise BenchmarkError(
            f"trtexec printed {len(rates)} 'Throughput:' lines, a finished run has 1:\n{log}"
        )
    return Measured(float(rates[0]) * batch, rss_mib)


def run_deepstream_app(config: Path, settings: AppSettings, seconds: float) -> Measured:
    """Return the sum over streams of the mean of their full windows, the first one with frames dropped."""
    rows_wanted = max(3, round(seconds / settings.perf_interval_s) + 1)
    rows: list[list[float]] = []
    command = [EMBEDDED / "bin/deepstream-app", "-c", config]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        for line in process.stdout:
            fields = [float(fps) for fps in FIELD.findall(line)]
            if len(fields) == len(settings.sources) and all(fields):
                rows.append(fields)
            if len(rows) == rows_wanted:
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        rss_mib = _reap(process)
    if len(rows) < rows_wanted:
        raise BenchmarkError(f"{config}: {len(rows)} PERF rows, {rows_wanted} wanted; set file-loop=1")
    return Measured(sum(mean(stream) for stream in zip(*rows[1:], strict=True)), rss_mib)


def _reap(process: subprocess.Popen) -> float:
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{process.args[0]} exited {process.returncode}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print a Markdown table of all runs and their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="deepstream-app configuration")
    parser.add_argument("--seconds", type=float, default=10, help="measured time of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each program")
    arguments = parser.parse_args()
    settings = read_app_settings(arguments.config, print)
    engine = Engine.load(read_nvinfer_settings(settings.gie, print).engine_file)
    streams = len(settings.sources)
    print(
        f"{engine.path.name}, batch {streams}, {engine.precision}, {settings.sources[0].name} on every stream\n"
    )
    print("| run | trtexec images/s | deepstream-app total FPS | ratio | deepstream-app peak RSS MiB |")
    print("|---|---|---|---|---|", flush=True)
    runs = []
    for number in range(1, arguments.repeats + 1):
        trtexec = run_trtexec(engine, streams, arguments.seconds)
        app = run_deepstream_app(arguments.config, settings, arguments.seconds)
        ratio = app.images_per_s / trtexec.images_per_s
        runs.append((trtexec.images_per_s, app.images_per_s, ratio, app.peak_rss_mib))
        print(ROW.format(number, *runs[-1]), flush=True)
    print(ROW.format("median", *(median(column) for column in zip(*runs, strict=True))))


if __name__ == "__main__":
    main()
