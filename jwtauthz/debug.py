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
_FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class Debug:
    """The setting `debug=` of a resource server.

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
        return _is_this_machine(request.client) and not any(name in request.headers for name in _FORWARDING)


def _is_this_machine(client: str | None) -> bool:
    try:
        return client is not None and ip_address(client.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False


def wants_page(request: Request) -> bool:
    """Whether a browser asks, which reads HTML before anything else."""
    return "text/html" in request.headers.get("accept", "")
