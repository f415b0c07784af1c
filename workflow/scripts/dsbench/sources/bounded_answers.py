"""Answers of hubs, read within bounds: their bytes as they come and as they are decoded, and the time of the whole."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing, suppress
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from dsbench.intake.file_choice import printable
from dsbench.sources.network_faults import AnswerError, place_of

# What does not hold for a body that has been decoded.
OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
# Listings are far smaller; a body may grow a thousandfold when it is decoded.
LARGEST_ANSWER_BYTES = 32 << 20
# What a refusal says of its cause stands in its first words.
LARGEST_REFUSAL_BYTES = 64 << 10
# Of one read, and of a whole answer, which may come byte after byte.
TIMEOUT_S, LONGEST_ANSWER_S = 30.0, 120.0
PLAIN, CODED = ("", "identity"), ("gzip", "deflate")
PIECE_BYTES = 1 << 20
Result = TypeVar("Result")


class LateError(httpx.ReadTimeout):
    """An answer that takes longer than it may, whether its bytes stay away or come one by one."""


def open_answer(
    client: httpx.Client,
    url: httpx.URL | str,
    headers: Mapping[str, str],
    longest_s: float,
    timeout: httpx.Timeout | float,
) -> httpx.Response:
    """Return the answer to a GET as its body begins; the caller closes it. Raises httpx's RequestError.

    All that is before the body has `longest_s`: LateError then.
    """
    return _within(longest_s, lambda: _followed(client, url, headers=headers, timeout=timeout))


def _followed(
    client: httpx.Client, url: httpx.URL | str, auth: Any = httpx.USE_CLIENT_DEFAULT, **options
) -> httpx.Response:
    """Return the open answer to a GET. Redirects are followed without their bodies, which may have no end."""
    request, login = client.build_request("GET", url, **options), auth
    for _ in range(client.max_redirects + 1):
        response = client.send(request, auth=login, stream=True, follow_redirects=False)
        if response.next_request is None:
            return response
        response.close()
        # What may go along to where it leads is in the request already.
        request, login = response.next_request, None
    raise httpx.TooManyRedirects("Exceeded maximum allowed redirects.", request=request)


def _within(longest_s: float, ask: Callable[[], Result]) -> Result:
    """Return what `ask` returns; raise LateError after `longest_s`.

    What comes byte after byte keeps each read within the client's timeout, a header as well as the frame of a chunk.
    """
    answer: Future[Result] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return answer.result(longest_s)
    except FutureTimeoutError:
        raise LateError(f"no answer has begun after {longest_s:g} s") from None


def read_answer(
    client: httpx.Client, url: httpx.URL | str, headers: Mapping[str, str], **options
) -> httpx.Response:
    """Return the answer to a GET, its body of at most LARGEST_ANSWER_BYTES decoded, within LONGEST_ANSWER_S.

    Raises AnswerError beyond that, and httpx's RequestError.
    """
    ends = time.monotonic() + LONGEST_ANSWER_S
    asked = dict(headers) | {"Accept-Encoding": "gzip"}

    def read() -> httpx.Response:
        body = bytearray()
        with closing(_followed(client, url, headers=asked, timeout=TIMEOUT_S, **options)) as response:
            for piece in _pieces(response):
                body += piece
                if max(len(body), response.num_bytes_downloaded) > LARGEST_ANSWER_BYTES:
                    raise AnswerError(
                        f"{_host(response)} answers with more than {LARGEST_ANSWER_BYTES} bytes, as no listing has"
                    )
                if time.monotonic() > ends:
                    raise LateError("nobody waits for it any more")
            return _finished(response, body)

    try:
        return _within(LONGEST_ANSWER_S, read)
    except LateError:
        host = place_of(urlsplit(str(url)))
        raise AnswerError(f"{host} takes more than {LONGEST_ANSWER_S:g} s for one answer") from None


def read_refusal(response: httpx.Response, longest_s: float) -> httpx.Response:
    """Return an open answer that is an error, with what comes of its body: LARGEST_REFUSAL_BYTES, within `longest_s`.

    A body that cannot be read is left out, as the status says enough.
    """
    body = bytearray()

    def read() -> None:
        for piece in _pieces(response):
            body.extend(piece)
            if max(len(body), response.num_bytes_downloaded) > LARGEST_REFUSAL_BYTES:
                return

    with suppress(httpx.RequestError, AnswerError):
        _within(longest_s, read)
    return _finished(response, body[:LARGEST_REFUSAL_BYTES])


def _pieces(response: httpx.Response) -> Iterator[bytes]:
    """Yield the decoded body, at least once for all that arrives: a coded body may decode to nothing without an end."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in PLAIN + CODED:
        raise AnswerError(
            f"{_host(response)} answers in the coding {printable(coding)}, expected gzip or none"
        )
    # By 32, the body's own header tells which of CODED it is.
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for raw in response.iter_raw():
        yield raw if coding in PLAIN else b""
        left = raw if coding in CODED else b""
        while left and not decoder.eof:
            try:
                yield decoder.decompress(left, PIECE_BYTES)
            except zlib.error as error:
                raise AnswerError(f"{_host(response)} answers with a broken body ({error})") from None
            left = decoder.unconsumed_tail
    yield decoder.flush()


def _host(response: httpx.Response) -> str:
    return place_of(urlsplit(str(response.url)))


def _finished(response: httpx.Response, body: bytearray) -> httpx.Response:
    kept = [(name, value) for name, value in response.headers.multi_items() if name not in OF_THE_TRANSFER]
    finished = httpx.Response(
        response.status_code, headers=kept, content=bytes(body), request=response.request
    )
    # Python knows charsets that are compressions, or take a time that grows with the square.
    finished.encoding = "utf-8"
    return finished
