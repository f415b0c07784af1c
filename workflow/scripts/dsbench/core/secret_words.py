"""Access tokens: read from the environment where they are sent, taken out of every text that is kept."""

import os
import re
import unicodedata

from dsbench.core.errors import BuildError

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "NGC_API_KEY", "NGC_CLI_API_KEY")
# Visible ASCII without the marks that a shell, a .env file or a word processor puts around it.
NO_SIGN_OF_A_TOKEN = re.compile(r"[^!-~]|[\"'`<>]")
LOGIN = re.compile(r"://[^/\s@]+@")


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
    """Return `text` with the value of every token variable replaced by its name, and without logins in addresses."""
    for name in TOKEN_VARIABLES:
        if value := _value(name):
            text = text.replace(value, f"<{name}>")
    return LOGIN.sub("://", text)
