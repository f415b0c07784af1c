"""The main job, to be killed at any moment and gone on with, and what must hold after each kill."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from dsbench.core.files import PREFIX
from dsbench.core.process_identity import start_ticks
from dsbench.tools.tool_run import descendants
from workflow_run import REPORT, command, environment, files, without_programs

GRACE_S = 60
RULE_WORDS = ("rule", "localrule", "checkpoint", "localcheckpoint")
HITS = ("snakemake", "everything", "one of its processes")
# Measured, timed or dated; or written file by file by a tool, below a directory that Snakemake has marked.
VARIES = (
    *("benchmarks/", "reports/", "scripts/", "samples/", "validation/", "toolchain/"),
    *("batch_slots/rtdetr/", "batch_slots_of_streams/", "decoding/", "export_attempts.json"),
)
BEFORE_EXPORT = [
    *(f"models/rtdetr/model/{name}.json" for name in ("source", "provenance", "export_attempts", "variants")),
    "models/rtdetr/config/config.json",
]


class KillError(Exception):
    """What a kill left that it must not leave."""


@dataclass
class KilledJob:
    """The main job in `directory`, to be killed; `finished` is what it looks like when it is whole."""

    finished: Path
    directory: Path
    env: dict[str, str] = field(default_factory=dict)
    config: str = ""
    arguments: tuple[str, ...] = (REPORT,)

    def call(self, *more: str) -> subprocess.Popen:
        """Start the command; its output goes to `call.log` beside the tree."""
        with self.log.open("w") as log:
            return subprocess.Popen(
                command(self.directory, *self.arguments, *more, config=self.config),
                stdout=log,
                stderr=log,
                env=environment(self.env),
                start_new_session=True,
            )

    @property
    def log(self) -> Path:
        """Return where the last call's output is."""
        return self.directory.with_name(f"{self.directory.name}.log")

    def kill_after(
        self, seconds: float | None, hit: str, chance: random.Random, since: str = ""
    ) -> str | None:
        """Start the command, kill it after `seconds`; return the rule that ran last, None where it had ended well.

        They count from when `since` is in the call's log.
        """
        process = self.call()
        while process.poll() is None and since not in self.log.read_text():
            time.sleep(0.05)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            started = {pid: start_ticks(pid) for pid in descendants(process.pid)}
            self._strike(process, hit, sorted(started), chance)
            self._check_gone(started)
            self.check_half_files()
            return self._running_rule()
        if process.returncode != 0:
            raise KillError(
                f"the same command ended with {process.returncode}:\n{self.log.read_text()[-4000:]}"
            )
        return None

    def check_complete(self) -> None:
        """Check that every artefact is there and up to date, and nothing left over."""
        self.check_half_files()
        if left := [file for file in files(self.directory) if PREFIX in file]:
            raise KillError(f"left over: {left}")
        if left := list((self.directory / ".snakemake/incomplete").rglob("*.*")):
            raise KillError(f"still marked as incomplete: {left}")
        process = self.call("all", "-n")
        process.wait()
        if process.returncode != 0 or "Nothing to be done" not in self.log.read_text():
            raise KillError(f"the finished tree still has jobs:\n{self.log.read_text()[-3000:]}")

    def check_names(self) -> None:
        """Check that every file of the finished job is there, and none more; batches and streams are measured."""
        wanted, found = (
            {re.sub(r"\d+", "N", file) for file in files(tree / "models")}
            for tree in (self.finished, self.directory)
        )
        if wanted != found:
            raise KillError(f"missing {sorted(wanted - found)[:9]}, too many {sorted(found - wanted)[:9]}")

    def check_half_files(self) -> None:
        """Check that what has its name and does not vary has the bytes of the finished job's; JSON is whole anyhow."""
        for tree in ("models", "build"):
            for file in files(self.directory / tree):
                if PREFIX in file or ".venv_optimum/" in file:
                    continue
                whole, found = (folder / tree / file for folder in (self.finished, self.directory))
                if found.suffix == ".json":
                    json.loads(found.read_text())
                if any(part in file for part in VARIES) or not whole.is_file():
                    continue
                if whole.read_bytes() != found.read_bytes():
                    raise KillError(f"{tree}/{file} is not the finished job's")

    def _strike(self, process: subprocess.Popen, hit: str, started: list[int], chance: random.Random) -> None:
        first = {
            "snakemake": [],
            "everything": started,
            "one of its processes": started and [chance.choice(started)],
        }
        for pid in (*first[hit], process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()

    def _check_gone(self, started: dict[int, int | None]) -> None:
        deadline = time.monotonic() + GRACE_S
        while left := {p for p, since in started.items() if since is not None and start_ticks(p) == since}:
            if time.monotonic() > deadline:
                raise KillError(f"still run {GRACE_S} s after the kill: {[_command_of(pid) for pid in left]}")
            time.sleep(0.05)

    def _running_rule(self) -> str:
        # The terminal has a line for a step once it is done; Snakemake's log has one when it begins.
        told = max((self.directory / ".snakemake/log").glob("*.snakemake.log"), default=None)
        words = [line.split() for line in told.read_text().splitlines()] if told else []
        named = [line[-1].rstrip(":") for line in words if line and line[0] in RULE_WORDS]
        return named[-1] if named else "before the first job"


def _command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def fresh(finished: Path, directory: Path, is_exported: bool = True) -> None:
    """Make `directory` the main job before its first call, with the export environment, and the ONNX if exported."""
    shutil.rmtree(directory)
    directory.mkdir()
    for name in ("build", ".snakemake"):
        shutil.copytree(finished / name, directory / name, ignore=without_programs, symlinks=True)
    for file in (directory / "build/toolchain").iterdir():
        if file.name != "export_lock.json":
            file.unlink()
    if not is_exported:
        shutil.rmtree(directory / "build/export")
        return
    for name in BEFORE_EXPORT:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(finished / name, directory / name)
