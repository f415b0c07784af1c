"""The shell lines by which a run is repeated by hand."""

import subprocess
import sys

import pytest

from dsbench.report.scripts import app_run, stopped_run

APP = """
import select, signal, sys
ended = []
signal.signal(signal.SIGINT, lambda *_: ended.append(True))
for _ in range(10 if "once" in sys.argv[2] else 10_000):
    if ended:
        break
    if select.select([sys.stdin], [], [], 0.05)[0]:
        sys.exit("a key was pressed")
print("ended by SIGINT" if ended else "ended by itself", open(sys.argv[2]).read())
"""


@pytest.mark.parametrize("config", ["my config.txt", "played once.txt"])
def test_app_without_a_terminal_sees_no_keys_and_ends_well(tmp_path, config):
    program = tmp_path / "bin dir/app"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{APP}")
    program.chmod(0o755)
    (tmp_path / config).write_text("100%")
    once = "once" in config
    body = app_run("bin dir/app", config) if once else stopped_run("bin dir/app", config, 1)
    done = subprocess.run(
        ["sh", "-euc", body],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"ended by {'itself' if once else 'SIGINT'} 100%"
