"""An engine's passport: from what, by what and on which machine it was built, and whether it fits this one."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsbench.core.errors import BuildError
from dsbench.core.files import sha256_of
from dsbench.core.records import read_record, write_record
from dsbench.machine.gpu_devices import gpu_in_use
from dsbench.machine.host import cuda_version, driver
from dsbench.machine.node_facts import NODE_FILE, check_node
from dsbench.machine.preflight import refuse_two_tensorrts
from dsbench.machine.toolchain import read_facts
from dsbench.trtexec.build_log import Build

# Asked again where a job runs: on a cluster that is not where the facts were recorded.
LIVE = {"driver": driver, "cuda": cuda_version, "gpu": gpu_in_use}
# Ends the name of an engine that was refused; no rule takes it for whole.
REFUSED = ".refused"


class PassportError(BuildError):
    """An engine that is not the one its passport describes, or that this machine must not run."""


@dataclass(frozen=True)
class HashedFile:
    """A file by its name and its content."""

    file: str
    sha256: str


@dataclass(frozen=True)
class BuiltEngine:
    """An engine by its name, its size and its content."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class ProfileShapes:
    """The optimisation profile as trtexec prints it, such as 8x3x640x640; "model" where the batch is static."""

    min: str
    opt: str
    max: str


@dataclass(frozen=True)
class PeakMemory:
    """The most memory of the build in MiB."""

    cpu: int | None
    gpu: int | None


@dataclass(frozen=True)
class Passport:
    """What lies beside an engine: from what, by what and where it was built; None for what nobody said.

    `machine` has the toolchain's facts by name, `layers` the precision of each layer; `plan` is how the embedded
    runtime computes; `errors` are the [E] lines of a build that passed.
    """

    engine: BuiltEngine
    onnx: HashedFile
    gpu: str | None
    compute_capability: str | None
    machine: dict[str, Any]
    flags: list[str]
    precision: str
    plan: str | None
    layers: dict[str, str] | None
    profile: ProfileShapes
    workspace_mib: float | None
    timing_cache: HashedFile
    build_s: float
    peak_memory_mib: PeakMemory
    errors: list[str]


def passport_of(engine: Path) -> Path:
    """Return where the passport of `engine` lies: beside it."""
    return engine.with_name(f"{engine.name}.json")


def built_with(engine: Path | None) -> str | None:
    """Return the GPU model that `engine` was built with, None where there is no passport to tell."""
    if engine is None or not passport_of(engine).is_file():
        return None
    return (read_record(passport_of(engine), Passport).machine.get("gpu") or [None])[0]


def machine_facts(files: Sequence[str]) -> dict:
    """Return the recorded facts by name, those of the GPU as they are on the machine that runs this.

    On a cluster it must be of the kind that was recorded, since nobody has chosen it.
    """
    facts = read_facts(files)
    if NODE_FILE.is_file():
        check_node(facts)
    live = {name: probe() for name, probe in LIVE.items() if facts.get(name) is not None}
    return facts | live


def make_passport(
    engine: Path,
    onnx: Path,
    timing_cache: Path,
    flags: list[str],
    build: Build,
    layers: dict[str, str] | None,
    machine: Mapping,
) -> Passport:
    """Return the passport of `engine`."""
    first_gpu = [part.strip() for part in (machine.get("gpu") or [""])[0].split(",")]
    return Passport(
        engine=BuiltEngine(str(engine), engine.stat().st_size, sha256_of(engine)),
        onnx=HashedFile(str(onnx), sha256_of(onnx)),
        gpu=first_gpu[0] or None,
        compute_capability=first_gpu[1] if len(first_gpu) > 1 else None,
        machine=dict(machine),
        flags=flags,
        precision=build.precision,
        plan=build.plan,
        layers=layers,
        profile=ProfileShapes(*build.profile),
        workspace_mib=build.workspace_mib,
        timing_cache=HashedFile(str(timing_cache), sha256_of(timing_cache)),
        build_s=build.build_s,
        peak_memory_mib=PeakMemory(build.peak_cpu_mib, build.peak_gpu_mib),
        errors=build.errors,
    )


def write_passport(engine: Path, passport: Passport) -> None:
    """Write the passport beside the engine."""
    write_record(passport_of(engine), passport)


def check_passport(engine: Path, machine: Mapping) -> Passport:
    """Return the passport of `engine`; refuse one of another file or machine, or of a TensorRT not DeepStream's.

    An engine that is not the passport's is renamed, so that the next call builds it whatever its date is.
    """
    file = passport_of(engine)
    again = f"delete {engine} and run the same command again, which builds it here"
    passport = _passport_in(file)
    size = engine.stat().st_size
    if passport is None or (size, sha256_of(engine)) != (passport.engine.bytes, passport.engine.sha256):
        refused = engine.with_name(f"{engine.name}{REFUSED}")
        os.replace(engine, refused)
        found = (
            f"no passport of {engine}" if passport is None else f"the passport of another file than {engine}"
        )
        raise PassportError(
            f"{file}: is {found}, which has {size} bytes; that was kept as {refused.name}. Run the same command"
            " again, which builds the engine anew"
        )
    for name, built_with in passport.machine.items():
        if name in machine and machine[name] != built_with:
            raise PassportError(
                f"{file}: the engine was built with {name} {_text(built_with)}, this machine has"
                f" {_text(machine[name])}; {again}"
            )
    refuse_two_tensorrts(passport.machine.get("trtexec"), machine.get("deepstream"))
    return passport


def _passport_in(file: Path) -> Passport | None:
    """Return what the passport says, None where it cannot be read."""
    try:
        return read_record(file, Passport)
    except (OSError, BuildError):
        return None


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)
