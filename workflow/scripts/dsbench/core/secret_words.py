"""Access tokens: read from the environment where they are sent, taken out of every text that is kept."""

import json
import os
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote, unquote

from dsbench.core.errors import BuildError

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "NGC_API_KEY", "NGC_CLI_API_KEY")
# Visible ASCII without the marks that a shell, a .env file or a word processor puts around it.
NO_SIGN_OF_A_TOKEN = re.compile(r"[^!-~]|[\"'`<>]")
# A password may have @ and / in it; what follows a colon is none where it is a port. The words are our own advice.
LOGIN = re.compile(
    r"(:(?:\\?/){2})(?!USER:PASSWORD@)(?:[^\s/:@]*:(?!\d+(?:/|\s|$))[^\s@]*|[^\s/@]*)@(?:[^\s/@]*@)*"
)
# What may hold a password, which a page between this machine and a hub may repeat.
ADDRESS_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "HF_ENDPOINT", "NGC_API_URL", "NGC_AUTHN_URL")
PASSWORD = re.compile(r"^(?:[^/]*://)?[^:@/]*:(.+)@")
# A shorter password stands in any text.
SHORTEST_PASSWORD = 4
# Of a token that was cut short or broken over lines, as many signs in a row give it away.
PIECE = 8


class TokenError(BuildError):
    """A variable that holds something else than a token; its text has no part of it."""


def token(*variables: str) -> str | None:
    """Return the first of the environment `variables` that holds something, without space and line ends around it.

    Raises TokenError where it holds a character that no token has.
    """
    name = next((name for name in variables if _value(name)), None)
    if name is None:
        return None
    if found := NO_SIGN_OF_A_TOKEN.search(_value(name)):
        sign = found[0]
        kind = unicodedata.name(sign, "a control character").lower()
        raise TokenError(
            f"{name} holds a character that no token has: at place {found.start() + 1} of {len(_value(name))}, {kind}"
            f" (U+{ord(sign):04X}); copy the token again, without quotation marks and in one piece."
        )
    return _value(name)


def _value(name: str) -> str:
    return os.environ.get(name, "").strip()


def without_tokens(text: str) -> str:
    """Return `text` with every token, and the password of every address in the environment, replaced by its variable.

    Logins in addresses are left out. A secret is found in the forms in which JSON, Python, addresses and HTTP's logins
    have it, and in pieces.
    """
    for name, secret in _secrets():
        for form in _forms(secret):
            text = _without(text, form, f"<{name}>")
    return without_logins(text)


def _secrets() -> Iterator[tuple[str, str]]:
    yield from ((name, _value(name)) for name in TOKEN_VARIABLES)
    for name in (*ADDRESS_VARIABLES, *map(str.lower, ADDRESS_VARIABLES)):
        if (found := PASSWORD.match(_value(name))) and len(found[1]) >= SHORTEST_PASSWORD:
            yield from ((name, secret) for secret in {found[1], unquote(found[1])})


def without_logins(text: str, instead: str = "") -> str:
    """Return `text` with what stands before the host in its addresses, a user and a password, replaced."""
    return LOGIN.sub(rf"\1{instead}", text)


def environment_without_tokens() -> dict[str, str]:
    """Return the environment for a program that asks no hub."""
    return {name: value for name, value in os.environ.items() if name not in TOKEN_VARIABLES}


def _forms(value: str) -> list[str]:
    """Return how `value` may be written, the longest form first."""
    data = value.encode(errors="surrogateescape")
    forms = {
        value,
        repr(value)[1:-1],
        repr(data)[2:-1],
        json.dumps(value)[1:-1],
        quote(data),
        quote(data, safe=""),
    }
    # A user's name before the token shifts it within the groups of three bytes that are coded together.
    for shift in range(3):
        coded = b64encode(bytes(shift) + data).decode()
        forms.add(coded[(4 * shift + 2) // 3 : (shift + len(data)) * 8 // 6])
    return sorted(filter(None, forms), key=len, reverse=True)


def _without(text: str, secret: str, instead: str) -> str:
    text = text.replace(secret, instead)
    for start in range(len(secret) - PIECE + 1):
        end = start + PIECE
        if secret[start:end] in text:
            while end < len(secret) and secret[start : end + 1] in text:
                end += 1
            text = text.replace(secret[start:end], instead)
    return text
