"""The lock files: what they hold, and how the export environment is installed from them."""

import re
import sys

import pytest

from dsbench.core.errors import BuildError
from dsbench.onnx.export_environment import make_environment, split_lock
from workflow_run import PROJECT

ENTRY = re.compile(r"(?m)^(\S+?)==.*((?:\n +--hash=.*)*)")
# PyTorch's own index has other files under these versions.
WITHOUT_HASHES = {"torch", "torchvision"}


@pytest.mark.parametrize("lock", ["workflow", "test", "export", "tensorrt_parse"])
def test_every_package_of_a_lock_has_hashes_and_no_address(lock):
    text = (PROJECT / f"envs/{lock}.lock").read_text()
    entries = ENTRY.findall(text)
    assert {name for name, hashes in entries if not hashes} == (WITHOUT_HASHES if lock == "export" else set())
    assert entries and "://" not in text and "file:" not in text


def test_what_has_hashes_is_installed_by_them_and_the_rest_of_a_lock_apart():
    lock = (PROJECT / "envs/export.lock").read_text()
    hashed, bare = split_lock(lock)
    assert {name for name, _ in ENTRY.findall(bare)} == WITHOUT_HASHES and "--hash" not in bare
    names = [name for name, _ in ENTRY.findall(lock) if name not in WITHOUT_HASHES]
    assert [name for name, _ in ENTRY.findall(hashed)] == names


def test_a_login_that_pip_quotes_does_not_reach_its_log(tmp_path, monkeypatch):
    python = tmp_path / "python3"
    python.write_text(
        '#!/bin/sh\nmkdir -p "$4/bin"\n'
        'printf "#!/bin/sh\\necho no way to http://me:p@ss@proxy:3128\\nexit 1\\n" > "$4/bin/python"\n'
        'chmod 755 "$4/bin/python"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    (lock := tmp_path / "a.lock").write_text("a==1.0\n")
    with pytest.raises(BuildError, match="`-m pip install` ended with 1; the cause is at the end of"):
        make_environment(tmp_path / "environment", lock, tmp_path / "a.log")
    assert (tmp_path / "a.log").read_text() == "no way to http://proxy:3128\n"
