"""What the doors' `@requires` have in common: the requirement, and how a decorator is written wrongly."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .policy import requirement

if TYPE_CHECKING:
    from .policy import Requirement


def requirement_of_decorator(needs: tuple[object, ...], claim: object) -> Requirement:
    """The requirement of `@requires(*needs, claim=claim)`, built when the view is.

    Raises:
        ConfigurationError: it asks for nothing, for something that can't be meant, or is no call at all.
    """
    if len(needs) == 1 and inspect.isfunction(needs[0]) and not _takes_token_and_request(needs[0]):
        raise ConfigurationError(
            f"requires() is given {needs[0].__qualname__!r}, which is no check: those take (token, request). "
            "If it is the view, the parentheses are missing: write @requires('read:users'), "
            "or @requires(authenticated()) for any valid token."
        )
    return requirement(*needs, claim=claim)


def _takes_token_and_request(function: Any) -> bool:
    signature = inspect.signature(function)
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return next(iter(signature.parameters)) != "self"
