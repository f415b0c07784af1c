"""No form of a token and no login of an address is left in a text, and the rest of the text is."""

import json
import os
from base64 import b64encode
from urllib.parse import quote

import pytest

from dsbench.core.secret_words import environment_without_tokens, without_tokens

TOKEN = "hf_sEcRe7/t0k+n==&Z"
BROKEN = "hf_firstHalf\nsecondHalf”"


@pytest.mark.parametrize("name", ["HF_TOKEN", "NGC_API_KEY"])
@pytest.mark.parametrize("value", [TOKEN, BROKEN])
@pytest.mark.parametrize(
    "written",
    [
        str,
        repr,
        json.dumps,
        quote,
        lambda value: quote(value, safe=""),
        lambda value: repr(f"Bearer {value}".encode()),
        lambda value: b64encode(f"$oauthtoken:{value}".encode()).decode(),
        lambda value: b64encode(f"me:{value}".encode()).decode(),
        lambda value: b64encode(f"user:{value}".encode()).decode(),
        lambda value: value[:14],
        lambda value: value[-12:],
        lambda value: f"{value[:9]}\n{value[9:]}",
    ],
)
def test_token_is_taken_out_in_every_form_and_in_pieces(monkeypatch, name, value, written):
    monkeypatch.setenv(name, value)
    shown = without_tokens(f"Illegal header value {written(value)}; correct it")
    assert f"<{name}>" in shown
    assert shown.startswith("Illegal header value ") and shown.endswith("; correct it")
    for form in (value, b64encode(value.encode()).decode(), quote(value, safe="")):
        assert not any(form[at : at + 8] in shown for at in range(len(form) - 7))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("proxy http://me:pA55@host:1 said no", "proxy http://host:1 said no"),
        ("http://me@host/x", "http://host/x"),
        ("http://me:p@ss@host/x", "http://host/x"),
        ("http://me:p/a?s#s@host/x", "http://host/x"),
        (r"http:\/\/me:pA55@host\/x", r"http:\/\/host\/x"),
        ("from http://a:pA55@one to http://b:pA55@two", "from http://one to http://two"),
        # Right things stay.
        ("https://host:8080/org/model@main", "https://host:8080/org/model@main"),
        ("set it to http://USER:PASSWORD@HOST:PORT", "set it to http://USER:PASSWORD@HOST:PORT"),
        ("hf:org/model@v1 by me@host", "hf:org/model@v1 by me@host"),
    ],
)
def test_login_in_an_address_is_left_out(text, shown):
    assert without_tokens(text) == shown


def test_program_that_asks_no_hub_gets_no_token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("NGC_CLI_API_KEY", TOKEN)
    environment = environment_without_tokens()
    assert TOKEN not in environment.values()
    assert environment["PATH"] == os.environ["PATH"]
