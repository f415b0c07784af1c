"""make audit tells vulnerabilities from data that cannot be reached, and from packages that nobody looked up."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from file_server import FileServer, Handler

from workflow_run import PROJECT

AUDIT = PROJECT / "envs/audit.sh"
PIP_AUDIT = Path(sys.executable).with_name("pip-audit")
NPM = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
UNKNOWN = "Name Skip Reason\\nmine Dependency not found on PyPI"
# Nobody listens on port 9 of this machine.
NOBODY = "http://user:secret@127.0.0.1:9"


class Advisories(Handler):
    """A server with OSV's interface and npm's, one vulnerability for each name in `server.vulnerable`."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.server.asked.append(asked)
        if self.server.is_broken:
            self.answer(503)
        elif self.path == "/osv":
            self.answer(200, self._of_osv(asked["package"]["name"]))
        else:
            self.answer(200, {name: [_of_npm()] for name in asked if name in self.server.vulnerable})

    def route(self):
        """npm asks which versions of a vulnerable package there are."""
        self.answer(404)

    def _of_osv(self, name):
        if name not in self.server.vulnerable:
            return {}
        package = {"package": {"name": name, "ecosystem": "PyPI"}}
        events = [{"introduced": "0"}, {"fixed": "9.9"}]
        affected = [package | {"ranges": [{"type": "ECOSYSTEM", "events": events}]}]
        return {"vulns": [{"id": "PYSEC-2026-1", "summary": "It leaks.", "affected": affected}]}


def _of_npm():
    told = {"id": 1, "title": "It leaks.", "url": "https://advisory.example/1", "severity": "high"}
    return told | {"vulnerable_versions": "*", "cwe": [], "cvss": {"score": 7, "vectorString": None}}


@pytest.fixture
def advisories():
    server = FileServer(Advisories)
    server.vulnerable, server.asked, server.is_broken = set(), [], False
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def lock(tmp_path):
    file = tmp_path / "a.lock"
    # As in envs/export.lock, not each package has hashes.
    file.write_text(
        f"leaky==1.0\nsound==1.0 ; python_version > '3' \\\n    --hash=sha256:{'0' * 64}\n    # via leaky\n"
    )
    return file


def audited(program, *locks, registry=NOBODY, **environment):
    """Return the status of audit.sh and all that it printed; npm asks `registry`."""
    environment = {
        "no_proxy": "127.0.0.1",
        "npm_config_registry": registry,
        "npm_config_fetch_retries": "0",
    } | environment
    done = subprocess.run(
        ["sh", AUDIT, program, *locks],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | environment,
        # Tests that run in the background of a script ignore it, and so would the shell.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("pip_audit", "status", "says"),
    [
        ("exit 0", 0, "a.lock: no known vulnerability\n"),
        (
            'echo "numpy 1.0 PYSEC-1" > "$8"; exit 1',
            1,
            "ERROR .*a.lock: known vulnerabilities.*\nnumpy 1.0 PYSEC-1",
        ),
        (
            "echo ConnectionError: http://me:secret@host; echo Tip: try; exit 1",
            0,
            r"WARNING .*a.lock: not audited, .*\(ConnectionError: http://host\); OSV_URL names another server",
        ),
        (
            "echo ConnectionError: http://me:not@secret@host; exit 1",
            0,
            r"WARNING .*a.lock: not audited, .*\(ConnectionError: http://host\)",
        ),
        ("exit 1", 0, r"WARNING .*a.lock: not audited, .*\(it gave no reason\)"),
        (
            r'printf "n \033[31m1.0 http://me:secret@host/1" > "$8"; exit 1',
            1,
            r"ERROR .*a.lock: .*\nn \[31m1.0 http://host/1",
        ),
        (
            f'printf "{UNKNOWN}" > "$8"; exit 0',
            0,
            "WARNING .*a.lock: .* that were looked up; these were not:\nName Skip Reason\nmine Dependency not found",
        ),
    ],
)
def test_each_answer_of_pip_audit_is_told_as_what_it_is(tmp_path, lock, pip_audit, status, says):
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{pip_audit}\n")
    program.chmod(0o755)
    found, said = audited(program, lock)
    assert (found, bool(re.search(says, said))) == (status, True), said
    assert "secret" not in said


def test_a_full_disk_is_no_sound_lock(tmp_path, lock):
    status, said = audited("true", lock, TMPDIR=str(tmp_path / "none"))
    assert status == 2 and "no known vulnerability" not in said


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_stopped_leaves_nothing_behind(tmp_path, lock, sent, status):
    (temporary := tmp_path / "temporary").mkdir()
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\nkill -{sent.name[3:]} $PPID\n")
    program.chmod(0o755)
    assert audited(program, lock, TMPDIR=str(temporary))[0] == status
    assert not list(temporary.iterdir())


def test_a_lock_that_is_not_there_is_no_sound_one(tmp_path):
    status, said = audited("true", tmp_path / "no.lock")
    assert status == 1 and "no.lock: no known vulnerability" not in said


def test_a_server_that_answers_is_asked_for_each_package_of_the_lock(advisories, lock):
    address = f"{advisories.url}/osv"
    assert audited(PIP_AUDIT, lock, OSV_URL=address)[1].startswith(f"{lock}: no known vulnerability\n")
    assert sorted(asked["package"]["name"] for asked in advisories.asked) == ["leaky", "sound"]
    advisories.vulnerable = {"leaky"}
    status, said = audited(PIP_AUDIT, lock, OSV_URL=address)
    assert status == 1 and said.startswith(f"ERROR {lock}: known vulnerabilities; update envs/*.in")
    assert re.search(r"^leaky +1\.0 +PYSEC-2026-1 +9\.9", said, re.M) and "sound" not in said


def test_a_server_that_fails_audits_nothing_and_is_told(advisories, lock):
    advisories.is_broken = True
    status, said = audited(PIP_AUDIT, lock, OSV_URL=f"{advisories.url}/osv")
    assert status == 0 and said.startswith(f"WARNING {lock}: not audited, pip-audit has no data ("), said


@NPM
def test_the_lock_of_npm_is_audited_too(advisories):
    lock = "envs/package-lock.json"
    assert audited("true", registry=advisories.url) == (0, f"{lock}: no known vulnerability\n")
    assert len(advisories.asked[0]) > 100
    advisories.vulnerable = {"puppeteer"}
    advisories.asked.clear()
    status, said = audited("true", registry=advisories.url)
    assert status == 1 and said.startswith(f"ERROR {lock}: known vulnerabilities; update envs/package.json")
    assert "It leaks." in said and "https://advisory.example/1" in said
    assert len(advisories.asked) == 1


@NPM
@pytest.mark.parametrize("is_there", [True, False])
def test_a_registry_without_advisories_is_told_without_its_password(advisories, is_there):
    advisories.is_broken = True
    status, said = audited("true", registry=advisories.url if is_there else NOBODY)
    assert status == 0 and "secret" not in said
    assert re.fullmatch(
        r"WARNING envs/package-lock.json: not audited, npm has no data \(.*127\.0\.0\.1.*\)\n", said
    ), said


def test_a_machine_without_npm_is_told(tmp_path):
    for name in ("sh", "mktemp", "rm", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name))
    assert audited("true", PATH=str(tmp_path)) == (
        0,
        "WARNING envs/package-lock.json: not audited, npm is not installed\n",
    )
