"""Requirements on claims that are no scopes: a plan that is `gold`, a list that holds `eu`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any

from .claims import MISSING, Claim, claim_name, lookup, show_claim
from .decision import ALLOWED, Decision, Requirement
from .errors import Code, ConfigurationError, Finding
from .templates import fields_of

if TYPE_CHECKING:
    from .claims import ClaimName
    from .request import Request
    from .verified_token import VerifiedToken

_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class ClaimEquals(Requirement):
    """A claim has this value, of this type: `1`, `True` and `"1"` are three values."""

    claim: ClaimName
    value: str | int | float | bool
    kind: type = str  # the type of the value, without which 1 and True would be one requirement

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Whether it has."""
        found = lookup(token.claims, self.claim)
        if type(found) is self.kind and found == self.value:
            return ALLOWED
        return _denied(self.claim, f"be {self.value!r}", found, self.value)


@dataclass(frozen=True, slots=True)
class ClaimIncludes(Requirement):
    """A claim holds all these values: a list has them as elements, a string between its spaces."""

    claim: ClaimName
    values: tuple[str | int | float | bool, ...]
    kinds: tuple[type, ...] = ()

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Whether it does."""
        found = lookup(token.claims, self.claim)
        elements = found.split(" ") if isinstance(found, str) else found if isinstance(found, list) else []
        held = {(type(element), element) for element in elements if isinstance(element, _PLAIN)}
        missing = [value for value in self.values if (type(value), value) not in held]
        if not missing:
            return ALLOWED
        return _denied(self.claim, f"hold {', '.join(map(repr, missing))}", found, list(self.values))


def claim_equals(claim: object, value: Any) -> Requirement:
    """A claim has this value, of this very type.

    Raises:
        ConfigurationError: the claim has no name, or the value is no string, number or boolean.
    """
    plain = _value(value)
    return ClaimEquals(_name(claim), plain, type(plain))


def claim_includes(claim: object, *values: Any) -> Requirement:
    """A claim, a list or a string of words, holds all these values.

    Raises:
        ConfigurationError: the claim has no name, or there is no value, or one of an odd type.
    """
    if not values:
        raise ConfigurationError("claim_includes() asks for nothing. Write claim_includes('groups', 'staff').")
    plain = tuple(map(_value, values))
    if "" in plain:
        raise ConfigurationError("claim_includes(..., ''): an empty text stands in every string.")
    return ClaimIncludes(_name(claim), plain, tuple(map(type, plain)))


def _name(claim: object) -> ClaimName:
    name = claim_name(claim)
    if isinstance(name, Claim):
        raise ConfigurationError("A Claim(...) says how to read scopes. Here, write its name or path.")
    if any(map(fields_of, name if isinstance(name, tuple) else ())):
        raise ConfigurationError(f"{name!r}: here a path can't depend on the request.")
    return name


def _value(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, str):
        value = str(value)  # of the plain type, which is what a token has
    if isinstance(value, _PLAIN) and (not isinstance(value, float) or isfinite(value)):
        return value
    raise ConfigurationError(f"{value!r} can't be compared with a claim. Write a string, a number or a boolean.")


def _denied(claim: ClaimName, wish: str, found: object, expected: object) -> Decision:
    has = "the token has none" if found is MISSING else "it is something else"
    finding = Finding(
        Code.CLAIM_DIFFERS,
        f"The claim `{show_claim(claim)}` has to {wish}; {has}.",
        show_claim(claim),
        expected,
        None if found is MISSING else found,
    )
    return Decision(allowed=False, findings=(finding,))
