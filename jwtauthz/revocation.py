"""Whether a good token has been revoked: the question that only the application can answer."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING

from .errors import Code, ConfigurationError, Finding
from .signatures import is_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .verified_token import VerifiedToken

    Revoked = Callable[[VerifiedToken], "bool | Awaitable[bool]"]

logger = logging.getLogger("jwtauthz")

_RAISED = "revoked= raised, so whether the token is revoked can't be told."


class Revocation:
    """Asks a function of the application, sync or async; what is no plain bool is no answer, and so a 503.

    Args:
        revoked: `(token) -> bool`; True refuses the token. An async one is awaited by `aask` only.
    """

    def __init__(self, revoked: Revoked) -> None:
        if not callable(revoked):
            raise ConfigurationError(f"revoked={revoked!r} can't be called. Write a function (token) -> bool.")
        self._revoked = revoked
        self.is_async = is_async(revoked)

    def ask(self, token: VerifiedToken) -> Finding | None:
        """The finding that speaks against the token, or None."""
        if self.is_async:
            raise ConfigurationError("revoked= is async, so this server needs `await server.aauthorize(...)`.")
        try:
            answer: object = self._revoked(token)
        except Exception:
            logger.exception(_RAISED)
            return Finding(Code.REVOCATION_UNAVAILABLE, _RAISED)
        return _finding(answer)

    async def aask(self, token: VerifiedToken) -> Finding | None:
        """As `ask`, for asyncio and trio."""
        try:
            answer: object = self._revoked(token)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception:
            logger.exception(_RAISED)
            return Finding(Code.REVOCATION_UNAVAILABLE, _RAISED)
        return _finding(answer)


def _finding(answer: object) -> Finding | None:
    if answer is False:
        return None
    if answer is True:
        return Finding(Code.REVOKED, "revoked= says that the token is revoked.")
    if inspect.iscoroutine(answer):
        answer.close()
    return Finding(
        Code.REVOCATION_UNAVAILABLE,
        f"revoked= returned {type(answer).__name__}; it must return True or False.",
    )
