"""Functions of the application that are told what happens; one that raises is logged, and never fatal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .events import Event

    Hook = Callable[[Event], object]

logger = logging.getLogger("jwtauthz")


class Hooks:
    """The hooks of one server, called in the order they were given.

    Args:
        hooks: `(event) -> None`, one or several. They run where the decision falls, on the event loop too: let
            them count or enqueue, not wait.
    """

    def __init__(self, hooks: Hook | Iterable[Hook] | None) -> None:
        given = () if hooks is None else (hooks,) if callable(hooks) else tuple(hooks)
        for hook in given:
            if not callable(hook):
                raise ConfigurationError(f"hooks: {hook!r} can't be called. Write a function (event) -> None.")
        self._hooks: tuple[Hook, ...] = given

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def tell(self, event: Event) -> None:
        """Call each hook with an event."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("The hook %r failed on %s", hook, type(event).__name__)
