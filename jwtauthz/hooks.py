"""Functions of the application that are told what happens; one that raises is logged, and never fatal."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .errors import AccessDenied
    from .events import Event
    from .keys.fleet import Fleet
    from .request import Request
    from .resource_server import ResourceServer
    from .verified_token import VerifiedToken

    Hook = Callable[[Event], object]

logger = logging.getLogger("jwtauthz")
_LOG_EVERY: Final = 60.0  # seconds between two records about hooks that fail


class Hooks:
    """The hooks of one server, called in the order they were given.

    Args:
        hooks: `(event) -> None`, one or several. They run where the decision falls, on the event loop too: let
            them count or enqueue, not wait. One that has a method `watch(server)` is given each server that it is
            a hook of, when that is built.

    Raises:
        ConfigurationError: one of them can't be called, or is a class.
    """

    def __init__(self, hooks: Hook | Iterable[Hook] | None) -> None:
        given = () if hooks is None else (hooks,) if callable(hooks) else tuple(hooks)
        for hook in given:
            if not callable(hook):
                raise ConfigurationError(f"hooks: {hook!r} can't be called. Write a function (event) -> None.")
            if isinstance(hook, type):
                raise ConfigurationError(f"hooks: {hook!r} is a class. Write {hook.__name__}(), with parentheses.")
        self._hooks: tuple[Hook, ...] = given
        self._logged: dict[int, float] = {}  # of each hook, when a failure was logged
        self._unlogged: dict[int, int] = {}  # and how many were not since
        if given:
            # A tenth of the whole import, and most servers have no hook; here, and not while a request waits.
            from . import events

            self._events = events

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def attach(self, server: ResourceServer, fleet: Fleet | None = None) -> None:
        """Tell them of the server's keys too, and show the server to those that want to look at it later."""
        for hook in self._hooks:
            if (watch := getattr(hook, "watch", None)) is not None:
                watch(server)
        for hook in self._hooks:  # one by one: a hook of two servers that share keys is told once
            server.verifier.subscribe(hook)
            if fleet is not None:
                fleet.subscribe(hook)

    def allowed(self, request: Request, token: VerifiedToken | None, seconds: float) -> None:
        """Tell of a request that is let in."""
        self._tell(self._events.Allowed(request=request, token=token, seconds=seconds))

    def denied(self, request: Request, denied: AccessDenied, seconds: float | None, *, enforced: bool) -> None:
        """Tell of one that is not, or would not be."""
        self._tell(self._events.Denied(request=request, denied=denied, enforced=enforced, seconds=seconds))

    def _tell(self, event: Event) -> None:
        for hook in self._hooks:
            try:
                hook(event)
            except Exception as error:  # noqa: BLE001  # a hook may raise anything
                self._log_failure(hook, event, error)

    def _log_failure(self, hook: Hook, event: Event, error: Exception) -> None:
        """Log it, once a minute at most: a hook that is broken is so for each request, and a traceback is long."""
        now, name = monotonic(), id(hook)
        if now - self._logged.get(name, float("-inf")) < _LOG_EVERY:
            self._unlogged[name] = self._unlogged.get(name, 0) + 1  # threads may lose a count, and that is no harm
            return
        self._logged[name] = now
        suppressed = self._unlogged.pop(name, 0)
        more = f" ({suppressed:,} more of its failures were not logged)" if suppressed else ""
        logger.error("The hook %r failed on %s%s", hook, type(event).__name__, more, exc_info=error)
