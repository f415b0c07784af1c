"""Archives that unpack without an end and hubs that answer without one are left within stated seconds and MB."""

import gzip
import io
import tarfile
import zipfile
from contextlib import suppress
from time import sleep

import pytest
from file_server import FileServer, Handler

from bounded_child import run_child

MOST_S, MOST_MB = 30, 250
GIB = 1 << 30
UNPACK = """
import sys
from pathlib import Path
from dsbench.core.errors import BuildError
from dsbench.sources.archive import unpack
try:
    unpack(Path(sys.argv[1]), Path("out"))
    print("unpacked")
except BuildError as error:
    print(error)
"""
LIST = """
import os, sys
os.environ |= {"HF_ENDPOINT": sys.argv[1], "NO_PROXY": "127.0.0.1", "HF_HOME": os.getcwd()}
from dsbench.core.errors import BuildError
from dsbench.sources import network_faults
from dsbench.sources.listing import list_source
from dsbench.sources.source import parse_source
network_faults.LONGEST_ANSWER_S = 3.0
try:
    list_source(parse_source("hf:org/model"))
    print("listed")
except BuildError as error:
    print(error)
"""


def zip_bomb(folder):
    with (
        zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened,
        opened.open("model.onnx", "w", force_zip64=True) as member,
    ):
        for _ in range(256):
            member.write(bytes(1 << 20))
    return folder / "a.zip"


def tar_bomb(folder):
    head = tarfile.TarInfo("model.onnx")
    head.size = GIB
    with gzip.open(folder / "a.tar.gz", "wb", 1) as stream:
        stream.write(head.tobuf())
        for _ in range(GIB >> 20):
            stream.write(bytes(1 << 20))
    return folder / "a.tar.gz"


def tar_of(names):
    def make(folder):
        with tarfile.open(folder / "a.tar", "w") as opened:
            for name in names:
                opened.addfile(tarfile.TarInfo(name), io.BytesIO())
        return folder / "a.tar"

    return make


ARCHIVES = {
    "zip bomb": (zip_bomb, "bytes when unpacked, expected at most"),
    "tar bomb": (tar_bomb, "bytes when unpacked, expected at most"),
    "members": (tar_of([f"{number}.json" for number in range(20_000)]), "10000"),
    "folders": (tar_of([f"f{number}/config.json" for number in range(2000)]), "more than 1000 folders"),
    "depth": (tar_of(["/".join("d" * 40) + "/config.json"]), "more than 16 deep"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_without_an_end_is_refused_and_leaves_nothing(tmp_path, kind):
    make, says = ARCHIVES[kind]
    archive = make(tmp_path)
    done = run_child(UNPACK, archive, folder=tmp_path)
    assert done.status == 0 and says in done.text, done.text[-800:]
    assert done.seconds < MOST_S and done.peak_mb < MOST_MB
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


class Endless(Handler):
    """Answers whose body, or header, has no end: as fast as it can, a byte at a time, or coded."""

    def route(self):
        self.close_connection = True
        start, piece, pause_s = self.server.said
        with suppress(OSError):
            self.wfile.write(start)
            while True:
                self.wfile.write(piece)
                sleep(pause_s)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CODED = b"Content-Encoding: gzip\r\n\r\n"
HUBS = {
    "body": ((OK + b"\r\n", b" " * (1 << 16), 0), "answers with more than 33554432 bytes"),
    "body by bytes": ((OK + b"\r\n", b" ", 0.01), "takes more than 3 s for one answer"),
    "header by bytes": ((OK + b"X-Long: ", b"x", 0.01), "takes more than 3 s for one answer"),
    "gzip bomb": ((OK + CODED, gzip.compress(bytes(64 << 20), 1), 0), "answers with more than 33554432"),
}


@pytest.mark.parametrize("kind", HUBS)
def test_a_hub_that_answers_without_an_end_is_left(tmp_path, kind):
    said, says = HUBS[kind]
    with FileServer(Endless) as server:
        server.said = said
        done = run_child(LIST, server.url, folder=tmp_path)
        server.shutdown()
    assert done.status == 0 and says in done.text, done.text[-800:]
    assert done.seconds < MOST_S and done.peak_mb < MOST_MB
