"""Kill the main job at random moments, each time go on with the same command, and check what is left: Markdown.

usage: python benchmarks/kills.py FINISHED [--kills 50] [--seed 6] [--fakes]

FINISHED is the working directory of a finished main job, and not the project itself; it is read only. Every round
starts from a copy without models/ and logs/, which has the export environment and not the exported ONNX, and ends once
the command ends by itself.
A kill hits Snakemake alone, all that it started before it, or one of those. Afterwards nothing it started may run, and
no file may be half there: files whose bytes do not depend on a measurement are compared with FINISHED's.
--fakes measures with tests/fakes in place of NVIDIA's tools, as FINISHED was; else it is the embedded runtime.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "workflow/scripts"), str(PROJECT / "tests/support")]

from killed_job import HITS, KilledJob, fresh  # noqa: E402
from nvidia_job import FAKE_CONFIG, fake_tools  # noqa: E402
from workflow_run import finished_job  # noqa: E402


def main() -> None:
    """Kill, go on, and print one line for each kill."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("finished", type=finished_job)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--longest-s", type=float, default=35, help="of the time from start to kill")
    parser.add_argument("--fakes", action="store_true")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    print("| Kill | After | Hit | Rule that ran last |\n|---|---|---|---|")
    done = rounds = 0
    with tempfile.TemporaryDirectory(dir=asked.finished.parent, prefix="kills-") as scratch:
        # A sibling of the finished job: what is written of paths to the project is the same in both.
        job = KilledJob(asked.finished, Path(scratch).resolve())
        if asked.fakes:
            job.env = fake_tools(job.finished, "no_encoder")
            job.config = FAKE_CONFIG
        while done < asked.kills:
            fresh(job.finished, job.directory, is_exported=False)
            rule, rounds = "", rounds + 1
            while rule is not None and done < asked.kills:
                seconds, hit = chance.uniform(0.2, asked.longest_s), chance.choice(HITS)
                rule = job.kill_after(seconds, hit, chance)
                if rule is not None:
                    done += 1
                    print(f"| {done} | {seconds:.2f} s | {hit} | {rule} |", flush=True)
            if rule is not None:
                job.kill_after(None, "nothing", chance)
            job.check_complete()
            job.check_names()
            print(f"\nRound {rounds}: the tree is complete after {done} kills in all.\n", flush=True)


if __name__ == "__main__":
    main()
