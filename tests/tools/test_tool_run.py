import os
import re
import resource
import stat
import sys

import pytest

from dsbench.core.errors import BuildError
from dsbench.tools.tool_run import ToolFailedError, ended_utc, run_in_time, run_tool


def tool(tmp_path, body):
    program = tmp_path / "tool"
    program.write_text(f"#!{sys.executable}\nimport sys, time, signal\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def printed(log):
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


def test_output_goes_to_the_log_below_command_and_facts(tmp_path):
    log = tmp_path / "logs/x.log"
    run_tool(
        [tool(tmp_path, "print('out'); print('err', file=sys.stderr)"), "a b"], log, {"driver": '"595.58"'}
    )
    lines = log.read_text().splitlines()
    assert lines[0].startswith("# command: ") and lines[0].endswith("'a b'")
    assert lines[1] == '# driver: "595.58"'
    assert {"out", "err"} <= set(lines)


def test_other_output_cuts_no_line(tmp_path):
    body = """
for i in range(200):
    print("a", end="", flush=True)
    print("other", file=sys.stderr, flush=True)
    print("b", flush=True)
"""
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, body)], log, {})
    assert sorted(printed(log)) == ["ab"] * 200 + ["other"] * 200


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("print('[x] [E] out of memory'); sys.exit(1)", r"exit status 1: \[x\] \[E\] out of memory"),
        ("import os; os.kill(os.getpid(), signal.SIGSEGV)", "signal SIGSEGV and printed nothing"),
        ("sys.exit(143)", "exit status 143"),
    ],
)
def test_failure_is_named(tmp_path, body, says):
    with pytest.raises(ToolFailedError, match=says):
        run_tool([tool(tmp_path, body)], tmp_path / "x.log", {})


def test_tool_has_no_token_in_its_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_sEcRe7")
    monkeypatch.setenv("NGC_API_KEY", "nvapi-sEcRe7")
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, "import os; print(os.environ)")], log, {})
    assert "PATH" in log.read_text() and "sEcRe7" not in log.read_text()


def test_missing_program_is_named(tmp_path):
    with pytest.raises(ToolFailedError, match="cannot be started"):
        run_tool([str(tmp_path / "nothing")], tmp_path / "x.log", {})


def test_hanging_tool_is_stopped(tmp_path):
    with pytest.raises(ToolFailedError, match=r"was stopped after 0\.5 s"):
        run_tool([tool(tmp_path, "time.sleep(60)")], tmp_path / "x.log", {}, timeout_s=0.5)


def test_tool_is_ended_by_sigint_and_its_last_words_are_kept(tmp_path):
    body = """
interrupted = []
signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
for i in range(6000):
    print(i, flush=True)
    time.sleep(0.01)
    if interrupted:
        break
print("interrupted" if interrupted else "never")
"""
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, body)], log, {}, stop_when=lambda line: line.strip() == "5")
    assert printed(log)[-1] == "interrupted"


def test_tool_that_ignores_sigint_is_killed_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("dsbench.tools.tool_run.INTERRUPT_GRACE_S", 0.5)
    body = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    print("row", flush=True)
    time.sleep(0.01)
"""
    with pytest.raises(ToolFailedError, match=r"went on for 0\.5 s after SIGINT and was killed"):
        run_tool([tool(tmp_path, body)], tmp_path / "x.log", {}, stop_when=lambda line: "row" in line)


def test_standard_input_stays_open(tmp_path):
    body = "import select; print(len(select.select([sys.stdin], [], [], 0.2)[0]))"
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, body)], log, {})
    assert printed(log)[-1] == "0"


def test_stream_muxer_is_the_one_the_configuration_is_for(tmp_path, monkeypatch):
    monkeypatch.setenv("USE_NEW_NVSTREAMMUX", "yes")
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, "import os; print(os.environ['USE_NEW_NVSTREAMMUX'])")], log, {})
    assert log.read_text().splitlines()[-2] == "no"


def test_debug_file_of_the_user_does_not_take_lines_out_of_the_log(tmp_path, monkeypatch):
    monkeypatch.setenv("GST_DEBUG_FILE", str(tmp_path / "gst.log"))
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, "import os; print('GST_DEBUG_FILE' in os.environ)")], log, {})
    assert printed(log)[-1] == "False"


def test_a_tool_may_open_as_many_files_as_the_hard_limit_allows(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        log = tmp_path / "x.log"
        run_tool(
            [tool(tmp_path, "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])")], log, {}
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert int(printed(log)[-1]) == min(hard, 65536)


def test_log_says_when_the_tool_ended(tmp_path):
    log = tmp_path / "x.log"
    run_tool([tool(tmp_path, "print('done')")], log, {})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ended_utc(log))
    log.write_text("cut off")
    with pytest.raises(BuildError, match="its last line is 'cut off'"):
        ended_utc(log)


def test_a_program_that_fetches_writes_no_login_and_no_token(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secretOfTheTests")
    log = tmp_path / "pip.log"
    said = "no way to http://me:p@ss@proxy:3128/ with hf_secretOfTheTests"
    with log.open("w") as output:
        assert run_in_time(["sh", "-c", f"echo '{said}' >&2; exit 3"], output, 60, dict(os.environ)) == 3
    assert log.read_text() == "no way to http://proxy:3128/ with <HF_TOKEN>\n"


@pytest.mark.parametrize(
    ("script", "timeout_s", "ended"),
    [("sleep 60 & echo begun", 50, 0), ("echo begun; sleep 60", 1, "no answer after 1 s")],
    ids=["child left behind", "no end"],
)
def test_what_a_program_leaves_behind_ends_with_it(tmp_path, script, timeout_s, ended):
    log = tmp_path / "npm.log"
    with log.open("w") as output:
        assert run_in_time(["sh", "-c", script], output, timeout_s, dict(os.environ)) == ended
    assert log.read_text() == "begun\n"
