"""A real Slurm on this machine: munge, a controller and two nodes on the loopback with a pretended GPU each."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import yaml

from debian_packages import NotInstalledError, install
from dsbench.tools.tool_run import die_with_parent
from workflow_run import PROJECT

PROFILE = PROJECT / "profiles/slurm/profile.yaml"
# Slurm's steps read their configuration from here whatever SLURM_CONF says.
CONFIGURATION = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
MUNGE_SOCKET = Path("/run/munge/munge.socket.2")
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
NODES = ("node1", "node2")
START_TIMEOUT_S = 60
OURS = "# Written by the tests of deepstream-import.\n"
SLURM_CONF = """ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core,CR_LLN
SlurmdParameters=config_overrides
GresTypes=gpu
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SlurmctldPort={controller_port}
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/%n
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/%n.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/%n.log
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MinJobAge=600
KillWait=5
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# What the shipped profile asks for fits: a node's word on what it has is taken, and only processors are counted.
NODE_CONF = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=64 RealMemory=512000 Gres=gpu:1"
    " State=UNKNOWN\n"
)
# Any device file does: a job is told its GPU's number and never opens the file.
GRES_CONF = "Name=gpu File=/dev/null\n"


class NoCluster(Exception):
    """Why no Slurm can run here, as a sentence."""


@contextmanager
def cluster(state: Path):
    """Run a controller and two nodes with their state in `state`; yield their host's name, remove all after."""
    try:
        install(PROGRAMS, PACKAGES)
    except NotInstalledError as error:
        raise NoCluster(str(error)) from None
    if os.geteuid() != 0:
        raise NoCluster("only root can start a node whose jobs run as their users")
    _refuse_another_cluster()
    processes = []
    try:
        _write_configuration(state)
        processes += _start_munge(state)
        processes += [_start("slurmctld", state, "-D")]
        processes += [_start("slurmd", state, "-D", "-N", node) for node in NODES]
        wait_until(
            lambda: all(node_state(node) == "idle" for node in NODES),
            START_TIMEOUT_S,
            f"Slurm has not started, see {state}/*.log",
        )
        yield socket.gethostname()
    finally:
        subprocess.run(["scancel", "--user", "root"], capture_output=True, check=False, timeout=30)
        for process in reversed(processes):
            _stop(process)
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)


def write_profile(directory: Path, **gpu_rules) -> Path:
    """Write profiles/slurm for a cluster without accounting to `directory`, `gpu_rules` over what its GPU rules ask."""
    profile = yaml.safe_load(PROFILE.read_text()) | {
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": 4,
        "slurm-no-account": True,
    }
    for asked in profile["set-resources"].values():
        asked.update(gpu_rules)
    (directory / "profile.yaml").write_text(yaml.safe_dump(profile))
    return directory


def node_state(node: str) -> str:
    """Return what sinfo says about a node: idle, mixed, allocated, draining, drained."""
    return ask("sinfo", "--noheader", f"--nodes={node}", "--format=%T").strip("*~#$@ \n")


def jobs(state: str) -> dict[str, str]:
    """Return the numbers of the jobs in this state (RUNNING, PENDING) by what the executor calls them."""
    lines = ask("squeue", "--noheader", f"--states={state}", "--format=%k %i").splitlines()
    return dict(line.split() for line in lines)


def wait_until(condition, timeout_s: float, what: str):
    """Return the first true value of `condition()`; fail after `timeout_s` saying what did not happen."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"within {timeout_s} s: {what}; squeue:\n{ask('squeue')}"
        time.sleep(0.3)
    return value


def ask(*command: str, timeout_s: float = 30) -> str:
    """Return what a Slurm command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s).stdout


def _refuse_another_cluster() -> None:
    """Leave a configuration alone that is not ours, or whose controller answers; ours may be of a killed run."""
    for file in (CONFIGURATION / name for name in FILES):
        if file.exists() and not file.read_text().startswith(OURS):
            raise NoCluster(f"{file} is here already: this machine belongs to another cluster")
    if (CONFIGURATION / "slurm.conf").exists() and " UP" in ask("scontrol", "ping"):
        raise NoCluster("another run of these tests has its Slurm here")


def _write_configuration(state: Path) -> None:
    for folder in ("controller", *NODES):
        (state / folder).mkdir(parents=True)
    CONFIGURATION.mkdir(exist_ok=True)
    host = socket.gethostname().split(".")[0]
    nodes = [NODE_CONF.format(node=node, host=host, port=_free_port()) for node in NODES]
    text = SLURM_CONF.format(host=host, state=state, controller_port=_free_port())
    (CONFIGURATION / "slurm.conf").write_text(OURS + "".join(nodes) + text)
    (CONFIGURATION / "gres.conf").write_text(OURS + GRES_CONF)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _start_munge(state: Path) -> list[subprocess.Popen]:
    if MUNGE_SOCKET.exists() and ask("munge", "-n"):
        return []
    MUNGE_SOCKET.parent.mkdir(exist_ok=True, mode=0o755)
    key = state / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    options = [f"--key-file={key}", f"--log-file={state}/munged.log", "--force", "--foreground"]
    return [_start("munged", state, *options)]


def _start(program: str, state: Path, *options: str) -> subprocess.Popen:
    with (state / f"{program}.out").open("a") as output:
        return subprocess.Popen(
            [shutil.which(program), *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A killed run of the tests leaves no Slurm behind, which would keep the next one out.
            preexec_fn=die_with_parent,  # noqa: PLW1509
        )


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
