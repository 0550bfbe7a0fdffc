"""The one reader of claim values: where a claim stands, and which scopes it grants.

A claim is named by a string, which is one literal key (dots and slashes mean nothing), or by a tuple of
strings, which is a path into nested objects: `"permissions"`, `"https://example.com/roles"`,
`("realm_access", "roles")`. A `Claim` says more: how its value is to be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_TYPE_NAMES: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
    type(None): "null",
}

Read = Literal["names", "keys", "objects"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that says in its own way what a token may do.

    Args:
        name: the claim, as a literal key or a path.
        separator: what separates scopes in a string: a space (RFC 6749 section 3.3), or a comma where the issuer
            joins them so.
        prefix: what stands before each name and is taken off, such as `"https://api.example.com/"`. A name
            without it belongs to somebody else and grants nothing.
        read: "names" for a string or a list of strings; "objects" for a list of objects with a `value` or a
            `name` as well; "keys" for an object whose keys are the names, unless their value is empty or false.
        grants: what each name stands for, for roles: `{"editor": ["read:docs", "write:docs"]}`. A name that it
            does not know grants nothing.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    name: str | tuple[str, ...]
    separator: str = " "
    prefix: str = ""
    read: Read = "names"
    grants: Mapping[str, Iterable[str]] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        name = claim_name(self.name)
        if isinstance(name, Claim):
            raise ConfigurationError(f"Claim({self.name!r}) is a claim already.")
        object.__setattr__(self, "name", name)
        if not isinstance(self.separator, str) or self.separator not in {" ", ","}:
            raise ConfigurationError(f"separator={self.separator!r}: scopes are separated by ' ' or by ','.")
        if not isinstance(self.prefix, str):
            raise ConfigurationError(f"prefix={self.prefix!r}: write what stands before each name, as a string.")
        if not isinstance(self.read, str) or self.read not in get_args(Read):
            raise ConfigurationError(f"read={self.read!r}: write read='names', read='objects' or read='keys'.")
        if self.grants is not None:
            object.__setattr__(self, "grants", _grants(self.grants))

    def scopes_of(self, names: frozenset[str]) -> frozenset[str]:
        """What the names of this claim grant."""
        if self.separator == ",":
            names = frozenset(name.strip(" ") for name in names) - {""}
        if self.prefix:
            cut = len(self.prefix)
            names = frozenset(name[cut:] for name in names if name.startswith(self.prefix) and len(name) > cut)
        if self.grants is None:
            return names
        return frozenset(scope for name in names for scope in self.grants.get(name, ()))


def _grants(grants: object) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(grants, (dict, MappingProxyType)) or not grants:
        raise ConfigurationError(f"grants={grants!r}: write {{'editor': ['read:docs', 'write:docs']}}.")
    for name, scopes in grants.items():
        if not isinstance(name, str) or not isinstance(scopes, (list, tuple, set, frozenset)) or not scopes:
            raise ConfigurationError(
                f"grants: {name!r} stands for {scopes!r}; write a name and a list of scopes, one at least."
            )
    return MappingProxyType({name: tuple(map(scope_name, scopes)) for name, scopes in grants.items()})


ClaimName = str | tuple[str, ...] | Claim

MISSING: Final = object()
MAX_SCOPES: Final = 1_000

_STRINGS: Final = {str}
_EMPTY: Final = frozenset({""})
_NOTHING: Final[frozenset[str]] = frozenset()
# RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE_CHARACTERS: Final = frozenset(map(chr, [0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F)]))


class Reading(NamedTuple):  # made for each new token: a tuple costs a third of a frozen dataclass
    """What one claim grants: the scopes, and why that may be fewer than someone expects."""

    granted: frozenset[str]
    problem: str | None = None


def claim_name(claim: object) -> ClaimName:
    """The claim name that a setting means.

    Raises:
        ConfigurationError: it is no string and no path of strings.
    """
    if isinstance(claim, Claim) or (isinstance(claim, str) and claim):
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
    if not is_scope(scope):
        raise ConfigurationError(
            f"{scope!r} holds a character that no scope may have: RFC 6749 section 3.3 allows printable "
            'ASCII without space, " and \\.'
        )
    return scope


def is_scope(value: object) -> bool:
    """Whether something is one scope (RFC 6749 section 3.3)."""
    return isinstance(value, str) and bool(value) and _SCOPE_CHARACTERS.issuperset(value)


def show_claim(claim: ClaimName) -> str:
    """The name of a claim for a log."""
    name = claim.name if isinstance(claim, Claim) else claim
    return printable(name if isinstance(name, str) else " → ".join(name))


def printable(text: str, limit: int = 200) -> str:
    """A text of a token for a log or a terminal: it can forge no line and hide nothing, and is cut."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def lookup(claims: Mapping[str, Any], claim: ClaimName) -> Any:
    """The value of a claim, or `MISSING`; a path ends where something is not an object."""
    name = claim.name if isinstance(claim, Claim) else claim
    if isinstance(name, str):
        return claims.get(name, MISSING)
    value: Any = claims
    for part in name:
        if not isinstance(value, dict) or part not in value:
            return MISSING
        value = value[part]
    return value


def read_scopes(claims: Mapping[str, Any], claim: ClaimName) -> Reading:
    """The scopes that one claim grants.

    A string is split at U+0020 only (RFC 6749 section 3.3); tabs, commas and other spaces separate nothing
    unless a `Claim` says so. A list is taken element by element. Anything else grants nothing and says so.
    """
    if type(claim) is str:  # a plain claim and a list of strings, as nearly always: 1 µs less
        value = claims.get(claim, MISSING)
        if type(value) is list and set(map(type, value)) == _STRINGS and len(value) <= MAX_SCOPES:
            names = frozenset(value)
            return Reading(names - _EMPTY if "" in names else names)
    source = claim if isinstance(claim, Claim) else _PLAIN
    value = lookup(claims, claim)
    if value is MISSING:
        return _ABSENT
    if isinstance(value, list):
        names, odd = _elements(value, source)
        problem = "holds elements that are no strings; they grant nothing" if odd else None
    elif isinstance(value, str) and source.read != "keys":
        names, problem = frozenset(value.split(source.separator)) - {""}, None
    elif isinstance(value, dict) and source.read == "keys":
        # {"admin": false} is how some say that somebody is no admin.
        names, problem = (
            frozenset(name for name, member in value.items() if member and member != "false" and name),
            None,
        )
    else:
        return Reading(_NOTHING, f"is {_TYPE_NAMES.get(type(value), 'an object')}, which grants nothing")
    if len(names) > MAX_SCOPES:
        return Reading(_NOTHING, f"holds more than {MAX_SCOPES:,} scopes, so it grants nothing")
    scopes = source.scopes_of(names)
    if value and not scopes and not problem and source is not _PLAIN:
        problem = "holds nothing that counts by prefix=, grants= or read= of its Claim"
    return Reading(scopes, problem)


def _elements(value: list[Any], source: Claim) -> tuple[frozenset[str], bool]:
    """The names in a list, and whether it holds anything else."""
    if source.read == "objects":
        value = [_member(element) if isinstance(element, dict) else element for element in value]
    if set(map(type, value)) == _STRINGS:  # the usual list, in one pass in C
        return frozenset(value) - _EMPTY, False
    names = frozenset(element for element in value if isinstance(element, str) and element)
    return names, not all(isinstance(element, str) for element in value)


def _member(element: dict[str, Any]) -> Any:
    """What an object in a list is called: `value` (RFC 7643 section 2.4), or `name`."""
    return element.get("value", element.get("name"))


_PLAIN: Final = Claim("scope")
_ABSENT: Final = Reading(_NOTHING, "is not in the token")

# How far `other_claims` looks.
_SEARCH_DEPTH: Final = 4
_SEARCH_CLAIMS: Final = 64


def other_claims(claims: Mapping[str, Any], besides: Sequence[ClaimName]) -> Iterator[tuple[ClaimName, Any]]:
    """The claims that may hold scopes besides those that are read, the outermost first.

    Looks at no more than 64 claims and 4 levels deep: a denial must stay cheap whatever a token holds.
    """
    names = [claim.name if isinstance(claim, Claim) else claim for claim in besides]
    level: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((), claims)]
    looked = 0
    for _ in range(_SEARCH_DEPTH):
        deeper: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
        for path, members in level:
            for key, value in members.items():
                looked += 1
                if looked > _SEARCH_CLAIMS:
                    return
                here: ClaimName = (*path, key) if path else key
                if isinstance(value, dict):
                    deeper.append(((*path, key), value))
                elif here not in names and isinstance(value, (str, list)):
                    yield here, value
        level = deeper


def find_scope(claims: Mapping[str, Any], scope: str, besides: Sequence[ClaimName]) -> ClaimName | None:
    """Where else in the token a scope stands, for the person who looks for it in the wrong claim."""
    for claim, _ in other_claims(claims, besides):
        if scope in read_scopes(claims, claim).granted:
            return claim
    return None
