"""How a function of the application may be called."""

from __future__ import annotations

import inspect
import sys
from typing import Any


def signature_of(function: Any) -> inspect.Signature:
    """The parameters of a function, whose annotations may name what only a type checker imports."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    else:  # noqa: RET505
        return inspect.signature(function)


def is_async(function: Any) -> bool:
    """Whether a call gives something to await: an async function, or an object with an async `__call__`."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments; one that keeps its parameters to itself may."""
    try:
        signature = signature_of(function)
    except ValueError:
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return next(iter(signature.parameters), None) != "self"
