"""What stands between this machine and a hub: proxies, filters, certificates, and what to do about each."""

import os
import re
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

# The types of the standard library leave it out.
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import httpx

from dsbench.core.errors import BuildError
from dsbench.core.secret_words import without_tokens
from dsbench.intake.file_choice import printable

FORBIDDEN, PROXY_LOGIN, TOO_MANY, SIGN_IN = 403, 407, 429, 511
PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
SOCKS = ("socks5", "socks5h")
# Of these only the first is read by the HTTP client.
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
MARKUP = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.S | re.I)
LONGEST_WORDS = 80


class AnswerError(BuildError):
    """An answer of a hub that is no listing: too large, too slow or coded in a way that was not asked for."""


class NetworkSettingError(BuildError):
    """An environment variable on hubs, proxies or certificates with which no connection can be made."""


def check_network_settings() -> None:
    """Raise NetworkSettingError for a proxy or certificates that cannot be used, without a password in its text.

    Certificates that other programs are told of by another variable are taken here too.
    """
    for variable in PROXY_VARIABLES:
        if value := os.environ.get(variable, "").strip():
            _check_proxy(variable, value)
    named = next((name for name in CERTIFICATES if os.environ.get(name)), None)
    if named is None or Path(os.environ[named]).is_dir():
        return
    if not Path(os.environ[named]).is_file():
        raise NetworkSettingError(
            f"{named} names {os.environ[named]}, which is no file; name one with certificates in PEM form, or unset it."
        )
    try:
        ssl.create_default_context(cafile=os.environ[named])
    except OSError as error:
        raise NetworkSettingError(
            f"{named} names {printable(os.environ[named])}, which has no certificates in PEM form"
            f" ({printable(str(error))}); name one that has, or unset it."
        ) from None
    os.environ[CERTIFICATES[0]] = os.environ[named]


def check_endpoint(variable: str, address: str) -> None:
    """Raise NetworkSettingError where the environment's `variable` gave a hub an `address` that is none."""
    if not address.lower().startswith(("http://", "https://")):
        shown = shown_address(address) or "empty"
        raise NetworkSettingError(
            f"{variable} is {shown}, which is no address of a hub; expected one such as https://HOST, or unset it."
        )


def _check_proxy(variable: str, value: str) -> None:
    expected = "expected http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    try:
        proxy = _split(value)
        # A port that is no number raises.
        is_address = bool(proxy.hostname and (proxy.port or proxy.port is None))
    except ValueError:
        is_address = False
    # Where a password has one of these signs, what stands before it would be taken for the host.
    if not is_address or set("#?") & set(value) or "@" in proxy.path:
        raise NetworkSettingError(
            f"{variable} is no address of a proxy; {expected}, in which a sign such as # or @ of the password is"
            " written %23 or %40."
        )
    if proxy.scheme in SOCKS and find_spec("socksio") is None:
        raise NetworkSettingError(
            f"{variable} names the SOCKS proxy {place_of(proxy)}; {expected}, or install socksio into this environment."
        )
    if proxy.scheme not in ("http", "https", *SOCKS):
        raise NetworkSettingError(
            f"{variable} names a proxy that speaks {proxy.scheme[:20]}; {expected}, whatever is fetched through it."
        )


def _split(proxy: str) -> SplitResult:
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


def place_of(url: SplitResult) -> str:
    """Return host and port, without a user and a password."""
    return f"{url.hostname}:{url.port}" if url.port else url.hostname or shown_address(url.geturl())


def shown_address(url: str) -> str:
    """Return an address of a setting, whatever is wrong with it, without a user and a password, short and printable."""
    scheme, mark, rest = url.rpartition("://") if url.count("://") == 1 else ("", "", url)
    return printable(f"{scheme}{mark}{rest.rpartition('@')[2]}")


def proxy_of(url: str) -> tuple[str, SplitResult] | None:
    """Return the variable that names the proxy for `url`, and the proxy; None where it is asked directly."""
    wanted = urlsplit(url)
    bypassed = os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")).replace(",", " ").split()
    # The HTTP client takes a star among other hosts for all of them, the standard library one that stands alone.
    if "*" in bypassed or proxy_bypass_environment(wanted.netloc.rpartition("@")[2]):
        return None
    for kind in (wanted.scheme, "all"):
        for variable in (f"{kind}_proxy", f"{kind}_PROXY".upper()):
            if value := os.environ.get(variable, "").strip():
                return variable, _split(value)
    return None


def answered_between(
    response: httpx.Response, endpoint_variable: str, own_headers: Iterable[str] = ()
) -> str | None:
    """Return why an answer is not the hub's own but a proxy's or filter's, and what to do; None where it may be.

    `own_headers` are those of which a hub puts one into every answer, where it is known to.
    """
    url, status = str(response.request.url), response.status_code
    if status == PROXY_LOGIN:
        return _login_wanted(url)
    is_page, is_own = is_web_page(response), any(name in response.headers for name in own_headers)
    is_json = "json" in response.headers.get("Content-Type", "")
    is_foreign = is_page and not response.is_server_error
    is_block = status == FORBIDDEN and bool(own_headers) and not is_json
    if status != SIGN_IN and (is_own or not (is_foreign or is_block)):
        return None
    kind = " with a web page" if is_page else ""
    return page_sentence(url, endpoint_variable, f"status {status}{kind}{_words(response)}")


def page_sentence(url: str, endpoint_variable: str = "", answer: str = "a web page") -> str:
    """Return what a web page means that came from `url` in place of a hub's answer, and what to do."""
    or_else = f", or {endpoint_variable} names no hub" if os.environ.get(endpoint_variable) else ""
    return (
        f"{answer} came from {place_of(urlsplit(url))} in place of the hub's answer: a filter or a sign-in page of this"
        f" network stands between{or_else}. It is not about the model's licence or a token: ask the network's"
        " administrators to let the hub through, or name a proxy in HTTPS_PROXY."
    )


def _login_wanted(url: str) -> str:
    found = proxy_of(url)
    if found is None:
        return (
            f"a proxy on the way to {place_of(urlsplit(url))} wants a user name and a password (407); set HTTPS_PROXY"
            " to http://USER:PASSWORD@HOST:PORT of your network's proxy."
        )
    variable, proxy = found
    wants = (
        "refuses the user name or password in it" if proxy.username else "wants a user name and a password"
    )
    return (
        f"the proxy {place_of(proxy)} ({variable}) {wants} (407); set {variable} to"
        f" http://USER:PASSWORD@{place_of(proxy)}, in which @ and # are written %40 and %23."
    )


def is_web_page(response: httpx.Response) -> bool:
    """Return whether an answer says of itself that it is HTML, as no file of a model is."""
    return response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))


def _words(response: httpx.Response) -> str:
    """Return the first words of a web page as a part of a sentence, empty where none has been read."""
    try:
        text = MARKUP.sub(" ", response.text[:20_000])
    except httpx.StreamError:
        return ""
    # Some pages repeat what was asked, with its headers.
    words = " ".join("".join(char if char.isprintable() else " " for char in without_tokens(text)).split())
    return f" ({words[:LONGEST_WORDS]!r})" if words else ""


@contextmanager
def explained_silence(
    kind: type[BuildError], name: str, address: str, endpoint_variable: str
) -> Iterator[None]:
    """Turn what is raised where a hub does not answer, or not sensibly, into a `kind` about the model `name`.

    `address` is the hub's; `endpoint_variable` is the one that names another.
    """
    try:
        yield
    except AnswerError as error:
        raise kind(f"{name}: {error}; check {endpoint_variable}.") from None
    except httpx.RequestError as error:
        raise kind(f"{name}: {unreachable(error, address, endpoint_variable)}") from None
    except httpx.InvalidURL:
        raise kind(
            f"{name}: {shown_address(address)} is no address, or leads to none; correct {endpoint_variable}."
        ) from None


def is_lasting(error: httpx.RequestError) -> bool:
    """Return whether trying again cannot help: a proxy refuses, or a certificate is not trusted."""
    return isinstance(error, httpx.ProxyError | httpx.UnsupportedProtocol) or "CERTIFICATE_VERIFY" in str(
        error
    )


def unreachable(error: httpx.RequestError, url: str, endpoint_variable: str) -> str:
    """Return why no answer came from `url` or where it led to, and what to do.

    `endpoint_variable` is the one that names another address of the hub.
    """
    url = _asked(error) or url
    host, cause = place_of(urlsplit(url)), without_tokens(str(error)) or type(error).__name__
    if isinstance(error, httpx.ProxyError) and str(PROXY_LOGIN) in cause:
        return _login_wanted(url)
    if "CERTIFICATE_VERIFY" in cause:
        return (
            f"the certificate that {host} shows is not trusted here ({cause}); where a filter of this network opens"
            " connections, set SSL_CERT_FILE to a PEM file that has its root certificate."
        )
    if found := proxy_of(url):
        return _proxy_fault(error, cause, host, *found)
    if "WRONG_VERSION_NUMBER" in cause:
        return f"{host} answers without TLS; write http:// instead of https:// in {endpoint_variable}."
    return (
        f"{host} cannot be reached ({cause}); check the network, the address in {endpoint_variable} if it is set, and"
        " HTTPS_PROXY where this network has a proxy, then run the same command again."
    )


def _proxy_fault(error: httpx.RequestError, cause: str, host: str, variable: str, proxy: SplitResult) -> str:
    named = f"the proxy {place_of(proxy)} ({variable})"
    if "WRONG_VERSION_NUMBER" in cause and proxy.scheme == "https":
        return f"{named} answers without TLS; write http:// instead of https:// in {variable}."
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"{named} cannot be reached ({cause}); correct {variable}, or unset it where this network has no proxy."
    return f"{named} does not lead to {host} ({cause}); try again later, or ask its administrators to let it through."


def _asked(error: httpx.RequestError) -> str | None:
    """Return the address that was asked last: a redirect may have led to another host."""
    try:
        return str(error.request.url)
    except RuntimeError:
        return None


def wait_words(response: httpx.Response) -> str:
    """Return when to come back after an answer that asks to wait: "in 77 s", or "in some minutes"."""
    stated = response.headers.get("Retry-After", "").strip()
    limit = re.search(r";\s*t=(\d{1,6})", response.headers.get("RateLimit", ""))
    if stated.isdigit():
        seconds = int(stated)
    elif limit:
        seconds = int(limit[1])
    else:
        try:
            seconds = round(parsedate_to_datetime(stated).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return "in some minutes"
    return f"in {seconds} s" if 0 < seconds < 1_000_000 else "in some minutes"
