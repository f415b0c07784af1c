"""Download one file: resumed after a cut or a kill by whoever owns the part, verified, and only then under its name."""

import hashlib
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import httpx

from dsbench.core.errors import BuildError
from dsbench.core.process_identity import start_ticks
from dsbench.core.secret_words import without_tokens
from dsbench.sources.bounded_answers import LateError, open_answer, read_refusal
from dsbench.sources.network_faults import is_lasting, is_web_page, page_sentence
from dsbench.sources.source import RemoteFile
from dsbench.tools.tool_run import report_progress

# Longer than NFS may show an old size and time of a file that another host writes (acregmax, 60 s).
STALL_S = 90.0
POLL_S = 0.5
OWNER = re.compile(r"\.(\d+)@(.+)$")
ATTEMPTS = 5
PAUSE_S = 1.0
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
PROGRESS_INTERVAL_S = 5.0
LARGEST_FILE_BYTES = 64 << 30
MIB = 1 << 20
# A connection that gives less is left and asked for anew, and after so many in a row the hub is. That is 17 KB/s.
SLOW_S, LEAST_BYTES, MOST_SLOW = 60.0, MIB, 3
LONGEST_DOWNLOAD_S = 24 * 3600.0


def claim(folder: Path, key: str, destination: Path, say) -> Path | None:
    """Return this process's partial file for `key`, begun from what a dead download left.

    Waits while another process downloads the same; returns None when that one finished `destination`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{key}.{os.getpid()}@{socket.gethostname()}"
    seen: dict[Path, tuple] = {}
    told = False
    while not destination.exists():
        others = [path for path in folder.glob(f"{key}.*") if path != own]
        busy = [path for path in others if _may_be_written(path, seen)]
        if not busy:
            _take_over(others, own)
            return own
        if not told:
            say(f"waiting for another process that downloads {destination.name}")
            told = True
        time.sleep(POLL_S)
    return None


def _may_be_written(path: Path, seen: dict[Path, tuple]) -> bool:
    owner = OWNER.search(path.name)
    if owner and owner[2] == socket.gethostname() and start_ticks(int(owner[1])) is None:
        return False
    try:
        state = path.stat()
    except FileNotFoundError:
        return False
    now, mark = time.monotonic(), (state.st_size, state.st_mtime_ns)
    if path not in seen or seen[path][0] != mark:
        seen[path] = (mark, now)
    return now - seen[path][1] < STALL_S


def _take_over(others: list[Path], own: Path) -> None:
    """Copy rather than rename: a stalled writer may wake up and still hold its file open."""
    left = sorted((path for path in others if path.exists()), key=lambda path: path.stat().st_size)
    if left and not own.exists():
        shutil.copyfile(left[-1], own)
    for path in left:
        path.unlink(missing_ok=True)


class DownloadError(BuildError):
    """A file that could not be fetched whole and unaltered."""


class SlowError(httpx.ReadTimeout):
    """A connection that gives less than LEAST_BYTES in SLOW_S, or that is still there after LONGEST_DOWNLOAD_S."""


class Pace:
    """Sees how many bytes have arrived; ends connections that are too slow, and downloads that last too long."""

    def __init__(self) -> None:
        self.ends_s = time.monotonic() + LONGEST_DOWNLOAD_S
        self.slow = 0
        self.connected(0)

    @property
    def is_hopeless(self) -> bool:
        """Whether asking again is of no use."""
        return self.slow >= MOST_SLOW or time.monotonic() > self.ends_s

    def connected(self, size_bytes: int) -> None:
        """Begin anew at so many bytes."""
        self._since_s = self.told_s = time.monotonic()
        self._from_bytes = size_bytes

    def reached(self, size_bytes: int) -> None:
        """Raise SlowError where the last SLOW_S brought too little, and where all the time is over."""
        now = self.told_s = time.monotonic()
        if now > self.ends_s:
            raise SlowError(f"not finished after {LONGEST_DOWNLOAD_S / 3600:g} hours")
        if now - self._since_s > SLOW_S:
            if size_bytes - self._from_bytes < LEAST_BYTES:
                self.slow += 1
                raise SlowError(f"less than {LEAST_BYTES} bytes in {SLOW_S:g} s")
            self.slow = 0
            self.connected(size_bytes)


@contextmanager
def ended_after_silence(response: httpx.Response, pace: Pace) -> Iterator[None]:
    """End the connection where nothing is told to `pace` for SLOW_S: of a chunk, the frame may come byte after byte."""
    over, stream = Event(), response.extensions.get("network_stream")

    def watch() -> None:
        while not over.wait(SLOW_S):
            if stream is not None and time.monotonic() - pace.told_s > SLOW_S:
                with suppress(OSError):
                    # The TLS socket's own way would take its state from the thread that reads.
                    socket.socket.shutdown(stream.get_extra_info("socket"), socket.SHUT_RDWR)
                return

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


class Progress:
    """A line on stderr at most every PROGRESS_INTERVAL_S seconds while bytes arrive."""

    def __init__(self, label: str, total_bytes: int | None, already_bytes: int) -> None:
        self.label, self.total_bytes = label, total_bytes
        self.started_s = self.told_s = time.monotonic()
        self.already_bytes = already_bytes

    def reached(self, size_bytes: int) -> None:
        """Print how far the download is, unless that was told a moment ago."""
        now = time.monotonic()
        if now - self.told_s >= PROGRESS_INTERVAL_S:
            self.told_s = now
            rate = (size_bytes - self.already_bytes) / MIB / max(now - self.started_s, 1e-3)
            of = f" of {self.total_bytes / MIB:.1f}" if self.total_bytes else ""
            report_progress(f"downloading {self.label}: {size_bytes / MIB:.1f}{of} MiB, {rate:.1f} MiB/s")


def fetch_file(
    client: httpx.Client,
    url: str,
    headers: Mapping[str, str],
    wanted: RemoteFile,
    destination: Path,
    partial_folder: Path,
    check_status: Callable[[httpx.Response], None],
) -> None:
    """Leave at `destination` the content of `url` that fits `wanted`; do nothing when it is there already.

    `check_status` raises for a response that is not the file. Raises DownloadError when the connection fails
    ATTEMPTS times without a further byte, or when the content is not what is listed twice running; httpx's own
    RequestError where nothing has arrived at all.
    """
    if destination.is_file() and wanted.difference(destination) is None:
        return
    try:
        _fetch(client, url, headers, wanted, destination, partial_folder, check_status)
    except OSError as error:
        # The hub's refusals are OSErrors too, without a number.
        if error.errno is None:
            raise
        raise DownloadError(
            f"{destination}: cannot be written ({error.strerror}); make room or give the rights, then run the same"
            " command again."
        ) from None


def _fetch(client, url, headers, wanted: RemoteFile, destination: Path, partial_folder: Path, check_status):
    destination.unlink(missing_ok=True)
    key = hashlib.sha256(f"{destination}\0{wanted.sha256 or wanted.git_sha1}".encode()).hexdigest()[:32]
    own = claim(partial_folder, key, destination, report_progress)
    if own is None:
        fetch_file(client, url, headers, wanted, destination, partial_folder, check_status)
        return
    for last in (False, True):
        _transfer(client, url, headers, wanted, own, check_status)
        difference = wanted.difference(own)
        if difference is None:
            break
        own.unlink()
        if last:
            raise DownloadError(
                f"{wanted.name}: what arrived twice has {difference}; nothing was kept. Try again later, and"
                " report it to the model's owner if it stays so."
            )
    destination.parent.mkdir(parents=True, exist_ok=True)
    os.replace(own, destination)


def _transfer(client, url, headers, wanted: RemoteFile, own: Path, check_status) -> None:
    have = _size(own)
    if have == wanted.bytes:
        return
    size = f" ({wanted.bytes / MIB:.1f} MiB)" if wanted.bytes else ""
    report_progress(
        f"downloading {wanted.name}{size}" + (f", going on after {have / MIB:.1f} MiB" if have else "")
    )
    progress, pace = Progress(wanted.name, wanted.bytes, have), Pace()
    failures = 0
    while True:
        try:
            _append(client, url, headers, wanted, own, check_status, progress, pace)
            return
        except SlowError as error:
            have = _size(own)
            if pace.is_hopeless:
                raise DownloadError(
                    f"{wanted.name}: the hub is too slow ({error}); the {have} bytes that came are kept, so that the"
                    " same command goes on from there."
                ) from None
            report_progress(f"{wanted.name}: {error}; asking again from {have / MIB:.1f} MiB on")
        except httpx.TransportError as error:
            got = _size(own)
            failures = 1 if got > have else failures + 1
            have = got
            # Without a byte it is no lost connection: who asked for the file says what stands between.
            if is_lasting(error) or (failures >= ATTEMPTS and not have):
                raise
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{wanted.name}: the connection failed {ATTEMPTS} times at {have} bytes"
                    f" ({without_tokens(str(error)) or type(error).__name__}); the part is kept, so that the same"
                    " command goes on from there."
                ) from None
            report_progress(f"connection lost at {have / MIB:.1f} MiB of {wanted.name}; trying again")
            time.sleep(PAUSE_S * failures)


def _size(own: Path) -> int:
    own.touch()
    return own.stat().st_size


def _append(
    client, url, headers, wanted: RemoteFile, own: Path, check_status, progress: Progress, pace: Pace
) -> None:
    have = _size(own)
    pace.connected(have)
    ranged = dict(headers) | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = open_answer(client, url, ranged, SLOW_S, TIMEOUT)
    except LateError as error:
        pace.slow += 1
        raise SlowError(str(error)) from None
    with closing(answer) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            own.unlink()
            raise httpx.RemoteProtocolError("the server has no such range")
        check_status(response if response.is_success else read_refusal(response, SLOW_S))
        missing = None if wanted.bytes is None else str(wanted.bytes - have)
        if is_web_page(response) and response.headers.get("Content-Length") != missing:
            raise DownloadError(f"{wanted.name}: {page_sentence(str(response.url))}")
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and not (response.status_code == httpx.codes.PARTIAL_CONTENT and goes_on):
            have = 0
        limit = LARGEST_FILE_BYTES if wanted.bytes is None else wanted.bytes
        with own.open("r+b") as stream, ended_after_silence(response, pace):
            stream.truncate(have)
            stream.seek(have)
            for chunk in response.iter_raw():
                have += len(chunk)
                if have > limit:
                    raise DownloadError(
                        f"{wanted.name}: the server sends more than the {limit} bytes it listed."
                    )
                stream.write(chunk)
                stream.flush()
                progress.reached(have)
                pace.reached(have)
    if wanted.bytes is not None and have < wanted.bytes:
        raise httpx.RemoteProtocolError("the answer ended early")
