"""Values that nearly fit: an issuer without its slash, an audience that is the client; each with its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .claims import printable
from .cures import vendor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MICROSOFT_GRAPH = ("00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com")


def issuer_hint(found: object, expected: Iterable[str]) -> str | None:
    """What to do about an issuer that is not one of those expected."""
    if not isinstance(found, str):
        return None
    for url in expected:
        if found.rstrip("/") == url.rstrip("/"):
            return f"They differ by the slash at the end. Write issuer='{printable(found)}', as the token does."
        if found.lower() == url.lower():
            return f"They differ in upper and lower case. Write issuer='{printable(found)}', as the token does."
        if _without_scheme(found) == _without_scheme(url):
            return "They differ by http and https. Ask for tokens at the https URL of the issuer."
        hint = _other_name(found, url)
        if hint is not None:
            return hint
    return None


def _other_name(found: str, expected: str) -> str | None:
    """Whether both may be the same issuer by two of its names."""
    vendors = vendor_of(found), vendor_of(expected)
    if vendors == ("entra", "entra"):
        return (
            "Entra ID names itself https://sts.windows.net/<tenant>/ in tokens of version 1 and "
            "https://login.microsoftonline.com/<tenant>/v2.0 in those of version 2. Set "
            "requestedAccessTokenVersion to 2 in the manifest of the API, or write the issuer as the token does."
        )
    if vendors[0] is not None and vendors[0] == vendors[1]:
        return f"Both are at {vendors[0]}, but not the same tenant or server."
    if None in vendors and ("auth0" in vendors or "okta" in vendors):
        return (
            "If one of them is the custom domain of the other: a token names the domain that it was asked for at. "
            "Use the same one in the client and in issuer=."
        )
    return None


def audience_hint(claims: Mapping[str, Any], expected: Iterable[str]) -> str:
    """What to do about an audience that is missing or not one of those expected."""
    value = claims.get("aud")
    found = [element for element in (value if isinstance(value, list) else [value]) if isinstance(element, str)]
    accepted = sorted(expected)
    for audience in found:
        for wanted in accepted:
            if audience.rstrip("/") == wanted.rstrip("/"):
                return f"They differ by the last slash. Write audience='{printable(audience)}', as the token does."
            if audience.lower() == wanted.lower():
                return f"They differ in case. Write audience='{printable(audience)}', as the token does."
    ask = f"Ask the issuer for a token for this API: audience (or resource) {accepted[0]!r}."
    for audience in found:
        special = _well_known(audience, claims)
        if special is not None:
            return f"{special} {ask}"
    return ask


def _well_known(audience: str, claims: Mapping[str, Any]) -> str | None:
    """What an audience is known to stand for, if it is not an API of the user's own."""
    if audience.endswith("/api/v2/") and vendor_of(audience) == "auth0":
        return "This is a token for Auth0's Management API."
    if audience.endswith("/userinfo"):
        return "This token is for the issuer's own /userinfo: no API was asked for."
    if audience in _MICROSOFT_GRAPH:
        return "This is a token for Microsoft Graph, which nobody else can check; use scope=api://<API>/<scope>."
    if audience == "account" and vendor_of(str(claims.get("iss", ""))) == "keycloak":
        return "`account` is Keycloak's own client: add a mapper of type Audience for this API to a client scope."
    if audience in (claims.get("client_id"), claims.get("azp")):
        return "The audience is the client itself, as in an ID token."
    return None


def _without_scheme(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{parts.netloc}{parts.path}" if parts.scheme in {"http", "https"} else url
