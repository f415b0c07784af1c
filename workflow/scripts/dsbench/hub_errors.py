"""What a failing answer of the Hugging Face hub means for the person who asked for a repository."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from huggingface_hub import errors

from dsbench.errors import BuildError
from dsbench.network_faults import FORBIDDEN, TOO_MANY, answered_between, unreachable, wait_words
from dsbench.secret_words import token

UNAUTHORISED, NOT_FOUND, LEGAL_REASONS = 401, 404, 451
# The hub puts one of them into every answer, whatever its body is.
OWN_HEADERS = ("X-Error-Code", "X-Error-Message", "X-Request-Id", "X-Repo-Commit")
ENDPOINT = "HF_ENDPOINT"


class HubError(BuildError):
    """A repository of the Hugging Face hub that cannot be listed or read, with the cause and what to do."""


class GatedError(HubError):
    """A repository whose terms must be accepted first."""


class MissingError(HubError):
    """A repository or revision that does not exist."""


class PrivateError(HubError):
    """A repository that this account, or nobody without a token, may see."""


class RateLimitedError(HubError):
    """A hub that asks to wait."""


class UnreachableError(HubError):
    """A hub that does not answer, or not sensibly."""


@contextmanager
def explained_hub_errors(repository: str, revision: str | None, endpoint: str) -> Iterator[None]:
    """Turn what huggingface_hub and httpx raise into a HubError, without a token in its text."""
    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise UnreachableError(
            f"{repository}: HF_HUB_OFFLINE is set and the files are not in build/downloads; unset it for one run."
        ) from None
    except errors.RevisionNotFoundError:
        raise MissingError(
            f"{repository}: has no revision {revision!r}; see https://huggingface.co/{repository}/commits."
        ) from None
    except httpx.HTTPStatusError as error:
        raise _explained(error.response, repository) from None
    except errors.HfHubHTTPError as error:
        raise _explained(error.response, repository) from None
    except httpx.RequestError as error:
        raise UnreachableError(f"{repository}: {unreachable(error, endpoint, ENDPOINT)}") from None
    except httpx.InvalidURL:
        raise UnreachableError(
            f"{repository}: {endpoint} is no address, or leads to none; correct {ENDPOINT}."
        ) from None


def _explained(response: httpx.Response, repository: str) -> HubError:
    page = f"https://huggingface.co/{repository}"
    has_token = token("HF_TOKEN") is not None
    if response.headers.get("X-Error-Code") == "GatedRepo":
        whose = (
            ", with the account that HF_TOKEN belongs to"
            if has_token
            else " and set HF_TOKEN in the environment"
        )
        return GatedError(f"{repository}: gated; accept its terms at {page}{whose}.")
    if between := answered_between(response, ENDPOINT, OWN_HEADERS):
        return UnreachableError(f"{repository}: {between}")
    known = {
        UNAUTHORISED: (
            PrivateError,
            "the hub refuses HF_TOKEN, as it does one that is expired; make a valid one at"
            " https://huggingface.co/settings/tokens, or unset HF_TOKEN where the model is public."
            if has_token
            else "private, or it does not exist (the hub does not tell without a token); check the name, then set"
            " HF_TOKEN in the environment.",
        ),
        FORBIDDEN: (
            PrivateError,
            f"private, and {'the account of HF_TOKEN has' if has_token else 'without HF_TOKEN there is'} no access;"
            " ask its owner.",
        ),
        NOT_FOUND: (MissingError, f"not on the hub (404); check the name at {page}."),
        LEGAL_REASONS: (
            MissingError,
            "withheld for legal reasons (451), perhaps in this country only; choose another model.",
        ),
        TOO_MANY: (
            RateLimitedError,
            f"the hub's rate limit is reached (429); run the same command {wait_words(response)}"
            f"{'' if has_token else '; with HF_TOKEN set the limit is higher'}.",
        ),
    }
    later = f"the hub answers with status {response.status_code}; run the same command again later."
    kind, cause = known.get(response.status_code, (UnreachableError, later))
    return kind(f"{repository}: {cause}")
