"""The one reader of claim values: where a claim stands, and which scopes it grants.

A claim is named by a string, which is one literal key (dots and slashes mean nothing), or by a tuple of
strings, which is a path into nested objects: `"permissions"`, `"https://example.com/roles"`,
`("realm_access", "roles")`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TYPE_NAMES: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}

ClaimName = str | tuple[str, ...]

MISSING: Final = object()
MAX_SCOPES: Final = 1_000

_NOTHING: Final[frozenset[str]] = frozenset()
# RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE_CHARACTERS: Final = frozenset(map(chr, [0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one claim grants: the scopes, and why that may be fewer than someone expects."""

    granted: frozenset[str]
    problem: str | None = None


def claim_name(claim: object) -> ClaimName:
    """The claim name that a setting means.

    Raises:
        ConfigurationError: it is no string and no path of strings.
    """
    if isinstance(claim, str) and claim:
        return claim
    if isinstance(claim, (tuple, list)) and claim and all(isinstance(part, str) and part for part in claim):
        return claim[0] if len(claim) == 1 else tuple(claim)
    raise ConfigurationError(
        f"claim={claim!r} names no claim. Write a literal key such as claim='permissions', "
        "or a path such as claim=('realm_access', 'roles')."
    )


def scope_name(scope: object) -> str:
    """The scope that a setting means (RFC 6749 section 3.3).

    Raises:
        ConfigurationError: it is empty, no string, or no single scope.
    """
    if not isinstance(scope, str):
        raise ConfigurationError(
            f"A scope is a string, not {scope!r}. "
            "Write requires('read:users'), or any_of('a', 'b') for one of several."
        )
    if not scope:
        raise ConfigurationError(
            "An empty scope asks for nothing, and every token would pass. "
            "Name a scope, or write authenticated() for a route that is open to any valid token."
        )
    if " " in scope:
        names = ", ".join(repr(name) for name in scope.split())
        raise ConfigurationError(
            f"{scope!r} holds a space, so it can't be one scope. Write all_of({names}) or any_of({names})."
        )
    if not _SCOPE_CHARACTERS.issuperset(scope):
        raise ConfigurationError(
            f"{scope!r} holds a character that no scope may have: RFC 6749 section 3.3 allows printable "
            'ASCII without space, " and \\.'
        )
    return scope


def show_claim(claim: ClaimName) -> str:
    """The name of a claim for a log."""
    return printable(claim if isinstance(claim, str) else " → ".join(claim))


def printable(text: str, limit: int = 200) -> str:
    """A text of a token for a log or a terminal: it can forge no line and hide nothing, and is cut."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def lookup(claims: Mapping[str, Any], claim: ClaimName) -> Any:
    """The value of a claim, or `MISSING`; a path ends where something is not an object."""
    if isinstance(claim, str):
        return claims.get(claim, MISSING)
    value: Any = claims
    for part in claim:
        if not isinstance(value, dict) or part not in value:
            return MISSING
        value = value[part]
    return value


def read_scopes(claims: Mapping[str, Any], claim: ClaimName) -> Reading:
    """The scopes that one claim grants.

    A string is split at U+0020 only (RFC 6749 section 3.3); tabs, commas and other spaces separate nothing.
    A list is taken element by element. Anything else grants nothing and says so.
    """
    value = lookup(claims, claim)
    problem = None
    if isinstance(value, str):
        names = frozenset(value.split(" ")) - {""}
    elif isinstance(value, list):
        names = frozenset(element for element in value if isinstance(element, str) and element)
        if not all(isinstance(element, str) for element in value):
            problem = "holds elements that are no strings; they grant nothing"
    elif value is MISSING:
        return _ABSENT
    else:
        return Reading(_NOTHING, f"is {_TYPE_NAMES.get(type(value), 'an object')}, which grants nothing")
    if len(names) > MAX_SCOPES:
        return Reading(_NOTHING, f"holds more than {MAX_SCOPES:,} scopes, so it grants nothing")
    return Reading(names, problem)


_ABSENT: Final = Reading(_NOTHING, "is not in the token")

# How far `find_scope` looks: a denial must stay cheap whatever a token holds.
_SEARCH_DEPTH: Final = 4
_SEARCH_CLAIMS: Final = 64


def find_scope(claims: Mapping[str, Any], scope: str, besides: Sequence[ClaimName]) -> ClaimName | None:
    """Where else in the token a scope stands, for the person who looks for it in the wrong claim.

    Looks at no more than 64 claims and 4 levels deep, the outermost first.
    """
    level: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), claims)]
    looked = 0
    for _ in range(_SEARCH_DEPTH):
        deeper: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
        for path, members in level:
            for key, value in members.items():
                looked += 1
                if looked > _SEARCH_CLAIMS:
                    return None
                here: ClaimName = (*path, key) if path else key
                if isinstance(value, dict):
                    deeper.append(((*path, key), value))
                elif here not in besides and scope in read_scopes(claims, here).granted:
                    return here
        level = deeper
    return None
