"""Hostile and broken source texts, model names and archives: each ends in its sentence and leaves nothing."""

import gzip
import io
import os
import stat
import tarfile
import zipfile

import pytest

from dsbench.core.errors import BuildError
from dsbench.dag.names import check_targets
from dsbench.sources import archive as archives
from dsbench.sources.archive import ArchiveError, unpack
from dsbench.sources.source import SourceError, parse_source

HUB = "https://huggingface.co"
NGC = "https://catalog.ngc.nvidia.com/orgs/nvidia/teams/tao/models/net"

SOURCES = [
    ("", "no usable text"),
    (" ", "no usable text"),
    (" org/name", "no usable text"),
    ("org/name\n", "no usable text"),
    ("org/na\x00me", "no usable text"),
    ("org/na\x1b[31mme", "no usable text"),
    ("org/na\u202eme", "no usable text"),
    ("o" * 1001, "no usable text"),
    ("ftp://huggingface.co/org/name", "not a kind of source"),
    ("file:///etc/passwd", "not a kind of source"),
    ("s3://bucket/model", "not a kind of source"),
    ("git+https://huggingface.co/org/name", "not a kind of source"),
    ("javascript:alert(1)", "not a kind of source"),
    ("http://huggingface.co/org/name", "expected a plain https://"),
    ("https://huggingface.co:8443/org/name", "expected a plain https://"),
    ("https://huggingface.co:99999/org/name", "not a URL that can be read"),
    ("https://[::1/org/name", "not a URL that can be read"),
    ("https://huggingface.co.evil.org/org/name", "is not a model hub"),
    ("https://evil.org/huggingface.co/org/name", "is not a model hub"),
    ("https://huggingface.co@evil.org/org/name", "a user name, password or token is refused"),
    ("https://user:secret@huggingface.co/org/name", "a user name, password or token is refused"),
    ("https://huggingface.co/org/name?token=secret", "a user name, password or token is refused"),
    ("https://github.com/org/name", "is not a model hub"),
    (f"{HUB}", "not a model's address|not a repository name"),
    (f"{HUB}/org", "not a model's address|not a repository name"),
    (f"{HUB}/datasets/org/name", "one of the hub's datasets"),
    (f"{HUB}/spaces/org/name", "one of the hub's spaces"),
    (f"{HUB}/org/name/tree", "not a model's address"),
    (f"{HUB}/org/name/discussions/1", "not a model's address"),
    (f"{HUB}/org/name/tree/main/onnx", "one folder of a repository"),
    (f"{HUB}/org/name/tree/..%2F..%2Fetc", "is not a revision"),
    (f"{HUB}/org/name/resolve/main/pytorch_model.bin", "may hold a Python pickle"),
    (f"{HUB}/org/name/blob/main/modeling.py", "program code, which is never run"),
    (f"{HUB}/org/name/resolve/main/../x.onnx", "one folder of a repository"),
    (f"{HUB}/../name", "not a repository name"),
    (f"{HUB}/org/na me", "not a repository name"),
    (f"{HUB}/org/na%0Ame", "not a repository name"),
    (f"{HUB}/org/$(id)", "not a repository name"),
    ("hf:", "not a repository name"),
    ("hf:name", "not a repository name"),
    ("hf:org/name/more", "not a repository name"),
    ("hf:org/../name", "not a repository name"),
    ("hf:org/..", "not a repository name"),
    ("hf:../name", "not a repository name"),
    ("hf:org/a--b", "not a repository name"),
    ("hf:org/name.git", "not a repository name"),
    ("hf:org/'name'", "not a repository name"),
    ("hf:org/name;id", "not a repository name"),
    ("hf:org/name@", "not a repository name"),
    ("hf:org/name@a b", "is not a revision"),
    ("hf:org/name@../main", "is not a revision"),
    ("hf:org/name@a/../b", "is not a revision"),
    ("hf:org/name@-rf", "is not a revision"),
    ("hf:org/name@$(id)", "is not a revision"),
    ("hf:org/name@" + "a" * 201, "is not a revision"),
    ("org/name@a@b", "is not a revision"),
    ("no_such_folder", "no such file or folder"),
    ("/no/such/folder", "no such file or folder"),
    ("../no_such_folder", "no such file or folder"),
    ("no/such/folder", "no such file or folder"),
    ("~nobody-of-this-name/m", "no such file or folder|not on the hub"),
    ("a" * 260, "no such file or folder"),
    ("org/model.onnx", "no such file or folder"),
    ("org/model.pt", "no such file or folder"),
    ("$(id)", "no such file or folder"),
    ("`id`", "no such file or folder"),
    ("org/name; rm -rf ~", "no such file or folder"),
    ("https://catalog.ngc.nvidia.com/", "not a model of NGC's catalogue"),
    ("https://catalog.ngc.nvidia.com/orgs/nvidia/containers/tritonserver", "not a model of NGC's catalogue"),
    ("https://catalog.ngc.nvidia.com/orgs/nvidia/teams/tao/models", "not a model of NGC's catalogue"),
    ("https://catalog.ngc.nvidia.com/orgs/../models/net", "is not a name NGC gives"),
    ("https://catalog.ngc.nvidia.com/orgs/a%2Fb/models/net", "is not a name NGC gives"),
    (f"{NGC}?version=../../x", "is not a name NGC gives"),
    (f"{NGC}?version=a b", "is not a name NGC gives"),
    (f"{NGC}?version=$(id)", "is not a name NGC gives"),
]


@pytest.mark.parametrize(("text", "says"), SOURCES)
def test_source_text_is_refused(tmp_path, text, says):
    with pytest.raises(SourceError, match=says) as error:
        parse_source(text, [tmp_path])
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)
    assert "secret" not in str(error.value)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model.pt", "may hold a Python pickle"),
        ("model.pth", "may hold a Python pickle"),
        ("pytorch_model.bin", "may hold a Python pickle"),
        ("model.pkl", "may hold a Python pickle"),
        ("model.ckpt", "may hold a Python pickle"),
        ("MODEL.PT", "may hold a Python pickle"),
        ("model.h5", "a TensorFlow model"),
        ("model.pb", "a TensorFlow model"),
        ("model.engine", "a TensorRT engine"),
        ("model.plan", "a TensorRT engine"),
        ("model.etlt", "encrypted by TAO"),
        ("model.tlt", "encrypted by TAO"),
        ("model.gguf", "a language-model format"),
        ("model.xml", "an OpenVINO model"),
        ("model.nemo", "an archive of pickled weights"),
        ("model.py", "program code"),
        ("model.safetensors", "must be a folder in Hugging Face layout or an .onnx file"),
        ("config.json", "must be a folder in Hugging Face layout or an .onnx file"),
    ],
)
def test_lone_file_of_another_kind_is_refused_unopened(tmp_path, name, says):
    (tmp_path / name).write_bytes(b"\x80\x04cos\nsystem\n")
    (tmp_path / name).chmod(0)
    with pytest.raises(SourceError, match=says):
        parse_source(str(tmp_path / name))


def test_pipes_and_dangling_links_are_no_sources(tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "link.onnx").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match="neither a regular file nor a folder"):
        parse_source(str(tmp_path / "pipe.onnx"))
    with pytest.raises(SourceError, match="cannot be read"):
        parse_source(str(tmp_path / "link.onnx"))


NAMES = [
    "..",
    ".",
    "",
    "a b",
    "a'b",
    'a"b',
    "$(id)",
    "`id`",
    "a;b",
    "a&b",
    "a|b",
    "-rf",
    "_a",
    "a\nb",
    "a" * 65,
    "ä",
]


@pytest.mark.parametrize("name", NAMES)
def test_model_name_in_a_target_is_refused(name):
    with pytest.raises(BuildError, match="letters, digits, _ and - only"):
        check_targets([f"models/{name}/model/x.onnx"], {}, "org/name")


def zip_entry(name, content=b"x", mode=stat.S_IFREG | 0o644, size=None):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry, content


def zip_file(path, *entries, **keywords):
    with zipfile.ZipFile(path, "w", **keywords) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return path


def tar_entry(name, content=b"x", kind=tarfile.REGTYPE, link=""):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, link, len(content) if kind == tarfile.REGTYPE else 0
    return entry, content


def tar_file(path, *entries):
    with tarfile.open(path, "w:gz") as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
    return path


LEAVES = "would leave the folder"
BAD_NAME = "characters or a length that are refused"
ZIPS = [
    ([zip_entry("../evil.onnx")], LEAVES),
    ([zip_entry("a/../../evil.onnx")], LEAVES),
    ([zip_entry("/etc/evil.onnx")], LEAVES),
    ([zip_entry("a//b.onnx")], LEAVES),
    ([zip_entry("./a.onnx")], LEAVES),
    ([zip_entry("..\\evil.onnx")], BAD_NAME),
    ([zip_entry("C:\\evil.onnx")], BAD_NAME),
    ([zip_entry("C:evil.onnx")], BAD_NAME),
    ([zip_entry("a\nb.onnx")], BAD_NAME),
    ([zip_entry("a\x1b[2Jb.onnx")], BAD_NAME),
    ([zip_entry("$(id).onnx")], BAD_NAME),
    ([zip_entry("a" * 300 + ".onnx")], BAD_NAME),
    ([zip_entry("/".join("ab" * 200) + ".onnx")], BAD_NAME),
    ([zip_entry("a.onnx", b"/etc/passwd", stat.S_IFLNK | 0o777)], "is a symbolic link"),
    ([zip_entry("a.onnx", b"", stat.S_IFIFO | 0o644)], "a device or pipe"),
    ([zip_entry("a.onnx", b"", stat.S_IFBLK | 0o644)], "a device or pipe"),
    ([zip_entry("a.onnx"), zip_entry("A.ONNX")], "is there twice"),
    ([zip_entry("a"), zip_entry("a/b.onnx")], "cannot be unpacked"),
    ([zip_entry(f"{n}.txt", b"") for n in range(10_001)], "more than 10000 members"),
    ([zip_entry(f"{n}/a.txt", b"") for n in range(1001)], "one of more than 1000 folders"),
    ([zip_entry("d/" * 16 + "a.onnx")], "more than 16 deep"),
]
TARS = [
    ([tar_entry("../evil.onnx")], LEAVES),
    ([tar_entry("a/../../evil.onnx")], LEAVES),
    ([tar_entry("/etc/evil.onnx")], LEAVES),
    ([tar_entry("a.onnx", kind=tarfile.SYMTYPE, link="/etc/passwd")], "is a symbolic link"),
    ([tar_entry("d", kind=tarfile.SYMTYPE, link="/tmp"), tar_entry("d/a.onnx")], "is a symbolic link"),
    ([tar_entry("a.onnx", kind=tarfile.LNKTYPE, link="../../etc/passwd")], "is a hard link"),
    ([tar_entry("a.onnx", kind=tarfile.FIFOTYPE)], "a device or pipe"),
    ([tar_entry("a.onnx", kind=tarfile.CHRTYPE)], "a device or pipe"),
    ([tar_entry("a.onnx", kind=tarfile.BLKTYPE)], "a device or pipe"),
    ([tar_entry("a\nb.onnx")], BAD_NAME),
    ([tar_entry("a\\..\\b.onnx")], BAD_NAME),
    ([tar_entry("a.onnx"), tar_entry("a.onnx")], "is there twice"),
]


@pytest.mark.parametrize(
    ("make", "entries", "says"),
    [(zip_file, entries, says) for entries, says in ZIPS]
    + [(tar_file, entries, says) for entries, says in TARS],
)
def test_archive_is_refused_and_nothing_is_unpacked(tmp_path, make, entries, says):
    name = "a.zip" if make is zip_file else "a.tar.gz"
    archive = make(tmp_path / name, *entries)
    with pytest.raises(ArchiveError, match=f"^{name}: .*{says}"):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bombs_are_refused_before_they_are_unpacked(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.onnx", bytes(100 << 20))
    with pytest.raises(ArchiveError, match="104857600 bytes when unpacked, expected at most"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("is_broken", [False, True])
def test_zip_of_other_methods_is_refused_before_it_is_read(tmp_path, method, is_broken):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        opened.writestr("a.onnx", b"x" * 5000)
    if is_broken:
        content = bytearray(archive.read_bytes())
        content[50:56] = b"\xff" * 6
        archive.write_bytes(content)
    with pytest.raises(ArchiveError, match=rf"a\.onnx' is compressed by method {method}, expected stored"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", range(27, 60, 7))
def test_damaged_archive_leaves_nothing(tmp_path, kept):
    zipped = tmp_path / "a.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.onnx", bytes(range(256)) * 20)
    for archive in (zipped, tar_file(tmp_path / "a.tar.gz", tar_entry("a.onnx", bytes(range(256)) * 20))):
        content = bytearray(archive.read_bytes())
        content[kept : kept + 6] = b"\xff" * 6
        archive.write_bytes(content)
        with pytest.raises(ArchiveError):
            unpack(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"size": "-1000"}, "states a size of -1000 bytes|cannot be unpacked"),
        ({"size": "9" * 30}, "bytes when unpacked|cannot be unpacked"),
        ({"path": "../evil.onnx"}, LEAVES),
        ({"path": "a\0b.onnx"}, BAD_NAME),
        ({"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}, "a sparse file|cannot be unpacked"),
    ],
)
def test_what_a_pax_header_states_is_checked(tmp_path, stated, says):
    entry, content = tar_entry("a.onnx", b"x" * 100)
    entry.pax_headers = stated
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as opened:
        opened.addfile(entry, io.BytesIO(content))
    with pytest.raises(ArchiveError, match=says):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_headers_of_a_tar_are_bounded_in_all(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_READ_BYTES", 1 << 20)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as opened:
        for number in range(40):
            entry, content = tar_entry(f"{number}.onnx")
            entry.pax_headers = {"comment": "x" * 100_000}
            opened.addfile(entry, io.BytesIO(content))
    with pytest.raises(ArchiveError, match="more than 1048576 bytes of headers"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_tar_header_of_any_size_is_not_read_whole(tmp_path):
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, 1 << 30
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(100_000)))
    with pytest.raises(ArchiveError, match="states a header of 1073741824 bytes"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [1 << 30, -1024])
def test_tar_that_leads_elsewhere_than_its_sizes_say_is_refused(tmp_path, size):
    record = b"25 GNU.sparse.realsize=0\n"
    pax, entry = tarfile.TarInfo("pax"), tarfile.TarInfo("a.onnx")
    pax.type, pax.size, entry.size = tarfile.XHDTYPE, len(record), size
    head = pax.tobuf(tarfile.GNU_FORMAT) + record.ljust(512, b"\0") + entry.tobuf(tarfile.GNU_FORMAT)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(head + bytes(100_000)))
    with pytest.raises(ArchiveError, match=r"a\.tar\.gz: leads to its byte \d+, expected at most"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tar_with_usual_pax_records_is_unpacked(tmp_path):
    long = "/".join(["folder" * 10] * 3) + "/model.onnx"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as opened:
        for name in (long, "labels_é.txt"):
            entry, content = tar_entry(name, bytes(5000))
            entry.mtime = 1_700_000_000.123456
            entry.pax_headers = {"SCHILY.xattr.user.note": "a=b 12 c=d\n1 2 3"}
            opened.addfile(entry, io.BytesIO(content))
    assert unpack(tmp_path / "a.tar.gz", tmp_path / "out") == [long, "labels_é.txt"]


def test_tar_bomb_is_refused_without_unpacking_it(tmp_path):
    entry = tarfile.TarInfo("a.onnx")
    entry.size = 1 << 40
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + bytes(100_000)))
    with pytest.raises(ArchiveError, match="1099511627776 bytes when unpacked"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_archive_that_lies_about_a_size_is_stopped(tmp_path):
    archive = zip_file(tmp_path / "a.zip", zip_entry("a.onnx", bytes(5000)))
    content = archive.read_bytes()
    archive.write_bytes(content.replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match=r"cannot be unpacked|is not the 10 bytes"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_archive_that_is_cut_off_is_refused(tmp_path, keep):
    for archive in (
        zip_file(tmp_path / "a.zip", zip_entry("a.onnx")),
        tar_file(tmp_path / "a.tar.gz", tar_entry("b")),
    ):
        archive.write_bytes(archive.read_bytes()[:keep])
        with pytest.raises(ArchiveError, match="cannot be unpacked"):
            unpack(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_what_is_never_taken_stays_in_the_archive(tmp_path):
    entries = [zip_entry(name) for name in ("m.onnx", "m.etlt", "run.py", "w.pt", ".hidden", "labels.txt")]
    assert sorted(unpack(zip_file(tmp_path / "a.zip", *entries), tmp_path / "out")) == [
        "labels.txt",
        "m.onnx",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["labels.txt", "m.onnx"]


def test_a_wrong_checksum_at_the_end_of_a_tar_gz_is_noticed(tmp_path):
    archive = tar_file(tmp_path / "a.tar.gz", tar_entry("a.onnx", bytes(range(256)) * 20))
    assert unpack(archive, tmp_path / "sound") == ["a.onnx"]
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)
    with pytest.raises(BuildError, match=r"a\.tar\.gz: cannot be unpacked .CRC check failed"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_stands_behind_the_end_of_a_tar_gz_is_bounded(tmp_path):
    archive = tar_file(tmp_path / "a.tar.gz", tar_entry("a.onnx", b"a"))
    with archive.open("ab") as stream:
        stream.write(gzip.compress(bytes(17 << 20)))
    with pytest.raises(BuildError, match="bytes behind its last member"):
        unpack(archive, tmp_path / "out")
