"""Access tokens: read from the environment where they are sent, taken out of every text that is kept."""

import os

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "NGC_API_KEY", "NGC_CLI_API_KEY")


def token(*variables: str) -> str | None:
    """Return the first of the environment `variables` that holds something."""
    return next((value for name in variables if (value := os.environ.get(name, "").strip())), None)


def without_tokens(text: str) -> str:
    """Return `text` with the value of every token variable replaced by the variable's name."""
    for name in TOKEN_VARIABLES:
        if value := token(name):
            text = text.replace(value, f"<{name}>")
    return text
