"""From an issuer's URL to the URL of its keys (OpenID Connect Discovery 1.0, RFC 8414)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jwtauthz.checks import show
from jwtauthz.failures import FailureKind
from jwtauthz.token import json_object

from .fetch import FetchFailed
from .urls import is_loopback, problem_with, redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fetch import Answer

# "There is nothing here", as servers put it; anything else may be better in a moment, and is no reason to ask
# another document.
_ABSENT: Final = frozenset({400, 401, 403, 404, 405, 406, 410})


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Give the two places of an issuer's metadata, in the order in which they are tried.

    OpenID Connect appends its suffix to the issuer (section 4); RFC 8414 section 3.1 puts its own between
    host and path. A slash at the end of the issuer is dropped for both.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def discover(issuer: str, get: Callable[[str], Answer]) -> str:
    """Read the issuer's metadata and give its `jwks_uri`. Raises FetchFailed."""
    openid, oauth = metadata_urls(issuer)
    try:
        return jwks_uri(get(openid).body, issuer, openid)
    except FetchFailed as failure:
        if failure.status not in _ABSENT:
            raise
    return jwks_uri(get(oauth).body, issuer, oauth)


def jwks_uri(body: bytes, issuer: str, url: str) -> str:
    """Take `jwks_uri` out of a metadata document, if the document is this issuer's. Raises FetchFailed.

    Issuers are compared code point by code point (RFC 8414 sections 3.3 and 4): a slash makes another one.
    """
    where, metadata = redacted(url), json_object(body)
    if metadata is None:
        raise FetchFailed(FailureKind.MALFORMED, f"the metadata at {where} are not a strict JSON object")
    if (named := metadata.get("issuer")) != issuer:
        raise FetchFailed(
            FailureKind.DISCOVERY,
            f"the metadata at {where} are those of the issuer {show(named)}, not of {show(issuer)}",
        )
    found = metadata.get("jwks_uri")
    problem = problem_with(found) if isinstance(found, str) else "is missing"
    if problem is None and not is_loopback(issuer) and is_loopback(str(found)):
        problem = "points to this very machine, where that issuer is not"
    if problem is not None:
        raise FetchFailed(FailureKind.DISCOVERY, f"the jwks_uri in the metadata at {where} {problem}")
    return str(found)
