import stat
import sys

import pytest

from dsbench.tools.tool_run import ToolFailedError, ToolTimeoutError
from dsbench.trtexec.run import asked_workspace_mib, attempt_of, run_build

FOREIGN_NODE = "[a] [E] Could not find any implementation for node {ForeignNode[a...b]}."
NO_MEMORY = "[a] [E] Error[2]: out of memory"


@pytest.fixture
def build(tmp_path):
    """Run a builder whose Python `body` sees its options, with a workspace of 1024 MiB."""

    def run(body, suffix="M"):
        program = tmp_path / "trtexec"
        program.write_text(
            f"#!{sys.executable}\nimport sys\noptions = sys.argv[1:]\n{body}\nprint('built')\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        command = [str(program), "--onnx=m.onnx", f"--memPoolSize=workspace:1024{suffix}"]
        return run_build(command, tmp_path / "build.log", {"driver": "595"}, timeout_s=20)

    return run


def test_build_that_works_is_tried_once(build, tmp_path):
    assert asked_workspace_mib(build("")) == 1024
    assert attempt_of(tmp_path / "build.log") is None
    assert not (tmp_path / "build_attempt1.log").exists()


def test_foreign_node_is_tried_at_optimisation_level_2(build, tmp_path):
    body = f"if '--builderOptimizationLevel=2' not in options: sys.exit(print({FOREIGN_NODE!r}) or 1)"
    assert build(body)[-1] == "--builderOptimizationLevel=2"
    assert FOREIGN_NODE in (tmp_path / "build_attempt1.log").read_text()
    kept = tmp_path / "build_attempt1.log"
    assert (
        attempt_of(tmp_path / "build.log")
        == f"2, with optimisation level 2 after foreign_node; the one before is {kept}"
    )


@pytest.mark.parametrize("suffix", ["M", ""])
def test_build_without_memory_is_tried_with_half_the_workspace(build, tmp_path, suffix):
    body = f"if '--memPoolSize=workspace:256{suffix}' not in options: sys.exit(print({NO_MEMORY!r}) or 1)"
    assert asked_workspace_mib(build(body, suffix)) == 256
    assert attempt_of(tmp_path / "build.log").startswith("3, with half the workspace after out_of_memory")
    assert (tmp_path / "build_attempt2.log").is_file()


@pytest.mark.parametrize(
    ("says", "logs"),
    [
        (FOREIGN_NODE, 2),
        (NO_MEMORY, 3),
        ("[a] [E] Failed to parse onnx file", 1),
        ("[a] [E] something new", 1),
    ],
)
def test_fault_that_no_attempt_cures_is_raised(build, tmp_path, says, logs):
    with pytest.raises(ToolFailedError, match="exit status 1"):
        build(f"sys.exit(print({says!r}) or 1)")
    assert len(list(tmp_path.glob("build*.log"))) == logs


def test_build_that_only_took_too_long_is_not_tried_again(tmp_path):
    program = tmp_path / "trtexec"
    program.write_text(f"#!{sys.executable}\nimport time\nprint({NO_MEMORY!r}, flush=True)\ntime.sleep(60)\n")
    program.chmod(0o755)
    with pytest.raises(ToolTimeoutError, match="without finishing"):
        run_build([str(program), "--memPoolSize=workspace:1024M"], tmp_path / "build.log", {}, timeout_s=2)
    assert not list(tmp_path.glob("build_attempt*.log"))


def test_logs_of_an_earlier_builds_attempts_are_gone(build, tmp_path):
    with pytest.raises(ToolFailedError):
        build(f"sys.exit(print({NO_MEMORY!r}) or 1)")
    assert len(list(tmp_path.glob("build_attempt*.log"))) == 2
    build("")
    assert not list(tmp_path.glob("build_attempt*.log"))


def test_program_that_cannot_be_started_is_not_tried_again(tmp_path):
    with pytest.raises(ToolFailedError, match="cannot be started"):
        run_build([str(tmp_path / "nothing")], tmp_path / "build.log", {}, timeout_s=5)
