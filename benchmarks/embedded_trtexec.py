"""Compare the embedded trtexec with OpenVINO's benchmark_app and ONNX Runtime: same model and batch.

The precision is the same too: benchmark_app is compared with the --fp16 engine at the type that engine chose, and
ONNX Runtime, which computes in f32, with an engine built without --fp16. Prints a Markdown table of median images/s;
the programs take turns, so that other load meets them alike.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/embedded"))
# It reports what it loads to its maker, unless this is there before it is.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # noqa: E402

from dsembed.shared.cpu import usable_cores  # noqa: E402

TRTEXEC = ROOT / "workflow/embedded/bin/trtexec"
BENCHMARK_APP = Path(sys.executable).with_name("benchmark_app")
WARM_UP_S = 1
Programs = dict[tuple[str, str], Callable[[], float]]


def main() -> None:
    """Print the table for the model and batches of the command line."""
    arguments = _arguments()
    print(
        f"Median images/s of {arguments.repeats} runs of {arguments.seconds} s each, {usable_cores()} CPU cores\n"
    )
    print("| Batch | Program | Settings | images/s | embedded of the same precision / this |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for batch in arguments.batches:
            _print_rows(arguments, batch, Path(folder))


def _print_rows(arguments: argparse.Namespace, batch: int, folder: Path) -> None:
    """Print two groups of rows, the --fp16 engine's and the f32 engine's; each group's engine comes first."""
    groups = [
        _fp16_programs(arguments, batch, folder),
        _f32_programs(arguments, batch, folder),
    ]
    rates = [{program: [] for program in group} for group in groups]
    for _ in range(arguments.repeats):
        for group, group_rates in zip(groups, rates, strict=True):
            for program, measure in group.items():
                group_rates[program].append(measure())
    for group_rates in rates:
        medians = {program: statistics.median(values) for program, values in group_rates.items()}
        own = next(iter(medians.values()))
        for (program, settings), images_per_s in medians.items():
            ratio = own / images_per_s
            print(f"| {batch} | {program} | {settings} | {images_per_s:.1f} | {ratio:.2f} |", flush=True)


def _fp16_programs(arguments: argparse.Namespace, batch: int, folder: Path) -> Programs:
    own, plan = _embedded_program(arguments, batch, folder / f"b{batch}_fp16.engine", "--fp16")
    compute = plan.split()[-1]
    shape = f"{arguments.input}[{batch},{','.join(map(str, arguments.dims))}]"
    app = (arguments.onnx, arguments.input, shape, batch, arguments.seconds)
    like_for_like = ["-hint", "none", "-nstreams", "1", "-ip", "f32", "-infer_precision", compute]
    throughput = ["-hint", "throughput", "-ip", "f32", "-infer_precision", compute]
    return {
        ("embedded trtexec --fp16", plan): own,
        ("benchmark_app", " ".join(like_for_like)): lambda: _benchmark_app(*app, like_for_like),
        ("benchmark_app", " ".join(throughput)): lambda: _benchmark_app(*app, throughput),
    }


def _f32_programs(arguments: argparse.Namespace, batch: int, folder: Path) -> Programs:
    own, plan = _embedded_program(arguments, batch, folder / f"b{batch}_f32.engine")
    session = (arguments.onnx, arguments.input, (batch, *arguments.dims), arguments.seconds)
    return {
        ("embedded trtexec", plan): own,
        ("ONNX Runtime", f"f32, intra_op {usable_cores()}"): lambda: _onnx_runtime(*session),
    }


def _embedded_program(
    arguments: argparse.Namespace, batch: int, engine: Path, *precision: str
) -> tuple[Callable[[], float], str]:
    """Build `engine` for 1 to `batch` images; return what measures it, and the plan it chose for `batch`."""
    shape = f"{arguments.input}:{{}}x{'x'.join(map(str, arguments.dims))}"
    log = _run(
        str(TRTEXEC),
        f"--onnx={arguments.onnx}",
        f"--saveEngine={engine}",
        f"--minShapes={shape.format(1)}",
        f"--optShapes={shape.format(batch)}",
        f"--maxShapes={shape.format(batch)}",
        *precision,
        "--skipInference",
    )
    plan = _found(rf"embedded: plan (.*) for batch {batch}$", log)[0]
    return lambda: _embedded(engine, shape.format(batch), batch, arguments.seconds), plan


def _embedded(engine: Path, shape: str, batch: int, seconds: int) -> float:
    log = _run(
        str(TRTEXEC),
        f"--loadEngine={engine}",
        f"--shapes={shape}",
        "--noDataTransfers",
        f"--duration={seconds}",
        f"--warmUp={WARM_UP_S * 1000}",
    )
    return float(_found(r"\[I\] Throughput: (\S+) qps", log)[0]) * batch


def _benchmark_app(onnx: Path, name: str, shape: str, batch: int, seconds: int, settings: list[str]) -> float:
    log = _run(
        str(BENCHMARK_APP), "-m", str(onnx), "-shape", shape, "-layout", f"{name}[NCHW]", "-t", str(seconds), *settings
    )  # fmt: skip
    queries, duration_ms = _found(r"Count:\s+(\d+) iterations[\s\S]*?Duration:\s+([\d.]+) ms", log)
    return int(queries) * batch / (float(duration_ms) / 1000)


def _onnx_runtime(onnx: Path, name: str, shape: tuple[int, ...], seconds: int) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    images = {name: np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)}
    warm_s = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < warm_s:
        session.run(None, images)
    queries, start_s = 0, time.perf_counter()
    while time.perf_counter() < start_s + seconds:
        session.run(None, images)
        queries += 1
    return queries * shape[0] / (time.perf_counter() - start_s)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _found(pattern: str, log: str) -> tuple[str, ...]:
    match = re.search(pattern, log, re.MULTILINE)
    if not match:
        raise SystemExit(f"no line like '{pattern}' in the program's output:\n{log}")
    return match.groups()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("onnx", type=Path, help="ONNX model with a dynamic batch and one NCHW input")
    parser.add_argument("--input", default="pixel_values", help="name of the input")
    parser.add_argument("--dims", type=int, nargs=3, default=(3, 320, 320), help="channels, height, width")
    parser.add_argument("--batches", type=int, nargs="+", default=(1, 4, 8))
    parser.add_argument("--seconds", type=int, default=5, help="length of one run")
    parser.add_argument("--repeats", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
