"""The batch sweep against an exhaustive search: is BS_OPT the largest number of streams that holds the rate?

Makes the sweep of a model in a working directory, then a run of each number of streams up to some beyond BS_OPT.
Prints a Markdown table in parts of the target rate: what the probes predict for each number of streams, and what the
slowest stream got.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from dsbench.chain.measured_chain import accepted_run, streams_of  # noqa: E402
from dsbench.chain.sweep import Prediction, Sweep  # noqa: E402
from dsbench.core.records import read_record  # noqa: E402


def main() -> None:
    """Print the table and both answers."""
    arguments = _arguments()
    folder = Path("models", arguments.model, "benchmarks")
    build(arguments, folder / "sweep.json")
    sweep = read_record(arguments.directory / folder / "sweep.json", Sweep)
    most = min(sweep.prediction.most, (sweep.bs_opt or 0) + arguments.beyond)
    logs = [folder / f"ds/ds_s{streams}_run3.log" for streams in range(1, most + 1)]
    build(arguments, *logs)
    slowest = {streams_of(log): _slowest_fps(arguments.directory / log) for log in logs}
    target_fps = sweep.prediction.bounds.target_fps
    print("| Streams | Predicted / target | Slowest stream / target | Held |\n|---:|---:|---:|---|")
    for streams, fps in slowest.items():
        expected = predicted_fps(sweep.prediction, streams) / target_fps
        print(
            f"| {streams} | {expected:.3f} | {fps / target_fps:.3f} | {'yes' if fps >= target_fps else 'no'} |"
        )
    held = [streams for streams, fps in slowest.items() if fps >= target_fps]
    made = [run for run in sweep.runs if run.log.endswith("_run3.log")]
    print(
        f"\nThe sweep: BS_OPT {sweep.bs_opt}, predicted {sweep.prediction.batch}, {len(made)} runs of its own."
    )
    print(f"Every number: {max(held, default=None)}, {len(slowest)} runs.")


def build(arguments: argparse.Namespace, *targets: Path) -> None:
    """Let Snakemake make the targets; end with its status where it does not."""
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"),
            *("--directory", arguments.directory, "--workflow-profile", ROOT / "profiles/default"),
            *("--cores", str(arguments.cores), *targets),
            *(["--config", *arguments.config] if arguments.config else []),
        ],
        stdout=sys.stderr,
        check=True,
    )


def predicted_fps(prediction: Prediction, streams: int) -> float:
    """Return the frames/s that the probes and the share predict for each of so many streams."""
    return prediction.share.share * 1000 / prediction.fits[0].ms(streams)


def _slowest_fps(log: Path) -> float:
    run = accepted_run(log, windows=3)
    if run is None:
        sys.exit(f"{log} is not of a whole run; delete it and call again")
    return run.slowest_fps


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="a working directory of the build")
    parser.add_argument("--model", default="rtdetr")
    parser.add_argument("--beyond", type=int, default=4, help="how many streams more than BS_OPT are tried")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--config", nargs="*", help="settings as Snakemake takes them, such as target_fps=5")
    return parser.parse_args()


if __name__ == "__main__":
    main()
