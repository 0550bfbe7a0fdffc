"""A hierarchy of scopes: whoever has `admin` has `read:users` too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .claims import scope_name
from .errors import ConfigurationError


class Hierarchy:
    """What scopes imply, directly and through others, worked out once.

    Args:
        implies: for a scope, those it brings along: `{"admin": ["read:users", "write:users"]}`.

    Raises:
        ConfigurationError: something in it is no scope, or a scope implies itself by a detour.
    """

    def __init__(self, implies: Mapping[str, Iterable[str]]) -> None:
        direct: dict[str, tuple[str, ...]] = {}
        if not isinstance(implies, Mapping) or not implies:
            raise ConfigurationError(f"implies={implies!r}: write {{'admin': ['read:users', 'write:users']}}.")
        for scope, below in implies.items():
            if isinstance(below, str) or not isinstance(below, Iterable) or not (names := list(below)):
                raise ConfigurationError(
                    f"implies={{{scope!r}: {below!r}}}: write {{'admin': ['read:users']}}, with a list."
                )
            direct[scope_name(scope)] = tuple(map(scope_name, names))
        self._below = _closures(direct)

    def with_implied(self, granted: frozenset[str]) -> frozenset[str]:
        """What is granted, and all that it implies."""
        implied = [self._below[scope] for scope in granted if scope in self._below]
        return granted.union(*implied) if implied else granted


def _closures(direct: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """For each scope all that it implies; each is worked out once, without a stack that could overflow."""
    done: dict[str, frozenset[str]] = {}
    for start in direct:
        path = [start]
        while path:
            scope = path[-1]
            open_ = [each for each in direct.get(scope, ()) if each in direct and each not in done]
            if not open_:
                below = direct.get(scope, ())
                done[scope] = frozenset(below).union(*(done.get(each, ()) for each in below))
                path.pop()
            elif open_[0] in path:
                circle = " → ".join((*path[path.index(open_[0]) :], open_[0]))
                raise ConfigurationError(f"implies= goes in a circle: {circle}. Take one of the arrows out.")
            else:
                path.append(open_[0])
    return done
