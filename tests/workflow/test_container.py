"""NVIDIA's programs from an image: workflow/container with a stand-in for apptainer, and with apptainer where it is."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from debian_packages import NotInstalledError, install
from dsbench.core.errors import BuildError
from dsbench.core.process_identity import start_ticks
from dsbench.machine.runtime import choose_runtime
from dsbench.machine.toolchain import Toolchain
from dsbench.tools.tool_run import ToolFailedError, run_tool
from fake_engine import build
from workflow_run import PROJECT, snakemake

FAKES = PROJECT / "tests/fakes"
CONTAINER = PROJECT / "workflow/container"
PROGRAMS = ("trtexec", "deepstream-app", "gst-launch-1.0", "gst-inspect-1.0")


APPTAINER = shutil.which("apptainer")
# The rest of the image is this machine's /usr, read-only: --nv must not find a pretended nvidia-smi to put there.
# Apptainer would bind /tmp too, where the tests' files are.
ITSELF = f"""#!/bin/sh
shift
export APPTAINERENV_PREPEND_PATH=/opt/image PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec {APPTAINER} exec --no-mount tmp,home --bind /usr:/usr:ro "$@"
"""


class Image:
    """An image with the stand-ins of NVIDIA's programs, in a folder that no bind covers."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        for name in (
            "trtexec",
            "trtexec_grammar.py",
            "deepstream-app",
            "deepstream_grammar.py",
            "fake_nvinfer.py",
        ):
            shutil.copy(FAKES / name, folder)
        # By whose readers the stand-in of trtexec reads its options.
        shutil.copytree(PROJECT / "workflow/embedded/dsembed", folder / "dsembed")

    def program(self, name, *lines):
        """Put a shell script into the image."""
        (self.folder / name).write_text("\n".join(("#!/bin/sh", *lines, "")))
        (self.folder / name).chmod(0o755)


@pytest.fixture(params=["stand-in", *(["apptainer"] if APPTAINER else [])])
def image(request, tmp_path, monkeypatch):
    root, program = tmp_path / "deepstream.sif", tmp_path / "bin/apptainer"
    program.parent.mkdir()
    if request.param == "apptainer":
        program.write_text(ITSELF)
        program.chmod(0o755)
        for folder in ("usr", "proc", "sys", "dev", "tmp", "etc"):
            (root / folder).mkdir(parents=True)
        for name in ("bin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
    else:
        need_bubblewrap()
        program.symlink_to(FAKES / "apptainer")
    here = tmp_path / "job"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f"{CONTAINER}:{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DEEPSTREAM_IMAGE", str(root))
    return Image(root / "opt/image")


def need_bubblewrap():
    """Install what enforces the stand-in's binds; skip where that is not to be had, or not allowed."""
    try:
        install(("bwrap",), ("bubblewrap",))
    except NotInstalledError as error:
        pytest.skip(f"nothing enforces binds here: {error}")
    if subprocess.run(["bwrap", "--ro-bind", "/", "/", "true"], check=False, capture_output=True).returncode:
        pytest.skip("the kernel lets nobody make namespaces here")


def call(*command, **env):
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | env, check=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_of_the_links_name_runs_in_the_image_with_its_arguments_and_status(image, name):
    image.program(name, 'echo "$0|$1|$2"', "exit 7")
    done = call(name, "a b", "--c='d'")
    assert (done.returncode, done.stdout) == (7, f"/opt/image/{name}|a b|--c='d'\n"), done.stderr


def test_program_sees_what_the_build_names_and_nothing_else(image, tmp_path):
    clip = tmp_path / "clips/clip.mp4"
    for file in (clip, tmp_path / "disk/models/engine", tmp_path / "home/secret"):
        file.parent.mkdir(parents=True)
        file.write_text(f"{file.name}\n")
    Path("models").symlink_to(tmp_path / "disk/models")
    image.program(
        "trtexec",
        f"cat models/engine {tmp_path / 'named/clip.mp4'} {PROJECT}/pyproject.toml | head -3",
        "echo kept > models/timing.cache; pwd",
        f"ls {tmp_path / 'home/secret'} || echo unseen",
    )
    named = tmp_path / "named/clip.mp4"
    named.parent.mkdir()
    named.symlink_to(clip)
    done = call("trtexec", CLIP_OF_BUILD=str(named))
    first = (PROJECT / "pyproject.toml").read_text().splitlines()[0]
    assert done.stdout.startswith(f"engine\nclip.mp4\n{first}\n") and done.stdout.endswith(
        f"{Path.cwd()}\nunseen\n"
    )
    assert (tmp_path / "disk/models/timing.cache").read_text() == "kept\n"


def test_more_folders_are_apptainers_own_variable(image, tmp_path):
    (tmp_path / "more").mkdir()
    image.program("trtexec", f"ls -d {tmp_path / 'more'}")
    assert call("trtexec").returncode != 0
    assert call("trtexec", APPTAINER_BIND=str(tmp_path / "more")).returncode == 0


def test_program_has_the_jobs_gpu_and_gstreamers_settings(image):
    image.program("gst-launch-1.0", "echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER $GST_DEBUG_NO_COLOR")
    settings = {"CUDA_VISIBLE_DEVICES": "3", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "GST_DEBUG_NO_COLOR": "1"}
    assert call("gst-launch-1.0", **settings).stdout == "3 PCI_BUS_ID 1\n"


@pytest.mark.parametrize(
    ("named", "says"),
    [("", "has no image for trtexec"), ("/nowhere.sif", "/nowhere.sif, and this node sees no")],
)
def test_missing_image_is_a_sentence(image, named, says):
    done = call("trtexec", DEEPSTREAM_IMAGE=named)
    assert done.returncode != 0 and says in done.stderr


def test_engine_is_built_and_its_log_kept_where_the_build_looks(image, monkeypatch):
    for name in ("m.onnx", "m_fp16.onnx"):
        Path(name).write_bytes(b"onnx")
    build(Path.cwd(), program="trtexec")
    assert Path("m_dynamic_b4.engine").stat().st_size > 0
    monkeypatch.setenv("FAKE_TRTEXEC", "fail")
    with pytest.raises(BuildError):
        build(Path.cwd(), program="trtexec")


def test_sigint_of_a_finished_measurement_reaches_the_program(image):
    image.program(
        "deepstream-app", "trap 'echo stopped; exit 0' INT", "echo ready", "while :; do sleep 0.1; done"
    )
    run_tool(["deepstream-app"], Path("app.log"), {}, timeout_s=120, stop_when=lambda line: "ready" in line)
    assert "stopped" in Path("app.log").read_text()


def test_signal_that_ends_the_program_is_told(image):
    image.program("trtexec", "kill -9 $$")
    with pytest.raises(ToolFailedError, match="signal SIGKILL"):
        run_tool(["trtexec"], Path("tool.log"), {})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_program_ends_with_the_job_that_started_it(image, number):
    image.program(
        "trtexec", "trap '' TERM", "echo $$ > pid.partial; mv pid.partial pid", "while :; do sleep 0.1; done"
    )
    job = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from dsbench.tools.tool_run import *; run_tool(['trtexec'], Path('tool.log'), {})",
        ],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "workflow/scripts")},
    )
    _wait(Path("pid").is_file)
    program = int(Path("pid").read_text())
    assert start_ticks(program)
    job.send_signal(number)
    job.wait()
    _wait(lambda: start_ticks(program) is None)


def _wait(condition, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_versions_are_the_images(image, tmp_path):
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, str(tmp_path / "none"))
    assert toolchain.probe("trtexec") == {"version": "10.16.0"}
    assert toolchain.probe("deepstream")["version"] == "9.1.0"


@pytest.mark.parametrize(("installed", "is_refused"), [("7.1", True), ("9.1", False), ("9.1.0", False)])
def test_folder_of_another_deepstream_than_the_images_is_refused(image, tmp_path, installed, is_refused):
    (tmp_path / "ds").mkdir()
    (tmp_path / "ds/version").write_text(f"Version: {installed}\n")
    toolchain = Toolchain(choose_runtime("nvidia", PROJECT), PROJECT, str(tmp_path / "ds"))
    if is_refused:
        with pytest.raises(BuildError, match=r"has DeepStream 7\.1, .* in the image is 9\.1\.0"):
            toolchain.probe("deepstream")
    else:
        assert toolchain.probe("deepstream")["version"] == "9.1.0"


def test_a_builds_facts_are_the_images_and_the_nodes_driver(image, tmp_path):
    for name in ("gst-inspect-1.0", "gst-launch-1.0", "gst_elements.py"):
        shutil.copy(FAKES / "gstreamer" / name, image.folder)
    (tmp_path / "bin/nvidia-smi").symlink_to(FAKES / "nvidia-smi")
    facts = [
        f"build/toolchain/{fact}.json" for fact in ("runtime", "trtexec", "deepstream", "driver", "encoder")
    ]
    done = snakemake(tmp_path / "job", *facts, config="runtime: nvidia\n")
    assert done.returncode == 0, done.stdout[-3000:]
    runtime, trtexec, deepstream, driver, encoder = [json.loads(Path(fact).read_text()) for fact in facts]
    assert (runtime, trtexec, deepstream["version"]) == ("nvidia", {"version": "10.16.0"}, "9.1.0")
    assert driver == "595.58.03" and encoder["encoder"] == "nvv4l2h264enc"
