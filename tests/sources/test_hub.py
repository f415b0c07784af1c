"""The Hugging Face hub over real HTTP, through huggingface_hub."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import huggingface_hub
import pytest
from hub_server import COMMIT, OTHER_COMMIT, HubServer, Repository
from huggingface_hub import constants

from dsbench.core.errors import BuildError
from dsbench.sources import download
from dsbench.sources import hub as hugging_face
from dsbench.sources.fetch import fetch_source
from dsbench.sources.listing import list_source
from dsbench.sources.source import RemoteFile, parse_source
from small_files import layout, onnx, safetensors, tensor

LARGE = safetensors(
    {"w": {"dtype": "U8", "shape": [3_000_000], "data_offsets": [0, 3_000_000]}}, bytes(3_000_000)
)
TOKEN = "hf_secretTokenOfTheTests"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = HubServer()
    server.repositories["org/model"] = Repository(layout())
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(download, "PAUSE_S", 0)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def fetch(text, folder):
    source = parse_source(text, [folder])
    return fetch_source(source, list_source(source), folder / "downloads")


def test_listing_is_recursive_paged_and_pinned_with_hashes(hub, tmp_path):
    hub.repositories["org/model"].files["deep/er/notes.txt"] = b"x"
    listing = list_source(parse_source("org/model"))
    assert listing.revision == COMMIT
    assert listing.license == "apache-2.0"
    taken = {entry.name: entry for entry in listing.files}
    assert set(taken) == {"README.md", "config.json", "model.safetensors", "preprocessor_config.json"}
    assert len(taken["model.safetensors"].sha256) == 64
    assert len(taken["config.json"].git_sha1) == 40
    assert [entry.name for entry in listing.left] == ["deep/er/notes.txt"]


def test_files_are_those_of_the_commit_and_verified(hub, tmp_path):
    source = parse_source("hf:org/model@main")
    listing = list_source(source)
    repository = hub.repositories["org/model"]
    repository.old[COMMIT], repository.commit = dict(repository.files), OTHER_COMMIT
    repository.files = layout(model__safetensors=safetensors(data=bytes(range(16))))
    folder, provenance = fetch_source(source, listing, tmp_path)
    assert folder == tmp_path / "huggingface/org--model" / COMMIT
    assert (folder / "model.safetensors").read_bytes() == safetensors()
    assert provenance.revision == COMMIT
    assert provenance.requested_revision == "main"
    assert {len(entry.sha256) for entry in provenance.files} == {64}
    assert not [path for path in hub.requests if "/resolve/main/" in path[1]]


def test_second_fetch_asks_the_hub_for_nothing(hub, tmp_path):
    source = parse_source("org/model")
    listing = list_source(source)
    fetch_source(source, listing, tmp_path)
    before = len(hub.requests)
    fetch_source(source, listing, tmp_path)
    assert len(hub.requests) == before


def test_pickled_weights_beside_safetensors_are_not_downloaded(hub, tmp_path):
    hub.repositories["org/model"].files["pytorch_model.bin"] = b"\x80\x04pickle"
    folder, _ = fetch("org/model", tmp_path)
    assert not (folder / "pytorch_model.bin").exists()
    assert hub.fetched("pytorch_model.bin") == 0


def test_a_non_detector_is_refused_before_its_weights_are_downloaded(hub, tmp_path):
    hub.repositories["org/model"].files = layout(
        config__json={"architectures": ["ViTForImageClassification"]}
    )
    with pytest.raises(BuildError, match="ViTForImageClassification is not an object detector"):
        fetch("org/model", tmp_path)
    assert hub.fetched("model.safetensors") == 0


def test_external_data_of_an_onnx_is_downloaded_with_it(hub, tmp_path):
    model = onnx(tensor(external={"location": "model.onnx_data", "length": "16"}))
    hub.repositories["org/model"].files = layout(
        **{"onnx/model.onnx": model, "onnx/model.onnx_data": bytes(16)}
    )
    folder, provenance = fetch("org/model", tmp_path)
    assert (folder / "onnx/model.onnx_data").read_bytes() == bytes(16)
    assert "model.safetensors" not in {entry.name for entry in provenance.files}


def test_a_connection_cut_in_the_middle_is_resumed(hub, tmp_path):
    hub.repositories["org/model"].files["model.safetensors"] = LARGE
    hub.cut["model.safetensors"] = [1_200_000, 900_000]
    folder, _ = fetch("org/model", tmp_path)
    assert (folder / "model.safetensors").read_bytes() == LARGE
    ranges = [h.get("range", h.get("Range")) for _, path, h in hub.requests if path.startswith("/cdn")]
    assert ranges[0] is None and all(r.startswith("bytes=") for r in ranges[1:])
    assert len(ranges) == 3
    assert not list((tmp_path / "downloads/partial").iterdir())


def test_a_connection_that_never_holds_ends_in_a_sentence_and_keeps_the_part(hub, tmp_path):
    hub.repositories["org/model"].files["model.safetensors"] = LARGE
    hub.cut["model.safetensors"] = [1_000_000] + [0] * 20
    with pytest.raises(BuildError, match=r"model\.safetensors: the connection failed 5 times at \d+ bytes"):
        fetch("org/model", tmp_path)
    kept = list((tmp_path / "downloads/partial").iterdir())
    assert len(kept) == 1 and 0 < kept[0].stat().st_size <= 1_000_000
    assert not (tmp_path / f"downloads/huggingface/org--model/{COMMIT}/model.safetensors").exists()


def test_altered_content_is_never_kept(hub, tmp_path):
    repository = hub.repositories["org/model"]
    repository.listed = dict(repository.files)
    for name in ("config.json", "model.safetensors"):
        repository.files = repository.listed | {name: bytes(len(repository.listed[name]))}
        with pytest.raises(BuildError, match=f"{name}: what arrived twice has (SHA-256|Git hash)"):
            fetch("org/model", tmp_path)
        assert not list(tmp_path.rglob(name))
        assert not list((tmp_path / "downloads/partial").iterdir())


def test_a_server_that_sends_more_than_it_listed_is_stopped(hub, tmp_path):
    repository = hub.repositories["org/model"]
    repository.listed = dict(repository.files)
    repository.files = repository.files | {"model.safetensors": LARGE}
    with pytest.raises(BuildError, match="sends more than the"):
        fetch("org/model", tmp_path)


@pytest.mark.parametrize(
    ("refusal", "kind", "says"),
    [
        (
            (401, {"X_Error_Code": "GatedRepo"}),
            "GatedError",
            "gated; accept its terms at https://huggingface.co/org",
        ),
        ((403, {"X_Error_Code": "GatedRepo"}), "GatedError", "gated; accept its terms"),
        ((404, {"X_Error_Code": "RepoNotFound"}), "MissingError", r"not on the hub \(404\)"),
        ((401, {"X_Error_Code": "RepoNotFound"}), "PrivateError", "private, or it does not exist"),
        (
            (403, {"X_Request_Id": "Root=1"}),
            "PrivateError",
            "private, and without HF_TOKEN there is no access",
        ),
        (
            (429, {"Retry_After": "77"}),
            "RateLimitedError",
            r"rate limit is reached \(429\); run the same command in 77 s",
        ),
        (
            (429, {"RateLimit": '"api";r=0;t=55'}),
            "RateLimitedError",
            "run the same command in 55 s; with HF_TOKEN",
        ),
        ((451, {}), "MissingError", r"withheld for legal reasons \(451\)"),
        ((429, {}), "RateLimitedError", "in some minutes; with HF_TOKEN set the limit is higher"),
        ((500, {}), "UnreachableError", "answers with status 500"),
        ((503, {}), "UnreachableError", "answers with status 503"),
        ((200, {}), "UnreachableError", "answered something that is no model listing"),
    ],
)
def test_each_refusal_has_its_own_sentence(hub, refusal, kind, says):
    hub.repositories["org/model"].refusal = refusal
    with pytest.raises(getattr(hugging_face, kind), match=f"^org/model: .*{says}"):
        list_source(parse_source("org/model"))


def test_a_revision_that_does_not_exist_is_named(hub):
    with pytest.raises(hugging_face.MissingError, match="org/model: has no revision 'v9'"):
        list_source(parse_source("org/model@v9"))


def test_a_hub_that_is_not_there_is_unreachable(hub, monkeypatch):
    hub.shutdown()
    hub.server_close()
    with pytest.raises(
        hugging_face.UnreachableError,
        match=r"cannot be reached .*check the network, the address in HF_ENDPOINT",
    ):
        list_source(parse_source("org/model"))


def test_rate_limit_in_the_middle_of_the_downloads_is_named(hub, tmp_path):
    source = parse_source("org/model")
    listing = list_source(source)
    hub.repositories["org/model"].refusal = (429, {})
    with pytest.raises(hugging_face.RateLimitedError):
        fetch_source(source, listing, tmp_path)


def test_token_goes_to_the_hub_only_and_into_no_error(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch("org/model", tmp_path)
    sent = {path: {k.lower(): v for k, v in h.items()}.get("authorization") for _, path, h in hub.requests}
    assert sent["/api/models/org/model"] == f"Bearer {TOKEN}"
    assert [value for path, value in sent.items() if path.startswith("/cdn")] == [None]
    hub.repositories["org/model"].refusal = (
        401,
        {"X_Error_Message": "Invalid credentials in Authorization header"},
    )
    with pytest.raises(hugging_face.PrivateError, match="the hub refuses HF_TOKEN") as error:
        list_source(parse_source("org/model"))
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize(
    "elsewhere", ["http://localhost:{port}/x", "//localhost:{port}/x", "http://127.0.0.1:9/x"]
)
def test_next_page_at_another_host_is_not_asked_for(hub, monkeypatch, elsewhere):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.repositories["org/model"].next_page = elsewhere.format(port=hub.server_address[1])
    with pytest.raises(
        hugging_face.UnreachableError, match=r"names a next page at .*, another host, which is not"
    ):
        list_source(parse_source("org/model"))
    assert [path for _, path, _ in hub.requests if path == "/x"] == []


def test_endless_pages_are_no_model(hub, monkeypatch):
    monkeypatch.setattr(hugging_face, "MOST_PAGES", 3)
    page = f"/api/models/org/model/tree/{COMMIT}?recursive=true"
    hub.repositories["org/model"].next_page = page
    with pytest.raises(hugging_face.HubError, match="its list goes on after 3 pages"):
        list_source(parse_source("org/model"))


def test_offline_without_the_files_is_a_sentence(hub, tmp_path, monkeypatch):
    source = parse_source("org/model")
    listing = list_source(source)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(hugging_face.UnreachableError, match=r"HF_HUB_OFFLINE is set and config\.json"):
        fetch_source(source, listing, tmp_path)
    with pytest.raises(hugging_face.UnreachableError, match="not in the hub's cache"):
        list_source(source)


def test_offline_takes_the_hub_clients_own_cache(hub, tmp_path, monkeypatch):
    huggingface_hub.snapshot_download(
        "org/model", token=False, endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(hub.requests)
    folder, provenance = fetch("org/model", tmp_path)
    assert provenance.revision == COMMIT
    assert provenance.license == "mit"
    assert (folder / "model.safetensors").read_bytes() == safetensors()
    assert not (folder / "model.safetensors").is_symlink()
    assert len(hub.requests) == before


def test_a_damaged_file_of_the_hub_clients_cache_is_downloaded_instead(hub, tmp_path):
    huggingface_hub.snapshot_download(
        "org/model", token=False, endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE
    )
    cached = next(Path(constants.HF_HUB_CACHE).rglob("model.safetensors")).resolve()
    cached.write_bytes(bytes(cached.stat().st_size))
    folder, _ = fetch("org/model", tmp_path)
    assert (folder / "model.safetensors").read_bytes() == safetensors()


CANARY = b"what this user alone may read"


def named_by_hash(folder):
    return folder / hashlib.sha256(CANARY).hexdigest()


@pytest.mark.parametrize("is_offline", [True, False])
@pytest.mark.parametrize(
    "lead",
    [
        lambda snapshot, private, blobs: (snapshot / "README.md").symlink_to(private),
        # A name that is a hash, of other bytes.
        lambda snapshot, private, blobs: (
            (blobs / ("0" * 64)).symlink_to(private),
            (snapshot / "README.md").symlink_to(blobs / ("0" * 64)),
        ),
        lambda snapshot, private, blobs: os.mkfifo(snapshot / "README.md"),
        lambda snapshot, private, blobs: (snapshot / "README.md").symlink_to("/dev/zero"),
        # Even a private file that has its own hash as its name.
        lambda snapshot, private, blobs: (snapshot / "README.md").symlink_to(
            private.rename(named_by_hash(private.parent))
        ),
    ],
    ids=["link", "link by a blob", "pipe", "device", "named by its hash"],
)
def test_a_link_in_a_shared_cache_brings_no_private_file(hub, tmp_path, monkeypatch, lead, is_offline):
    huggingface_hub.snapshot_download(
        "org/model", token=False, endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE
    )
    (private := tmp_path / "private").mkdir()
    (private / "id_rsa").write_bytes(CANARY)
    readme = next(Path(constants.HF_HUB_CACHE).rglob("README.md"))
    readme.unlink()
    lead(readme.parent, private / "id_rsa", readme.parents[2] / "blobs")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", is_offline)
    folder, provenance = fetch("org/model", tmp_path)
    assert ("README.md" in {file.name for file in provenance.files}) is not is_offline
    assert all(CANARY not in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_cached_file_without_a_hash_is_not_copied(hub, tmp_path, monkeypatch):
    huggingface_hub.snapshot_download(
        "org/model", token=False, endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE
    )
    for link in Path(constants.HF_HUB_CACHE).rglob("snapshots/*/*"):
        content = link.read_bytes()
        link.unlink()
        link.write_bytes(content)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(hugging_face.UnreachableError, match="no file that is named by its hash"):
        fetch("org/model", tmp_path)


def test_a_cached_commit_of_too_many_files_is_no_repository(hub, tmp_path, monkeypatch):
    huggingface_hub.snapshot_download(
        "org/model", token=False, endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hugging_face, "MOST_FILES", 3)
    with pytest.raises(hugging_face.HubError, match="more than 3 files"):
        fetch("org/model", tmp_path)


DOWNLOADER = """
import sys, httpx, time
from pathlib import Path
from dsbench.sources import download
from dsbench.sources.source import RemoteFile
told = download.Progress.reached
def slow(self, size):
    time.sleep(0.02); told(self, size)
download.Progress.reached = slow
download.fetch_file(httpx.Client(), sys.argv[1], {}, RemoteFile("f", int(sys.argv[2]), sys.argv[3]),
    Path(sys.argv[4]) / "f", Path(sys.argv[4]) / "partial", httpx.Response.raise_for_status)
"""


def start(hub, folder, digest):
    url = f"{hub.url}/cdn/{digest}/f"
    return subprocess.Popen(
        [sys.executable, "-c", DOWNLOADER, url, str(len(LARGE)), digest, str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture
def blob(hub):
    import hashlib

    digest = hashlib.sha256(LARGE).hexdigest()
    hub.blobs[digest] = LARGE
    return digest


def wait_for_part(folder):
    for _ in range(500):
        if any(path.stat().st_size > 300_000 for path in folder.glob("partial/*")):
            return
        time.sleep(0.02)
    raise AssertionError("no partial file grew")


def test_a_killed_download_goes_on_where_it_was(hub, tmp_path, blob):
    process = start(hub, tmp_path, blob)
    wait_for_part(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "f").exists()
    wanted = RemoteFile("f", len(LARGE), blob)
    check = httpx.Response.raise_for_status
    with httpx.Client() as client:
        download.fetch_file(
            client, f"{hub.url}/cdn/{blob}/f", {}, wanted, tmp_path / "f", tmp_path / "partial", check
        )
    assert (tmp_path / "f").read_bytes() == LARGE
    first, second = (h.get("range", h.get("Range")) for _, _, h in hub.requests)
    assert first is None and int(second.removeprefix("bytes=").rstrip("-")) > 300_000
    assert not list((tmp_path / "partial").iterdir())


def test_a_second_process_waits_and_downloads_nothing(hub, tmp_path, blob):
    one = start(hub, tmp_path, blob)
    wait_for_part(tmp_path)
    two = start(hub, tmp_path, blob)
    assert (one.wait(30), two.wait(30)) == (0, 0)
    assert len(hub.requests) == 1


def test_a_part_of_another_host_blocks_only_while_it_grows(hub, tmp_path, blob, monkeypatch):
    monkeypatch.setattr(download, "STALL_S", 0.3)
    monkeypatch.setattr(download, "POLL_S", 0.05)
    (tmp_path / "partial").mkdir()
    left = tmp_path / "partial/key.1@another-host"
    left.write_bytes(LARGE[:1000])
    started = time.monotonic()
    own = download.claim(tmp_path / "partial", "key", tmp_path / "f", print)
    assert time.monotonic() - started >= 0.3
    assert own.read_bytes() == LARGE[:1000]
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_named(hub, tmp_path):
    (tmp_path / "downloads").write_text("a file where the folder should be")
    with pytest.raises(BuildError, match=r"config\.json: cannot be written \(Not a directory\)"):
        fetch("org/model", tmp_path)


def test_progress_is_told_at_most_every_interval(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(download.time, "monotonic", lambda: now[0])
    progress = download.Progress("model.safetensors", 100 << 20, 0)
    for step in range(1, 101):
        now[0] = step / 10
        progress.reached(step << 20)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "downloading model.safetensors: 50.0 of 100.0 MiB, 10.0 MiB/s",
        "downloading model.safetensors: 100.0 of 100.0 MiB, 10.0 MiB/s",
    ]
