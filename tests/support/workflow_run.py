"""Run the workflow in a directory of its own, with short measurements."""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import loaded_snakemake

PROJECT = Path(__file__).parents[2]
SNAKEMAKE = (sys.executable, "-m", "snakemake")
PROFILE = "--workflow-profile"
REPORT = "models/rtdetr/reports/benchmark_report.pdf"
# One export environment for all tests, kept for the next run of them.
ENVIRONMENTS = PROJECT / "build/environments"
SHORT = f"""
environments: {ENVIRONMENTS}
trtexec: {{duration_s: 1, warm_up_ms: 200}}
deepstream: {{interval_s: 1, windows: 3, timeout_s: 120, decoding_s: 0.01}}
agreement: {{frames: 5}}
batch_slots: {{frames: 5}}
"""


def snakemake(directory, *arguments, env=None, config="", under=()):
    """Return the finished process of `snakemake ARGUMENTS` run in `directory` with `config` over the default.

    `under` are the words of a command that runs it.
    """
    words = command(directory, *arguments, config=config)
    if not under:
        return loaded_snakemake.call(words[len(SNAKEMAKE) :], environment(env or {}))
    return subprocess.run(
        [*under, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(env or {}),
        check=False,
    )


def command(directory, *arguments, config=""):
    """Return the command line of `snakemake ARGUMENTS` in `directory`; write `config` over the default there."""
    overlay = directory / "overlay.yaml"
    overlay.write_text(SHORT + config)
    (directory / "config").mkdir(exist_ok=True)
    (directory / "config/config.yaml").write_text((PROJECT / "config/config.yaml").read_text())
    return [
        *SNAKEMAKE,
        *("--snakefile", str(PROJECT / "Snakefile"), "--directory", str(directory)),
        # A profile of its own says how many jobs it runs.
        *([] if PROFILE in arguments else ["--cores", "2", PROFILE, str(PROJECT / "profiles/default")]),
        *arguments,
        *("--configfile", str(overlay)),
    ]


def traced(file):
    """Return the words of a strace that writes to `file` which files each process opens and which it starts."""
    calls = "trace=?open,openat,?openat2,?creat,execve,?clone,?clone3,?fork,?vfork"
    return [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-q",
        "-y",
        "-s",
        "4096",
        "-e",
        calls,
        "-e",
        "signal=none",
        "-o",
        str(file),
    ]


def environment(more):
    """Return the environment of a call: this one's with `more`, and the default video and truth."""
    return os.environ | {"DS_VIDEO": "", "DS_TRUTH": ""} | more


def finished_job(path):
    """Return the resolved working directory of a finished job, as a program's argument; refuse the project itself.

    A job records the way to the project's files, which differs between the project and a folder beside it.
    """
    directory = Path(path).resolve()
    if directory == PROJECT or not (directory / REPORT).is_file():
        raise argparse.ArgumentTypeError(
            f"{path} has no finished job of its own; `snakemake --cores 2 --directory FOLDER` makes one"
        )
    return directory


def without_programs(folder, names):
    """Return what of an environment is not copied: none of its 1.3 GB. Of a shared one there are only links."""
    is_whole = "pyvenv.cfg" in names and not Path(folder, "pyvenv.cfg").is_symlink()
    return {"bin", "lib", "lib64", "include"} & set(names) if is_whole else ()


def copied(job, directory):
    """Return `directory`, now a copy of the finished job beside it, but for the programs of its environments."""
    return shutil.copytree(job, directory, ignore=without_programs, symlinks=True, dirs_exist_ok=True)


# The streams that a machine measures decide whether it runs: a batch of 1 or of MAX_BS needs none.
BY_STREAMS = "check_batch_slots_streams"


def planned(text):
    """Return the rules of a dry run's job table with their job counts."""
    table = re.search(r"^Job stats:\njob +count\n[- ]+\n(.*?)^total", text, re.M | re.S)
    return (
        {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table[1], re.M)} if table else {}
    )


def files(directory: Path):
    """Return every file below `directory` by relative path."""
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def rebuilt(runtime, change):
    """Return the rules that docs/rebuilds.md says run again after `change`."""
    title = {"nvidia": "On NVIDIA's tools", "embedded": "On the embedded runtime"}[runtime]
    section = (PROJECT / "docs/rebuilds.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    return {row[0].strip("`") for row in rows if row[head.index(change)] == "●"}
