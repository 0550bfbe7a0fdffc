"""A hierarchy of scopes: whoever has `admin` has `read:users` too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .claims import scope_name
from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Hierarchy:
    """What scopes imply, directly and through others, worked out once.

    Args:
        implies: for a scope, those it brings along: `{"admin": ["read:users", "write:users"]}`.

    Raises:
        ConfigurationError: something in it is no scope, or a scope implies itself by a detour.
    """

    def __init__(self, implies: Mapping[str, Iterable[str]] | None) -> None:
        if implies is not None and (
            not isinstance(implies, dict) or any(isinstance(v, str) for v in implies.values())
        ):
            raise ConfigurationError(f"implies={implies!r}: write {{'admin': ['read:users', 'write:users']}}.")
        direct = {scope_name(scope): tuple(map(scope_name, below)) for scope, below in (implies or {}).items()}
        self._below = {scope: self._closure(scope, direct, ()) for scope in direct}

    def _closure(
        self, scope: str, direct: Mapping[str, tuple[str, ...]], above: tuple[str, ...]
    ) -> frozenset[str]:
        if scope in above:
            circle = " → ".join((*above[above.index(scope) :], scope))
            raise ConfigurationError(f"implies= goes in a circle: {circle}. Take one of the arrows out.")
        below = direct.get(scope, ())
        return frozenset(below).union(*(self._closure(each, direct, (*above, scope)) for each in below))

    def __bool__(self) -> bool:
        return bool(self._below)

    def with_implied(self, granted: frozenset[str]) -> frozenset[str]:
        """What is granted, and all that it implies."""
        implied = [self._below[scope] for scope in granted if scope in self._below]
        return granted.union(*implied) if implied else granted
