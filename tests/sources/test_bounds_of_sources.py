"""Archives that unpack without an end and hubs that answer or refuse without one end within stated seconds and MB."""

import gzip
import io
import re
import struct
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
from dsbench.sources import bounded_answers
from dsbench.sources.listing import list_source
from dsbench.sources.source import parse_source
bounded_answers.LONGEST_ANSWER_S = 3.0
try:
    list_source(parse_source("hf:org/model"))
    print("listed")
except BuildError as error:
    print(error)
"""
FETCH = """
import os, sys
os.environ |= {name: sys.argv[1] for name in ("HF_ENDPOINT", "NGC_API_URL")}
os.environ |= {"NO_PROXY": "127.0.0.1", "HF_HOME": os.getcwd()}
from pathlib import Path
from dsbench.core.errors import BuildError
from dsbench.sources import download, hub, ngc
from dsbench.sources.source import RemoteFile
download.SLOW_S, download.PAUSE_S = 1.0, 0.0
fetch = {"hub": hub.fetch_repository_file, "ngc": ngc.fetch_model_file}[sys.argv[2]]
try:
    fetch("org/model", "c0ffee" + "0" * 34, RemoteFile("model.onnx", 10), Path("model.onnx"), Path("parts"))
    print("fetched")
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


def zip_of_many_entries(folder):
    """The table has 60 MB; the end of the archive states one entry."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, 0, *([0] * 7), 1, *([0] * 6)) + b"a"
    table = entry * 1_280_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(table), 0, 0)
    (folder / "a.zip").write_bytes(table + end)
    return folder / "a.zip"


def header(kind, size=0, continued=False):
    entry = tarfile.TarInfo("model.onnx")
    entry.type, entry.size = kind, size
    block = bytearray(entry.tobuf(tarfile.GNU_FORMAT))
    block[482], block[148:156] = continued, b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def tar_of_sparse_headers(folder):
    """Each block of 512 bytes has 21 places of data and says that another block follows."""
    block = b"00000000001\0" * 42 + b"\1" + bytes(7)
    with gzip.open(folder / "a.tar.gz", "wb", 1) as stream:
        stream.write(header(tarfile.GNUTYPE_SPARSE, continued=True))
        for _ in range(128):
            stream.write(block * 2048)
    return folder / "a.tar.gz"


def tar_of_pax(records, kind=tarfile.XHDTYPE, members=1):
    def make(folder):
        with gzip.open(folder / "a.tar.gz", "wb", 1) as stream:
            stream.write(header(kind, len(records)) + records + bytes(-len(records) % 512))
            stream.write(header(tarfile.REGTYPE) * members + bytes(1024))
        return folder / "a.tar.gz"

    return make


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
    "table of a zip": (zip_of_many_entries, "60160000 bytes, expected at most 4194304"),
    "sparse headers": (tar_of_sparse_headers, "more than 1048576 bytes of headers for one member"),
    "records in records": (tar_of_pax(b"2 " * 20_000 + b"="), "a pax header that cannot be read"),
    "a number without an end": (tar_of_pax(b"1" * 1_000_000), "a pax header that cannot be read"),
    "records for all": (
        tar_of_pax(b"".join(b"10 %05d=\n" % n for n in range(9000)), tarfile.XGLTYPE, 5000),
        "more than 100 pax records",
    ),
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
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
# A header of gzip, and blocks that hold nothing.
GZIP, NOTHING = b"\x1f\x8b\x08" + bytes(6) + b"\x03", b"\0\0\0\xff\xff" * 5000
HUBS = {
    "body": ((OK + b"\r\n", b" " * (1 << 16), 0), "answers with more than 33554432 bytes"),
    "body by bytes": ((OK + b"\r\n", b" ", 0.01), "takes more than 3 s for one answer"),
    "header by bytes": ((OK + b"X-Long: ", b"x", 0.01), "takes more than 3 s for one answer"),
    "frame of a chunk by bytes": ((OK + CHUNKED + b"1;", b"x", 0.01), "takes more than 3 s for one answer"),
    "gzip bomb": ((OK + CODED, gzip.compress(bytes(64 << 20), 1), 0), "answers with more than 33554432"),
    "gzip of nothing": ((OK + CODED + GZIP, NOTHING, 0), "answers with more than 33554432"),
    "gzip of nothing, slowly": ((OK + CODED + GZIP, NOTHING, 0.1), "takes more than 3 s for one answer"),
    "behind the end of gzip": ((OK + CODED + gzip.compress(b"{}"), NOTHING, 0), "more than 33554432"),
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


REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
BROKEN = b"HTTP/1.1 500 Error\r\nContent-Type: application/json\r\n"
NO_ACCESS, STATUS = "there is no access|not open to guests", "answers with status 500"
REFUSALS = {
    "body": ((REFUSED + b"\r\n", b" " * (1 << 16), 0), NO_ACCESS),
    "body by bytes": ((BROKEN + b"\r\n", b" ", 0.01), STATUS),
    "frame of a chunk by bytes": ((BROKEN + CHUNKED + b"1;", b"x", 0.01), STATUS),
    "gzip bomb": ((BROKEN + CODED, gzip.compress(bytes(64 << 20), 1), 0), STATUS),
    "gzip of nothing": ((REFUSED + CODED + GZIP, NOTHING, 0), NO_ACCESS),
    "frame of a file's chunk by bytes": (
        (b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"1;", b"x", 0.01),
        "cannot be reached .peer unexpectedly closed connection",
    ),
    "redirect to nowhere": ((b"HTTP/1.1 302 Found\r\n\r\n", b" " * (1 << 16), 0), "answers with status 302"),
}


@pytest.mark.parametrize("home", ["hub", "ngc"])
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_hub_that_answers_for_a_file_without_an_end_is_left(tmp_path, kind, home):
    said, says = REFUSALS[kind]
    with FileServer(Endless) as server:
        server.said = said
        done = run_child(FETCH, server.url, home, folder=tmp_path)
        server.shutdown()
    assert done.status == 0 and re.search(says, done.text), done.text[-800:]
    assert done.seconds < MOST_S and done.peak_mb < MOST_MB
