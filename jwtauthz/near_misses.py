"""Values that nearly fit: an issuer without its slash, an audience that is the client; each with its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from .claims import printable
from .cures import vendor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MICROSOFT_GRAPH = ("00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com")


_GRAPH = "This is a token for Microsoft Graph, which nobody else can check; ask for scope=api://<API>/<scope>."


def issuer_hint(claims: Mapping[str, Any], expected: Iterable[str]) -> str | None:
    """What to do about an issuer that is not one of those expected."""
    found = claims.get("iss")
    if not isinstance(found, str):
        return None
    if claims.get("aud") in _MICROSOFT_GRAPH:
        return _GRAPH
    for url in expected:
        if found.rstrip("/") == url.rstrip("/"):
            return f"They differ by the last slash. Write issuer='{printable(found)}', as the token does."
        if found.lower() == url.lower():
            return f"They differ in case. Write issuer='{printable(found)}', as the token does."
        if _without_scheme(found) == _without_scheme(url):
            return "They differ by http and https. Ask for tokens at the https URL of the issuer."
        hint = _other_name(found, url)
        if hint is not None:
            return hint
    return None


def _other_name(found: str, expected: str) -> str | None:
    """Whether both may be the same issuer by two of its names."""
    vendors = vendor_of(found), vendor_of(expected)
    if vendors == ("entra", "entra") and _host(found) != _host(expected):
        return (
            "Entra ID names itself https://sts.windows.net/<tenant>/ in tokens of version 1 and "
            "https://login.microsoftonline.com/<tenant>/v2.0 in those of version 2. Set "
            "requestedAccessTokenVersion to 2 in the manifest of the API, or write the issuer as the token does."
        )
    if _path(found) == _path(expected) != "" and vendors[0] == vendors[1]:
        return (
            "They differ by the host alone. If it is one issuer: it names the host that it was asked at, so give "
            "it one public URL for everybody (KC_HOSTNAME at Keycloak)."
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
            if audience == f"api://{wanted}":
                return f"They differ by api://. Write audience='{printable(audience)}', as the token does."
    if value is None and vendor_of(str(claims.get("iss", ""))) == "cognito":
        return (
            "Cognito's access tokens have no audience; their app client stands in client_id. "
            "Write Issuer.cognito(region, user_pool_id), and the ID of the app client as audience=."
        )
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
        return _GRAPH
    if audience == "account" and vendor_of(str(claims.get("iss", ""))) == "keycloak":
        return "`account` is Keycloak's own client: add a mapper of type Audience for this API to a client scope."
    if audience in (claims.get("client_id"), claims.get("azp")):
        return "The audience is the client itself, as in an ID token."
    return None


def _parts(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _without_scheme(url: str) -> str:
    parts = _parts(url)
    return f"{parts.netloc}{parts.path}" if parts and parts.scheme in {"http", "https"} else url


def _host(url: str) -> str:
    parts = _parts(url)
    return (parts.hostname or "") if parts else ""


def _path(url: str) -> str:
    parts = _parts(url)
    return parts.path.strip("/") if parts else ""
