"""Time Snakemake needs to make the DAG for 1 to 1,000 configured models, beside a bare workflow: Markdown.

usage: python benchmarks/dag_scale.py FINISHED [--models 1 10 100 1000] [--source demo/checkpoint] [--repeats 1]

FINISHED is the working directory of a finished main job, of the model rtdetr from the source named, and not the project
itself; it is read only.
Each model of the tree that is measured is the finished one under another name: hard links to its files, Snakemake's
records rewritten for the name. Three dry runs are measured from the start of the process to its end: nothing built,
nothing to do, one model's ONNX changed.
What counts is processor time, which other work on the machine moves less; making a DAG uses one core.
The peer is the same jobs with the same files as a workflow of plain names: no functions, parameters, checkpoints,
logs. It has a tree and records of its own; both are asked for all artefacts, and look for every kind of change that
Snakemake knows. The same Snakemake runs both, one after the other, at every size.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import ExitStack
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT / "tests/support"), str(PROJECT / "workflow/scripts")]

from workflow_run import command, copied, environment, finished_job, planned, without_programs  # noqa: E402

MODEL = "rtdetr"
# The job table, and not each job.
QUIET = ("--quiet", "rules")
STATES = ("nothing built", "nothing to do", "one changed")
BARE = """
rule r{number}:
    input: {input}
    output: {output}
    shell: "touch {{output}}"
"""


def config_of(names: list[str], source: str) -> str:
    """Return the configuration that has the models `names`, all from `source`."""
    return f"models: {json.dumps({name: {'source': source} for name in names})}\n"


def make_trees(finished: Path, directory: Path, names: list[str]) -> None:
    """Fill `directory` with the finished job under each of `names`."""
    shutil.copytree(
        finished / "build", directory / "build", ignore=without_programs, symlinks=True, dirs_exist_ok=True
    )
    shutil.copytree(
        finished / ".snakemake", directory / ".snakemake", ignore=shutil.ignore_patterns("metadata")
    )
    records = [(_key(file), file.read_text()) for file in _records(finished)]
    files = [(file, Path("models") / file) for file in _files(finished / "models")]
    files += [(Path(key), Path(key)) for key, _ in records if key.startswith("build/") and MODEL in key]
    for name in names:
        for _, relative in files:
            _link(finished / relative, directory / relative.as_posix().replace(MODEL, name))
        for key, text in records:
            record = json.loads(text.replace(MODEL, name))
            # Snakemake compares it as sorted by name.
            record["input"] = sorted(record["input"] or [])
            _write_record(directory, key.replace(MODEL, name), json.dumps(record))


def _link(source: Path, target: Path) -> None:
    if source.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


def _files(folder: Path) -> list[Path]:
    return [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]


def _records(finished: Path) -> list[Path]:
    return [file for file in (finished / ".snakemake/metadata").rglob("*") if file.is_file()]


def _key(record: Path) -> str:
    parts = record.parts[record.parts.index("metadata") + 1 :]
    return urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()


def _write_record(directory: Path, key: str, text: str) -> None:
    """Write a record where Snakemake looks for it: names longer than a file's are cut into folders."""
    longest = os.pathconf(directory, "PC_NAME_MAX") - 1
    encoded = urlsafe_b64encode(key.encode()).decode()
    parts = [encoded[at : at + longest] for at in range(0, len(encoded), longest)]
    file = Path(directory, ".snakemake/metadata", *(f"@{part}" for part in parts[:-1]), parts[-1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def timed(arguments: list[str], cwd: Path) -> tuple[float, str]:
    """Return the processor seconds a dry run took, and what it printed; stop where it failed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        arguments, cwd=cwd, env=environment({}), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-4000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout + done.stderr


def dry_run(arguments: list[str], directory: Path, repeats: int) -> tuple[float, str]:
    """Return the shortest seconds of `repeats` dry runs, and what the last one printed."""
    runs = [timed([*arguments, "-n", *QUIET], directory) for _ in range(repeats)]
    return min(seconds for seconds, _ in runs), runs[-1][1]


def measure(
    finished: Path, scratch: list[Path], names: list[str], source: str, repeats: int
) -> tuple[list[list[float]], list[int]]:
    """Return the seconds of both workflows in the three states, and the jobs of both DAGs."""
    peer_finished, *directories = scratch
    bare = peer_finished / "bare.smk"
    artefacts = finish_peer(finished, peer_finished, bare, source)
    bare.write_text(bare_workflow(finished, names, artefacts))
    runs = list(
        zip(
            (command(directories[0], config=config_of(names, source)), _peer(bare, directories[1])),
            directories,
            (finished, peer_finished),
            strict=True,
        )
    )

    def measured() -> list[float]:
        return [dry_run(arguments, directory, repeats)[0] for arguments, directory, _ in runs]

    # The peer knows no downloads: to it they are sources.
    if (downloads := finished / "build/downloads").is_dir():
        shutil.copytree(downloads, directories[1] / "build/downloads")
    seconds = [measured()]
    for arguments, directory, whole in runs:
        shutil.rmtree(directory / ".snakemake")
        make_trees(whole, directory, names)
        text = dry_run(arguments, directory, 1)[1]
        if "Nothing to be done" not in text:
            raise SystemExit(f"{arguments} has something to do in the finished tree:\n{text[-4000:]}")
    seconds.append(measured())
    for directory in directories:
        onnx = directory / f"models/{names[0]}/model/{names[0]}.onnx"
        content = onnx.read_bytes()
        onnx.unlink()
        onnx.write_bytes(content)
    seconds.append(measured())
    jobs = [
        sum(planned(dry_run([*arguments, "--forceall"], directory, 1)[1]).values())
        for arguments, directory, _ in runs
    ]
    return seconds, jobs


def finish_peer(finished: Path, directory: Path, bare: Path, source: str) -> list[str]:
    """Make `directory` the finished job of the peer; return what the build makes for MODEL, of which both are asked.

    It holds a copy of the files, and records as the peer writes them itself.
    """
    copied(finished, directory)
    everything = command(directory, "-n", "--forceall", config=config_of([MODEL], source))
    asked = re.search(r"^(?:local)?rule all:\n    input: (.*)$", timed(everything, directory)[1], re.M)
    artefacts = asked[1].split(", ")
    shutil.rmtree(directory / ".snakemake")
    bare.write_text(bare_workflow(finished, [MODEL], artefacts))
    timed([*_peer(bare, directory), "--touch", "--forceall", *QUIET], directory)
    return artefacts


def _peer(bare: Path, directory: Path) -> list[str]:
    call = [sys.executable, "-m", "snakemake", "--snakefile", str(bare), "--directory", str(directory)]
    return [*call, "--cores", "2"]


def bare_workflow(finished: Path, names: list[str], artefacts: list[str]) -> str:
    """Return a Snakefile with the jobs that Snakemake's records tell of: their files, and nothing else.

    Its first rule asks for the `artefacts` of MODEL, for each of the `names`.
    """
    jobs: dict[str, list[str]] = {}
    for record in _records(finished):
        facts = json.loads(record.read_text())
        shown = repr([file.replace(MODEL, "{model}") for file in facts["input"] or []])
        jobs.setdefault(f"{facts['rule']} {shown} {facts['log']}", []).append(_key(record))
    wanted = f"sorted(set(expand({[file.replace(MODEL, '{m}') for file in artefacts]!r}, m={names!r})))"
    rules = [f"wildcard_constraints: model='[^/]+'\nrule all:\n    input: {wanted}\n"]
    for number, (job, outputs) in enumerate(jobs.items()):
        shown = job.partition(" ")[2].rpartition(" [")[0]
        made = ", ".join(
            f"directory({name!r})" if (finished / output).is_dir() else repr(name)
            for output, name in ((output, output.replace(MODEL, "{model}")) for output in outputs)
        )
        rules.append(BARE.format(number=number, input=shown, output=made))
    return "".join(rules)


def main() -> None:
    """Measure every size and print one row for each state."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("finished", type=finished_job)
    parser.add_argument("--models", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--source", default="demo/checkpoint")
    parser.add_argument("--repeats", type=int, default=1)
    asked = parser.parse_args()
    print(
        "| Models | Jobs | Jobs of the peer | State | This build | Peer | Ratio |\n|---|---|---|---|---|---|---|"
    )
    for count in asked.models:
        names = [MODEL, *(f"m{number:04}" for number in range(1, count))]
        with ExitStack() as stack:
            # Siblings of the finished job: what is written of paths to the project is the same in all.
            scratch = [
                Path(
                    stack.enter_context(
                        tempfile.TemporaryDirectory(dir=asked.finished.parent, prefix="scale-")
                    )
                )
                for _ in range(3)
            ]
            seconds, jobs = measure(asked.finished, scratch, names, asked.source, asked.repeats)
        for state, (mine, peer) in zip(STATES, seconds, strict=True):
            cells = (count, *jobs, state, f"{mine:.1f} s", f"{peer:.1f} s", f"{mine / peer:.2f}")
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
