"""What a failing answer of the Hugging Face hub means for the person who asked for a repository."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from huggingface_hub import errors

from dsbench.errors import BuildError
from dsbench.secret_words import token, without_tokens

UNAUTHORISED, FORBIDDEN, NOT_FOUND, TOO_MANY = 401, 403, 404, 429


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
    except httpx.TransportError as error:
        cause = without_tokens(str(error)) or type(error).__name__
        raise UnreachableError(
            f"{repository}: {endpoint} cannot be reached ({cause}); check the network, proxy or HF_ENDPOINT,"
            " then run the same command again."
        ) from None


def _explained(response: httpx.Response, repository: str) -> HubError:
    status = response.status_code
    page = f"https://huggingface.co/{repository}"
    has_token = token("HF_TOKEN") is not None
    if response.headers.get("X-Error-Code") == "GatedRepo":
        return GatedError(
            f"{repository}: gated; accept its terms at {page}"
            + (
                ", with the account that HF_TOKEN belongs to."
                if has_token
                else " and set HF_TOKEN in the environment."
            )
        )
    if status == UNAUTHORISED:
        return PrivateError(
            f"{repository}: the hub refuses HF_TOKEN; make a valid one at https://huggingface.co/settings/tokens."
            if has_token
            else f"{repository}: private, or it does not exist (the hub does not tell without a token); check"
            " the name, then set HF_TOKEN in the environment."
        )
    if status == FORBIDDEN:
        return PrivateError(
            f"{repository}: private, and "
            + ("HF_TOKEN's account has" if has_token else "without HF_TOKEN there is")
            + " no access; ask its owner."
        )
    if status == NOT_FOUND:
        return MissingError(f"{repository}: not on the hub (404); check the name at {page}.")
    if status == TOO_MANY:
        wait = response.headers.get("Retry-After", "")
        after = f"in {wait} s" if wait.isdigit() else "in some minutes"
        more = "" if has_token else "; with HF_TOKEN set the limit is higher"
        return RateLimitedError(
            f"{repository}: the hub's rate limit is reached (429); run the same command {after}{more}."
        )
    return UnreachableError(
        f"{repository}: the hub answers with status {status}; run the same command again later."
    )
