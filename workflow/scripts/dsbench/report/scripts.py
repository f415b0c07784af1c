"""Shell scripts that repeat each measured command by hand.

The engine is built beside the build's own; the KITTI dump writes the build's own files again.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsbench.core.files import written_beside
from dsbench.deepstream.latency import VARIABLES
from dsbench.deepstream.run import EXTRA_ROWS
from dsbench.tools.tool_run import ENVIRONMENT, LEFT_OUT
from dsbench.trtexec.command import Profile, benchmark_command

TITLES = {
    "build_engine": "Build the engine",
    "trtexec_b1": "Measure the engine at batch 1",
    "trtexec_bmax": "Measure the engine at MAX_BS",
    "kitti_dump": "Dump one KITTI file per frame",
    "ds_run1": "DeepStream run 1",
    "ds_run2": "DeepStream run 2",
    "ds_latency": "Latency of each frame",
}
# What loading the engine may take before the first window.
LOAD_ALLOWANCE_S = 10
# A script lies three folders below the working directory, in models/{model}/scripts/.
CHANGE_FOLDER = 'cd "$(dirname "$0")/../../.."'
# deepstream-app takes a closed standard input, as of a job without a terminal, for 25 key presses a second.
OPEN_INPUT = 'keys=$(mktemp -d) && mkfifo "$keys/keys" && exec 3<>"$keys/keys" && rm -r "$keys"'


@dataclass(frozen=True)
class ScriptValues:
    """What was measured, for which the scripts are written; times in s and ms, paths from the working directory.

    `build_flags` are those that built the engine of MAX_BS.
    """

    model: str
    trtexec: str
    trtexec_version: tuple[int, ...]
    deepstream_app: str
    profile: Profile
    batch_1_engine: str
    build_flags: Sequence[str]
    duration_s: float
    warm_up_ms: float
    interval_s: int
    windows: int
    run1_config: str
    run2_config: str
    latency_config: str


def render_scripts(m: ScriptValues) -> dict[str, str]:
    """Return the text of each script by name; every script runs from anywhere."""
    tree, most = f"models/{m.model}", m.profile.max_batch
    engines = f"{tree}/benchmarks/engines/{m.model}_dynamic_b"
    scratch = f"build/by_hand/{m.model}_dynamic_b{most}"
    kitti_config = f"{tree}/config/deepstream_app_kitti_{m.model}.txt"
    run_s = LOAD_ALLOWANCE_S + (m.windows + EXTRA_ROWS) * m.interval_s
    bodies = {
        "build_engine": f"mkdir -p build/by_hand\n{_line([m.trtexec, *_by_hand(m.build_flags, scratch)])}",
        "trtexec_b1": _line(_benchmark(m, m.batch_1_engine, 1)),
        "trtexec_bmax": _line(_benchmark(m, f"{engines}{most}.engine", most)),
        "kitti_dump": f"mkdir -p {tree}/samples/kitti_output\n{app_run(m.deepstream_app, kitti_config)}",
        "ds_run1": stopped_run(m.deepstream_app, m.run1_config, run_s),
        "ds_run2": stopped_run(m.deepstream_app, m.run2_config, run_s),
        "ds_latency": stopped_run(m.deepstream_app, m.latency_config, run_s, VARIABLES),
    }
    return {name: _script(TITLES[name], body) for name, body in bodies.items()}


def _by_hand(flags: Sequence[str], scratch: str) -> list[str]:
    """Return the flags that build the same engine as `scratch`."""
    own = {"--saveEngine": f"{scratch}.engine", "--timingCacheFile": f"{scratch}.cache"}
    options = [flag.partition("=")[0] for flag in flags]
    return [
        f"{option}={own[option]}" if option in own else flag
        for option, flag in zip(options, flags, strict=True)
    ]


def _benchmark(m: ScriptValues, engine: str, batch: int) -> list[str]:
    return benchmark_command(
        m.trtexec, m.trtexec_version, engine, m.profile, batch, m.duration_s, m.warm_up_ms
    )


def app_run(program: str, config: str) -> str:
    """Return the shell lines that run the app with a standard input that stays open."""
    return f"{OPEN_INPUT}\n{_app(program, config, {})}"


def stopped_run(program: str, config: str, seconds: int, environment: Mapping[str, str] | None = None) -> str:
    """Return the shell lines that end the app by SIGINT after `seconds`, which alone ends it cleanly.

    It gets `environment` beside what every run gets.
    """
    # --foreground lets Ctrl-C reach the app.
    stop = f"timeout --foreground --preserve-status --signal=INT {seconds}"
    return f"{OPEN_INPUT}\n{stop} \\\n    {_app(program, config, environment or {})}"


def _app(program: str, config: str, environment: Mapping[str, str]) -> str:
    settings = " ".join(f"{name}={value}" for name, value in {**ENVIRONMENT, **environment}.items())
    left_out = " ".join(f"-u {name}" for name in LEFT_OUT)
    return f"env {left_out} {settings} {shlex.quote(program)} -c {shlex.quote(config)} <&3"


def _line(command: list[str]) -> str:
    return " \\\n    ".join(shlex.quote(word) for word in command)


def _script(title: str, body: str) -> str:
    return f"#!/bin/sh\n# {title}.\nset -eu\n{CHANGE_FOLDER}\n{body}\n"


def pasted(script: str) -> str:
    """Return the part of a script's text that can be pasted into a shell in the working directory."""
    return script.partition(f"{CHANGE_FOLDER}\n")[2].rstrip()


def write_scripts(scripts: dict[str, str], directory: Path) -> None:
    """Write each script to `directory` as NAME.sh, executable."""
    for name, text in scripts.items():
        file = directory / f"{name}.sh"
        with written_beside(file) as partial:
            partial.write_text(text)
            partial.chmod(0o755)
