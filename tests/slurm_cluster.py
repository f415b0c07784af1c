"""A real Slurm on this machine: munge, one controller and one node on the loopback with two pretended GPUs."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import yaml

from workflow_run import PROJECT

PROFILE = PROJECT / "profiles/slurm/profile.yaml"
# Slurm's steps read their configuration from here whatever SLURM_CONF says.
CONFIGURATION = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
MUNGE_SOCKET = Path("/run/munge/munge.socket.2")
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
START_TIMEOUT_S = 60
# Any two device files do: the node's jobs are told a number each and never open them.
OURS = "# Written by the tests of deepstream-import.\n"
SLURM_CONF = """ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MinJobAge=600
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory={memory_mib} Gres=gpu:2 State=UNKNOWN
PartitionName=gpus Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
GRES_CONF = "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


class NoCluster(Exception):
    """Why no Slurm can run here, as a sentence."""


def install():
    """Install Debian's Slurm and munge where they are missing; raise NoCluster where that cannot be done."""
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoCluster(f"{' and '.join(PACKAGES)} are not installed, and without root and apt-get cannot be")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(["apt-get", *step], env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NoCluster(f"apt-get {' '.join(step)} failed: {done.stderr.strip()[-300:]}")


@contextmanager
def cluster(state: Path):
    """Run a controller and a node with their state in `state`; yield the node's name, stop and remove all after."""
    install()
    if os.geteuid() != 0:
        raise NoCluster("only root can start a node whose jobs run as their users")
    _refuse_another_cluster()
    processes = []
    try:
        _write_configuration(state)
        processes += _start_munge(state)
        processes += [_start("slurmctld", state)]
        processes += [_start("slurmd", state)]
        host = socket.gethostname().split(".")[0]
        wait_until(
            lambda: node_state() == "idle", START_TIMEOUT_S, f"Slurm has not started, see {state}/*.log"
        )
        yield host
    finally:
        subprocess.run(["scancel", "--user", "root"], capture_output=True, check=False, timeout=30)
        for process in reversed(processes):
            _stop(process)
        for name in FILES:
            (CONFIGURATION / name).unlink(missing_ok=True)


def write_profile(directory: Path, **gpu_rules) -> Path:
    """Write profiles/slurm as this node can serve it to `directory`, `gpu_rules` over what its GPU rules ask for."""
    profile = yaml.safe_load(PROFILE.read_text())
    profile |= {
        "slurm-status-command": "squeue",
        "slurm-init-seconds-before-status-checks": 4,
        "slurm-no-account": True,
        "latency-wait": 10,
    }
    profile["default-resources"] |= {"mem_mb": 100, "slurm_partition": "gpus"}
    for asked in profile["set-resources"].values():
        asked |= {"mem_mb": 1000, "cpus_per_task": 1, **gpu_rules}
    (directory / "profile.yaml").write_text(yaml.safe_dump(profile))
    return directory


def node_state() -> str:
    """Return what sinfo says about the node: idle, mixed, allocated, draining, drained."""
    return ask("sinfo", "--noheader", "--format=%T").strip("*~#$@ \n")


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


def ask(*command: str) -> str:
    """Return what a Slurm command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout


def _refuse_another_cluster() -> None:
    """Leave a configuration alone that is not ours, or whose controller answers; ours may be of a killed run."""
    for file in (CONFIGURATION / name for name in FILES):
        if file.exists() and not file.read_text().startswith(OURS):
            raise NoCluster(f"{file} is here already: this machine belongs to another cluster")
    if (CONFIGURATION / "slurm.conf").exists() and " UP" in ask("scontrol", "ping"):
        raise NoCluster("another run of these tests has its Slurm here")


def _write_configuration(state: Path) -> None:
    (state / "controller").mkdir(parents=True)
    (state / "node").mkdir()
    CONFIGURATION.mkdir(exist_ok=True)
    text = SLURM_CONF.format(
        host=socket.gethostname().split(".")[0],
        state=state,
        processors=os.cpu_count(),
        memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        controller_port=_free_port(),
        node_port=_free_port(),
    )
    (CONFIGURATION / "slurm.conf").write_text(OURS + text)
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
    with (state / f"{program}.out").open("w") as output:
        return subprocess.Popen(
            [shutil.which(program), *(options or ["-D"])],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
