"""Every command line that the pages show runs as it is written, in a checkout with a finished demonstration."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from workflow_run import PROJECT, copied

PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
    *sorted((PROJECT / "docs").glob("*.md")),
]
COMMAND = re.compile(
    r"`((?:snakemake|python|make|\.venv/bin/\S+) [^`]+)`|^(snakemake .+|make \w+|\.venv/bin/\S+ .+)$", re.M
)
# In place of the names that stand for the reader's own.
STANDING_FOR = {"NAME": "rtdetr", "{model}": "rtdetr", "FINISHED": "."}


def shown_commands():
    """Return each command line once, as the pages have it."""
    found = [a or b for page in PAGES for a, b in COMMAND.findall(page.read_text())]
    return sorted({" ".join(command.split()) for command in found if "…" not in command})


# A call that names files and asks for nothing else.
PLAIN = re.compile(r"snakemake(?: --cores 1)?((?: [\w{}./]+)+)")


def tried_commands():
    """Return the command lines to try: each that is shown, but one call for the files of all plain ones."""
    shown = shown_commands()
    plain = {command: found[1] for command in shown if (found := PLAIN.fullmatch(command))}
    files = dict.fromkeys(word for words in plain.values() for word in words.split() if "/" in word)
    return [f"snakemake --cores 1 {' '.join(files)}", *(each for each in shown if each not in plain)]


def dry(command):
    """Return the command such that nothing is built, fetched or measured."""
    for name, stands_for in STANDING_FOR.items():
        command = command.replace(name, stands_for)
    if command.startswith("make "):
        return command.replace("make ", "make --dry-run ", 1)
    if "snakemake" in command:
        # What a plan prints is made for each call, and Slurm's node is this machine, which the fixture recorded.
        return (
            command if "upgrade_plan" in command else command.replace("snakemake", "snakemake --dry-run", 1)
        )
    if ".py" in command:
        return f"{command.split('.py')[0]}.py --help"
    return f"{command} --collect-only -q{'' if ' tests' in command else ' tests/checks'}"


@pytest.fixture(scope="module")
def checkout(finished, beside):
    """A checkout of this project in which the main job is done, and this machine is recorded as Slurm's GPU node."""
    folder = copied(finished, beside("checkout"))
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in tracked.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    node = [
        *(
            sys.executable,
            "-m",
            "dsbench.machine.node_facts",
            "auto",
            "/opt/nvidia/deepstream/deepstream",
            ".",
        ),
        "build/toolchain/node.json",
    ]
    path = {"PYTHONPATH": str(folder / "workflow/scripts"), "DSEMBED_PYTHON": sys.executable}
    subprocess.run(node, cwd=folder, env=os.environ | path, check=True, capture_output=True)
    return folder


def test_commands_are_found():
    commands = shown_commands()
    assert len(commands) > 10
    assert any("--workflow-profile profiles/slurm" in command for command in commands)
    assert "snakemake upgrade_plan" in commands


@pytest.mark.parametrize("shown", tried_commands())
def test_a_shown_command_runs_as_it_is_written(shown, checkout):
    programs = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", dry(shown)],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PATH": programs, "DS_VIDEO": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
