"""What stands between this machine and a hub is named, and no token or password is."""

import gzip
import hashlib
import json
import resource
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from email.utils import formatdate
from time import monotonic, sleep, time
from urllib.parse import quote, urlsplit

import certifi
import httpx
import pytest
from file_server import FileServer, Handler
from hub_server import HubServer, Repository
from huggingface_hub import constants
from huggingface_hub.utils import close_session

from dsbench.core.errors import BuildError
from dsbench.core.secret_words import token
from dsbench.sources import bounded_answers, download
from dsbench.sources.fetch import fetch_source
from dsbench.sources.hub import UnreachableError, fetch_repository_file
from dsbench.sources.listing import list_source
from dsbench.sources.network_faults import check_network_settings, unreachable, wait_words
from dsbench.sources.ngc import fetch_model_file
from dsbench.sources.source import RemoteFile, parse_source
from small_files import layout

PAGE = b"<html><head><title>Blocked</title><style>p{}</style></head><body>by <b>policy</b> 7</body></html>"
NGC = "https://catalog.ngc.nvidia.com/orgs/acme/models/detector?version=1"
HUB = "http://hub.example"


class BetweenHandler(Handler):
    """A proxy or filter with one answer to everything."""

    def route(self):
        self.answer(*self.server.said[:2], **self.server.said[2])

    do_CONNECT = route


@pytest.fixture
def between(monkeypatch, tmp_path):
    """Return a server whose `said` is (status, body, headers), and a hub's client that knows no other one."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("HF_TOKEN", "NGC_API_KEY", "NGC_CLI_API_KEY", "SSL_CERT_FILE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(download, "PAUSE_S", 0)
    server = FileServer(BetweenHandler)
    close_session()
    yield server
    close_session()
    server.shutdown()
    server.server_close()


def point_at(monkeypatch, url):
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("NGC_API_URL", url)


def listed(text="hf:org/model"):
    with pytest.raises(BuildError) as error:
        list_source(parse_source(text))
    return str(error.value)


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
@pytest.mark.parametrize(
    ("login", "says"),
    [("", "wants a user name and a password"), ("me:pA55@", "refuses the user name or password")],
)
@pytest.mark.parametrize("address", [HUB, "https://hub.example"])
def test_proxy_that_wants_a_login_is_named_without_it(between, monkeypatch, source, login, says, address):
    between.said = (407, b"", {"Proxy_Authenticate": 'Basic realm="corp"'})
    place = urlsplit(between.url).netloc
    point_at(monkeypatch, address)
    variable = f"{urlsplit(address).scheme}_proxy".upper()
    monkeypatch.setenv(variable, f"http://{login}{place}")
    said = listed(source)
    assert f": the proxy {place} ({variable}) {says}" in said
    assert f"(407); set {variable} to http://USER:PASSWORD@{place}" in said
    assert "pA55" not in said


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
@pytest.mark.parametrize("status", [200, 401, 403, 404, 511])
def test_web_page_is_a_filters_and_no_licence_gate(between, monkeypatch, source, status):
    between.said = (status, PAGE, {"Content_Type": "text/html; charset=utf-8"})
    point_at(monkeypatch, between.url)
    said = listed(source)
    place = urlsplit(between.url).netloc
    assert f" came from {place} in place of the hub's answer: " in said
    assert "a filter or a sign-in page of this network stands between" in said
    assert "licence" in said and "accept its terms" not in said
    assert status == 200 or f"status {status} with a web page ('Blocked by policy 7')" in said


def test_blocked_without_a_page_is_a_filters_too(between, monkeypatch):
    between.said = (403, b"Category: file sharing", {"Content_Type": "text/plain"})
    point_at(monkeypatch, between.url)
    assert "status 403 ('Category: file sharing') came from" in listed()


def test_refusals_of_the_hub_itself_stay_the_hubs(between, monkeypatch):
    html = {"Content_Type": "text/html"}
    point_at(monkeypatch, between.url)
    for status, headers, says in [
        (403, html | {"X_Error_Code": "GatedRepo"}, "gated; accept its terms"),
        (403, html | {"X_Request_Id": "Root=1"}, "private, and without HF_TOKEN there is no access"),
        (403, {"Content_Type": "application/json"}, "private, and without"),
        (503, html, "the hub answers with status 503"),
    ]:
        between.said = (status, b"<html>", headers)
        assert says in listed()


def test_web_page_in_place_of_a_file_is_named_before_it_is_written(between, monkeypatch, tmp_path):
    with HubServer() as hub:
        hub.repositories["org/model"] = Repository(layout())
        point_at(monkeypatch, hub.url)
        source = parse_source("hf:org/model")
        listing = list_source(source)
        hub.shutdown()
    between.said = (200, PAGE, {"Content_Type": "text/html"})
    point_at(monkeypatch, between.url)
    with pytest.raises(BuildError, match=r"config\.json: a web page came from"):
        fetch_source(source, listing, tmp_path)
    assert len(between.requests) == 1


class MirrorHandler(Handler):
    def route(self):
        self.answer(308, Location=self.server.said + self.path)


def test_mirror_that_redirects_is_followed_for_listing_and_files(between, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_of-the-mirror")
    mirror, hub = FileServer(MirrorHandler), HubServer()
    hub.repositories["org/model"], mirror.said = Repository(layout()), hub.url
    point_at(monkeypatch, mirror.url)
    source = parse_source("hf:org/model")
    folder, _ = fetch_source(source, list_source(source), tmp_path)
    assert (folder / "model.safetensors").is_file()
    assert mirror.fetched("model.safetensors") == 1
    assert "hf_of-the-mirror" in str(mirror.requests) and "hf_of-the-mirror" not in str(hub.requests)
    for server in (mirror, hub):
        server.shutdown()
        server.server_close()


class EndlessHandler(Handler):
    """Sends a body of blanks that never ends, `server.said` bytes at a time."""

    def route(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):
            while True:
                self.wfile.write(b" " * self.server.said)
                self.wfile.flush()
                sleep(0.02 if self.server.said == 1 else 0)


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
@pytest.mark.parametrize(
    ("chunk_bytes", "says"),
    [(1 << 20, "answers with more than 33554432 bytes"), (1, "takes more than 0.5 s")],
)
def test_body_that_never_ends_is_left(between, monkeypatch, source, chunk_bytes, says):
    monkeypatch.setattr(bounded_answers, "LONGEST_ANSWER_S", 0.5 if chunk_bytes == 1 else 60)
    with FileServer(EndlessHandler) as server:
        server.said = chunk_bytes
        point_at(monkeypatch, server.url)
        assert says in listed(source)
        server.shutdown()


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_body_that_grows_when_it_is_decoded_costs_little_memory(between, monkeypatch, source):
    body = gzip.compress(bytes(400 << 20), 1)
    between.said = (200, body, {"Content_Encoding": "gzip", "Content_Type": "application/json"})
    point_at(monkeypatch, between.url)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "answers with more than 33554432 bytes" in listed(source)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        (b"{}", {"Content_Encoding": "br"}, "answers in the coding br, expected gzip"),
        (b"{}", {"Content_Encoding": "gzip"}, "decompressing"),
        (b"[" * 200_000, {}, "answered something that is no model listing"),
        (b'{"a":' * 200_000, {}, "answered something that is no model listing"),
    ],
)
def test_body_that_cannot_be_read_is_a_sentence(between, monkeypatch, source, body, headers, says):
    between.said = (200, body, {"Content_Type": "application/json"} | headers)
    point_at(monkeypatch, between.url)
    assert says in listed(source)


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_redirects_in_a_circle_are_a_sentence(between, monkeypatch, source):
    between.said = (302, b"", {"Location": f"{between.url}/again"})
    point_at(monkeypatch, between.url)
    assert "redirects" in listed(source)


def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_proxy_that_is_not_there_is_named(between, monkeypatch, source):
    port = closed_port()
    point_at(monkeypatch, "https://hub.example")
    monkeypatch.setenv("https_proxy", f"http://me:pA55@127.0.0.1:{port}")
    said = listed(source)
    assert (
        f"the proxy 127.0.0.1:{port} (https_proxy) cannot be reached ([Errno 111] Connection refused)" in said
    )
    assert "or unset it where this network has no proxy" in said and "pA55" not in said


def test_proxy_that_lets_a_host_through_or_not(between, monkeypatch):
    between.said = (403, b"", {})
    place = urlsplit(between.url).netloc
    point_at(monkeypatch, "https://hub.example")
    monkeypatch.setenv("HTTPS_PROXY", between.url)
    assert f"the proxy {place} (HTTPS_PROXY) does not lead to hub.example (403 Forbidden)" in listed()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("ftp://proxy:21", "HTTPS_PROXY names a proxy that speaks ftp; expected http://HOST:PORT"),
        ("socks5://proxy:1080", "HTTPS_PROXY names the SOCKS proxy proxy:1080"),
        ("http://", "HTTPS_PROXY is no address of a proxy"),
        ("http://me:pA#55@proxy:3128", "HTTPS_PROXY is no address of a proxy"),
        ("http://me:12#pA55@proxy:3128", "a sign such as # or @ of the password is written %23 or %40"),
        ("http://me:12/pA55@proxy:3128", "HTTPS_PROXY is no address of a proxy"),
        ("http://proxy:port", "HTTPS_PROXY is no address of a proxy"),
    ],
)
@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_proxy_that_cannot_be_one_is_refused_without_its_password(between, monkeypatch, source, value, says):
    monkeypatch.setenv("HTTPS_PROXY", value)
    said = listed(source)
    assert says in said
    assert "55" not in said


@pytest.mark.parametrize(
    "value", ["proxy:3128", "http://me:p%40@proxy:3128", "https://[::1]:3128/", " http://p "]
)
def test_usual_proxies_pass(between, monkeypatch, value):
    monkeypatch.setenv("HTTPS_PROXY", value)
    check_network_settings()


def test_certificates_that_other_programs_know_are_taken_and_missing_ones_named(
    between, monkeypatch, tmp_path
):
    bundle = tmp_path / "company.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(BuildError, match=r"REQUESTS_CA_BUNDLE names .*company\.pem, which is no file"):
        check_network_settings()
    bundle.write_text("no certificate")
    with pytest.raises(
        BuildError, match=r"REQUESTS_CA_BUNDLE names .*company\.pem, which has no certificates in PEM"
    ):
        check_network_settings()
    bundle.write_text(certifi.contents())
    monkeypatch.setenv("SSL_CERT_FILE", "")
    check_network_settings()
    assert ssl.get_default_verify_paths().cafile == str(bundle)


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain",
            "the certificate that hub.example shows is not trusted here .* set SSL_CERT_FILE to a PEM file",
        ),
        (
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
            "answers without TLS; write http:// .* in HF_ENDPOINT",
        ),
        (
            "[Errno -2] Name or service not known",
            "hub.example cannot be reached .*not known.*HTTPS_PROXY where",
        ),
    ],
)
def test_failing_connection_has_its_cause_and_remedy(between, cause, says):
    error = httpx.ConnectError(cause, request=httpx.Request("GET", "https://hub.example/x"))
    with pytest.raises(UnreachableError, match=says):
        raise UnreachableError(unreachable(error, "https://huggingface.co", "HF_ENDPOINT"))


def test_endpoint_with_a_port_that_is_no_number_is_a_sentence(between, monkeypatch):
    point_at(monkeypatch, "http://hub:port")
    assert "correct HF_ENDPOINT" in listed()
    assert "correct NGC_API_URL" in listed(NGC)


@pytest.mark.parametrize(
    ("endpoint", "shown"), [("hub.example", "hub.example"), ("", "empty"), ("ftp://h", "ftp://h")]
)
def test_endpoint_that_is_no_address_is_named_before_it_is_asked(between, monkeypatch, endpoint, shown):
    point_at(monkeypatch, endpoint)
    assert (
        f"HF_ENDPOINT is {shown}, which is no address of a hub; expected one such as https://HOST" in listed()
    )
    assert f"NGC_API_URL is {shown}, which is no address" in listed(NGC)


def test_scheme_of_an_endpoint_may_be_in_capitals(between, monkeypatch):
    point_at(monkeypatch, f"HTTP://127.0.0.1:{closed_port()}")
    assert "cannot be reached" in listed() and "cannot be reached" in listed(NGC)


def test_proxy_that_a_star_bypasses_is_not_blamed(between, monkeypatch):
    point_at(monkeypatch, f"https://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("no_proxy", "localhost, *")
    assert "the proxy" not in listed()
    monkeypatch.setenv("no_proxy", "localhost")
    assert "the proxy" in listed()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://me:pA55@hub:port",
        "http://me:pA55w0rd@127.0.0.1:9",
        "me:pA55@hub.example",
        "http://me:pA5/5@hub.example",
        "http://me:pA5#5@hub.example",
        "http://me:pA5\n5@hub.example",
        "ftp://me:pA55@hub.example",
    ],
)
@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_login_in_an_endpoint_is_not_told(between, monkeypatch, endpoint, source):
    point_at(monkeypatch, endpoint)
    said = listed(source)
    assert "pA5" not in said and "me:" not in said


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_login_in_an_endpoint_that_is_no_hub_is_not_told(between, monkeypatch, source):
    point_at(monkeypatch, between.url.replace("://", "://me:pA55@"))
    for said in ((200, PAGE, {"Content_Type": "text/html"}), (200, b"[]", {}), (404, b"", {})):
        between.said = said
        assert "pA55" not in listed(source)


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_page_that_repeats_the_token_is_quoted_without_it(between, monkeypatch, source):
    for name in ("HF_TOKEN", "NGC_API_KEY"):
        monkeypatch.setenv(name, "nvapi-sEcRe7t0ken")
    point_at(monkeypatch, between.url)
    between.said = (403, b"<html>Bearer nvapi-sEcRe7t0ken is blocked</html>", {"Content_Type": "text/html"})
    assert "is blocked" in (said := listed(source)) and "sEcRe7" not in said


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
@pytest.mark.parametrize("charset", ["bz2", "idna", "no-charset"])
def test_page_in_a_charset_that_is_none_is_a_sentence(between, monkeypatch, source, charset):
    between.said = (403, b"blocked", {"Content_Type": f"text/html; charset={charset}"})
    point_at(monkeypatch, between.url)
    assert "status 403 with a web page ('blocked')" in listed(source)


TOKEN, PASSWORD = "nvapi-CanaryOfAFile0123456789", "pA55-of/the@proxy"


def fetched_refusal(source, folder):
    """Return the sentence about a file that a hub refuses after it was listed."""
    fetch = fetch_model_file if source == NGC else fetch_repository_file
    with pytest.raises(BuildError) as error:
        fetch(
            "acme/detector", "c0ffee" + "0" * 34, RemoteFile("m.onnx", 9), folder / "m.onnx", folder / "parts"
        )
    return str(error.value)


@pytest.mark.parametrize("source", ["hf:org/model", NGC])
@pytest.mark.parametrize("login", ["", f"me:{quote(PASSWORD, safe='')}@"])
@pytest.mark.parametrize(
    ("status", "kind"), [(403, "text/html"), (403, "application/json"), (407, "text/html")]
)
def test_refusal_of_a_file_that_repeats_the_secrets_tells_and_keeps_none(
    between, monkeypatch, tmp_path, capfd, source, login, status, kind
):
    for name in ("HF_TOKEN", "NGC_API_KEY"):
        monkeypatch.setenv(name, TOKEN)
    basic = b64encode(f"me:{PASSWORD}".encode()).decode()
    echo = f"{PASSWORD} {basic} {TOKEN}"
    said = {"X_Error_Message": echo, "X_HF_Warning": f"topic; {echo}", "Content_Type": kind}
    body = json.dumps({"error": echo}) if "json" in kind else f"<p>{echo}</p>"
    between.said = (status, body.encode(), said)
    point_at(monkeypatch, HUB if login else between.url)
    if login:
        monkeypatch.setenv("HTTP_PROXY", between.url.replace("://", f"://{login}"))
    printed = fetched_refusal(source, tmp_path) + "".join(capfd.readouterr())
    secrets = (TOKEN, PASSWORD, basic) if login else (TOKEN,)
    assert [secret for secret in secrets if secret in printed] == []
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if any(secret.encode() in file.read_bytes() for secret in secrets)] == []
    assert all(TOKEN in str(headers) for _, _, headers in between.requests) and between.requests


@pytest.mark.parametrize(
    "body", [b"[]", b'"x"', b'{"errors": [1]}', b'{"errors": 1}', b"[" * 50_000, b"\xff", b"9" * 5000]
)
@pytest.mark.parametrize("source", ["hf:org/model", NGC])
def test_refusal_of_a_file_in_json_that_none_expects_is_a_sentence(
    between, monkeypatch, tmp_path, source, body
):
    between.said = (500, body, {"Content_Type": "application/json"})
    point_at(monkeypatch, between.url)
    assert "answers with status 500" in fetched_refusal(source, tmp_path)


def test_time_to_wait_is_read_from_each_header():
    def answer(**headers):
        return wait_words(httpx.Response(429, headers=headers))

    assert answer(**{"Retry-After": "77"}) == "in 77 s"
    assert answer(**{"Retry-After": formatdate(time() + 100, usegmt=True)}) in ("in 99 s", "in 100 s")
    assert answer(**{"Retry-After": "soon"}) == answer() == "in some minutes"


@pytest.mark.parametrize("variable", ["HF_TOKEN", "NGC_API_KEY"])
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("hf_abc\u201d", r"at place 7 of 7, right double quotation mark \(U\+201D\)"),
        ("\u201chf_abc\u201d", r"at place 1 of 8, left double quotation mark"),
        ('"hf_abc"', r"at place 1 of 8, quotation mark \(U\+0022\)"),
        ("hf_abc\u200b", "zero width space"),
        ("hf_a\nbc", r"at place 5 of 7, a control character \(U\+000A\)"),
        ("Bearer hf_abc", "at place 7 of 13, space"),
        ("hf_äbc", "latin small letter a with diaeresis"),
        ("<hf_abc>", "less-than sign"),
    ],
)
def test_character_that_no_token_has_is_named_and_the_token_is_not(
    between, monkeypatch, variable, value, says
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(
        BuildError, match=f"{variable} holds a character that no token has: .*{says}"
    ) as error:
        list_source(parse_source("hf:org/model" if variable == "HF_TOKEN" else NGC))
    assert "abc" not in str(error.value)


def test_space_and_line_ends_around_a_token_are_cut_off(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", " hf_abc-1.2_3/=+\r\n")
    assert token("HF_TOKEN") == "hf_abc-1.2_3/=+"


class Drops(httpx.SyncByteStream):
    """A body of a byte each 20 ms, from `start` on."""

    def __init__(self, content, start):
        self.content, self.start = content, start

    def __iter__(self):
        for place in range(self.start, len(self.content)):
            sleep(0.02)
            yield self.content[place : place + 1]


def test_a_hub_that_gives_byte_after_byte_is_asked_again_and_then_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, "SLOW_S", 0.2)
    monkeypatch.setattr(download, "LEAST_BYTES", 100)
    content, asked = bytes(range(200)), []

    def answer(request):
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        asked.append(start)
        headers = {"Content-Range": f"bytes {start}-199/200"}
        return httpx.Response(206 if start else 200, headers=headers, stream=Drops(content, start))

    wanted = RemoteFile("f", 200, hashlib.sha256(content).hexdigest())
    started = monotonic()
    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(
            BuildError, match=r"f: the hub is too slow .less than 100 bytes in 0.2 s.; the \d+ bytes"
        ),
    ):
        check = httpx.Response.raise_for_status
        download.fetch_file(client, "http://hub/f", {}, wanted, tmp_path / "f", tmp_path / "parts", check)
    assert monotonic() - started < 20
    assert len(asked) == download.MOST_SLOW and asked == sorted(asked) and asked[0] == 0 < asked[1]
    [part] = (tmp_path / "parts").iterdir()
    assert content.startswith(part.read_bytes()) and part.stat().st_size > asked[-1]
    assert not (tmp_path / "f").exists()


class Trickle(Handler):
    """An answer whose header comes byte after byte and has no end, or a redirect whose body has none."""

    def route(self):
        self.close_connection = True
        if self.path.startswith("/elsewhere"):
            return self.answer(200, b"there")
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            piece = b"x" * (1 << 16)
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            piece = b"x"
        for _ in range(500 if len(piece) == 1 else 100_000):
            sleep(0.02 if len(piece) == 1 else 0)
            self.wfile.write(piece)
            self.wfile.flush()
        return None


def test_a_header_that_comes_byte_after_byte_has_a_total_time(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bounded_answers, "LONGEST_ANSWER_S", 0.5)
    monkeypatch.setattr(download, "SLOW_S", 0.5)
    server, started = FileServer(Trickle), monotonic()
    wanted, check = RemoteFile("f", 200, "0" * 64), httpx.Response.raise_for_status
    with httpx.Client() as client:
        with pytest.raises(BuildError, match=r"127\.0\.0\.1:\d+ takes more than 0\.5 s for one answer"):
            bounded_answers.read_answer(client, f"{server.url}/list", {})
        with pytest.raises(BuildError, match=r"f: the hub is too slow \(no answer has begun after 0\.5 s\)"):
            download.fetch_file(
                client, f"{server.url}/f", {}, wanted, tmp_path / "f", tmp_path / "parts", check
            )
    # Whole, each header takes ten seconds.
    assert monotonic() - started < 8
    assert [path for _, path, _ in server.requests] == ["/list"] + ["/f"] * download.MOST_SLOW


def test_the_body_of_a_redirect_is_not_read(tmp_path, monkeypatch, capsys):
    server = FileServer(Trickle)
    wanted, check = (
        RemoteFile("f", 5, hashlib.sha256(b"there").hexdigest()),
        httpx.Response.raise_for_status,
    )
    started = monotonic()
    with httpx.Client() as client:
        assert bounded_answers.read_answer(client, f"{server.url}/redirect", {}).content == b"there"
        place = tmp_path / "f"
        download.fetch_file(client, f"{server.url}/redirect/f", {}, wanted, place, tmp_path / "parts", check)
    assert place.read_bytes() == b"there"
    # Whole, it has 6 GB.
    assert monotonic() - started < 8
