"""A whole build with tokens that would be known again: they go to their hub alone and into nothing that is kept."""

from base64 import b64encode
from threading import Event, Thread

import psutil
from file_server import FileServer, OtherHosts
from hub_server import HubServer, Repository

from workflow_run import PROJECT, snakemake

CANARIES = {"HF_TOKEN": "hf_CanaryOfTheHub0123456789", "NGC_API_KEY": "nvapi-CanaryOfNgc0123456789"}
ENVIRONMENT = "build/.venv_optimum/packages.txt"
REPORTS = [f"models/canary/reports/{name}" for name in ("benchmark_report.pdf", "software_bill.cdx.json")]
BETWEEN_SAMPLES_S = 0.05


def forms(value):
    """Return how a token may stand in a file: as it is, and as a login is coded."""
    return [value.encode(), *(b64encode(start + value.encode())[4:-4] for start in (b"", b"u:", b"us:"))]


def has_canary(content):
    return any(form in content for value in CANARIES.values() for form in forms(value))


def watched_processes(over, seen):
    """Note every command line with a canary in it until the build is over."""
    while not over.wait(BETWEEN_SAMPLES_S):
        for process in psutil.process_iter(["cmdline"]):
            line = "\0".join(process.info["cmdline"] or ())
            if has_canary(line.encode()):
                seen.append(line)


def test_no_token_is_in_a_file_a_log_a_process_list_or_a_request_to_another_host(tmp_path):
    hub, others, job = HubServer(), FileServer(OtherHosts), tmp_path / "job"
    folder = PROJECT / "demo/checkpoint"
    hub.repositories["acme/detector"] = Repository(
        {each.name: each.read_bytes() for each in folder.iterdir()}
    )
    job.mkdir()
    config = "models: {canary: {source: acme/detector}}\n"
    at_home = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HOME": str(tmp_path)} | CANARIES
    made = snakemake(job, ENVIRONMENT, env=at_home, config=config)
    assert made.returncode == 0, made.stdout[-4000:]
    proxies = {name: others.url for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")}
    over, seen = Event(), []
    watcher = Thread(target=watched_processes, args=(over, seen))
    watcher.start()
    try:
        alone = at_home | proxies | {"NO_PROXY": "127.0.0.1,localhost"}
        done = snakemake(job, *REPORTS, env=alone, config=config)
    finally:
        over.set()
        watcher.join()
    assert done.returncode == 0, done.stdout[-8000:]
    assert not has_canary((made.stdout + done.stdout).encode())
    assert seen == []
    files = [file for file in tmp_path.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(files) > 100
    assert [file for file in files if has_canary(file.read_bytes())] == []
    assert {(command, path) for command, path, _ in others.requests} == set(), "no other host is asked"
    told = {True: [], False: []}
    for _, path, headers in hub.requests:
        names = {name.lower(): value for name, value in headers.items()}
        told[names["host"].startswith("127.0.0.1")].append((path, names.get("authorization", "")))
        assert CANARIES["NGC_API_KEY"] not in f"{path} {headers}"
    assert told[False] and not has_canary(str(told[False]).encode()), (
        "the second host has the file and no token"
    )
    assert any(CANARIES["HF_TOKEN"] in given for _, given in told[True]), "the hub itself gets it"
