"""What the doors' `@requires` have in common: the requirement, and how a decorator is written wrongly."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .errors import ConfigurationError
from .policy import Shadow, requirement
from .signatures import takes
from .typed_claims import typed

if TYPE_CHECKING:
    from .policy import Requirement


def requirement_of_decorator(
    needs: tuple[object, ...], claim: object, claims: object, *, shadow: bool
) -> Requirement:
    """The requirement of `@requires(*needs, claim=claim, claims=claims, shadow=shadow)`, built when the view is.

    Raises:
        ConfigurationError: it asks for nothing, for something that can't be meant, or is no call at all.
    """
    if len(needs) == 1 and inspect.isfunction(needs[0]) and not takes(needs[0], 2):
        raise ConfigurationError(
            f"requires() is given {needs[0].__qualname__!r}, which is no check: those take (token, request). "
            "If it is the view, the parentheses are missing: write @requires('read:users'), "
            "or @requires(authenticated()) for any valid token."
        )
    needed = requirement(*needs, claim=claim)
    if claims is not None:
        needed = typed(needed, claims)
    return Shadow(needed) if shadow and not isinstance(needed, Shadow) else needed
