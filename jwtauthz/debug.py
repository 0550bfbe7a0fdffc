"""Who may see explanations in answers: nobody; this machine; or, by a word that says what it risks, anybody."""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .request import Request

logger = logging.getLogger("jwtauthz")

TO_ANYBODY: Final = "unsafe_show_claims_to_anybody"
# Where one of these stands, somebody else is behind the connection from this machine.
_FORWARDING: Final = ("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip")
_FORWARDING_PREFIXES: Final = ("x-forwarded-", "x-original-", "x-envoy-", "cf-")


class Debug:
    """The setting `debug=` of a resource server.

    A proxy on this machine that adds no header of its own can't be told from a person at it: never switch this on
    where strangers can reach the API through one.

    Args:
        setting: False; True for requests from this machine; or the word for everybody.
    """

    def __init__(self, setting: object) -> None:
        if not isinstance(setting, bool) and setting != TO_ANYBODY:
            raise ConfigurationError(
                f"debug={setting!r}: write debug=True to show explanations to requests from this machine, "
                f"or debug={TO_ANYBODY!r} to show the claims of tokens to everybody who sends one."
            )
        self._setting = setting
        if setting is not False:
            whom = "everybody" if setting == TO_ANYBODY else "requests from this machine"
            logger.warning("debug=%r: answers to %s carry explanations with claims of tokens", setting, whom)

    def may_show(self, request: Request) -> bool:
        """Whether the answer to this request may carry its explanation."""
        if self._setting is False:
            return False
        if self._setting == TO_ANYBODY:
            return True
        return _is_this_machine(request.client) and not any(map(_is_of_a_proxy, request.headers))


def _is_this_machine(client: str | None) -> bool:
    try:
        return client is not None and ip_address(client.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


def _is_of_a_proxy(header: str) -> bool:
    name = header.lower()
    return name in _FORWARDING or name.startswith(_FORWARDING_PREFIXES)


def wants_page(request: Request) -> bool:
    """Whether a browser asks, which reads HTML before JSON (RFC 9110 section 12.5.1)."""
    weights = {}
    for part in request.headers.get("accept", "").lower().split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        weights[media_type] = next((_weight(each) for each in parameters if each.startswith("q=")), 1.0)
    html = weights.get("text/html", 0.0)
    return html > 0 and html >= weights.get("application/json", 0.0)


def _weight(parameter: str) -> float:
    try:
        return float(parameter.removeprefix("q="))
    except ValueError:
        return 0.0
