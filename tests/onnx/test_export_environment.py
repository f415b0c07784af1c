"""The lock files: what they hold, and how the export environment is installed from them."""

import re

import pytest

from dsbench.onnx.export_environment import split_lock
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
