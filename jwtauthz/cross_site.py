"""The precaution that credentials need which a browser sends by itself, as it does cookies (RFC 6750 section 5.3).

A page of another site can make a browser send a request with the cookies of this one. What it can't do is to
hide where it comes from: browsers say so in `Sec-Fetch-Site` and `Origin`, which no page can write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .errors import Code, ConfigurationError, Finding

if TYPE_CHECKING:
    from .request import Request

# RFC 9110 section 9.2.1: these change nothing, so it does not matter who had them sent.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
# Behind a proxy that ends TLS the connection itself may look plain, so a page over TLS counts as well.
_OWN_SCHEMES: Final = {"http": ("http", "https"), "ws": ("http", "https")}


def origins_from(origins: object) -> frozenset[str]:
    """The origins that a setting names, as browsers write them (RFC 6454 section 6.2).

    Raises:
        ConfigurationError: one is no origin, or could be anybody's.
    """
    if isinstance(origins, str) or not isinstance(origins, Iterable):
        raise ConfigurationError(f"origins={origins!r} is no list. Write origins=['https://app.example.com'].")
    return frozenset(map(_origin, origins))


def _origin(origin: object) -> str:
    match = _ORIGIN.fullmatch(origin) if isinstance(origin, str) else None
    if match is None or match[3] == _DEFAULT_PORTS.get(match[1], ""):
        raise ConfigurationError(
            f"origins: {origin!r} is no origin as browsers write it. Write scheme, host and a port that is not "
            "the usual one, in small letters and without a slash at the end: 'https://app.example.com'."
        )
    return match[0]


def cross_site_refusal(request: Request, allowed: frozenset[str], place: str) -> Finding | None:
    """Why a request with a token in `place` may be another site's doing; None if it is not.

    Safe methods pass. All others, and WebSocket handshakes, have to show that they come from the API's own origin
    or from an `allowed` one; a request that shows nothing is refused.
    """
    if request.method in _SAFE and request.scheme not in {"ws", "wss"}:
        return None
    origins, sites = request.header_lines("origin"), request.header_lines("sec-fetch-site")
    if len(origins) <= 1 and len(sites) <= 1:
        origin = origins[0] if origins else ""
        if origin in allowed:
            return None
        if sites:
            # The browser has compared, and knows the scheme that the user sees.
            if sites[0] in {"same-origin", "none"}:
                return None
        elif origin and _is_own(origin, request):
            return None
    shown = "comes from another site" if origins or sites else "does not show where it comes from"
    return Finding(
        Code.CROSS_SITE_REQUEST,
        f"The token stands in {place}, and the request {shown}.",
        hint="A page that may use the cookie is named in cookie(..., origins=['https://app.example.com']). "
        "A client that is no browser sends the token in the Authorization header.",
    )


def _is_own(origin: str, request: Request) -> bool:
    """Whether an origin is that of the request: its scheme, or TLS; and the host that the client asked for."""
    match = _ORIGIN.fullmatch(origin)
    hosts = request.header_lines("host")
    if match is None or len(hosts) != 1:
        return False
    default = _DEFAULT_PORTS.get(match[1], "")
    if not default or match[1] not in _OWN_SCHEMES.get(request.scheme, ("https",)):
        return False
    return hosts[0].lower().removesuffix(default) == origin.partition("://")[2].removesuffix(default)
