"""Who may: requirements as small objects that can be nested and read aloud.

    requires("read:users", "write:users")                   all of them
    any_of("read:users", "admin", claim="permissions")      one of them
    all_of("read:users", any_of("a", "b"))                  nested
    all_of("read:users", lambda token, request: token.subject == request.path_params["user_id"])
    all_of("read:{org_id}", organization("org_id"))         what depends on the request
    check(may_pay, on_error=403)                            a function, and what it means when it raises
    claim_equals("plan", "gold"), step_up(max_age=300)      other claims, and how the user has logged in
    authenticated()                                         any valid token

A requirement decides from a verified token and the request alone; it fetches nothing. What it allows costs no
allocation; what it denies is explained, every branch of an `any_of` included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .claims import claim_name, scope_name
from .decision import Decision, Requirement
from .errors import ConfigurationError
from .requirements import AllOf, AnyOf, Authenticated, Check, Shadow, scope_requirement
from .signatures import takes
from .templates import fields_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .claims import ClaimName

__all__ = [
    "Decision",
    "Requirement",
    "Shadow",
    "all_of",
    "any_of",
    "authenticated",
    "check",
    "requirement",
    "shadow",
]


def requirement(*needs: object, claim: object = None) -> Requirement:
    """What a route asks for, all of it: scopes, requirements and functions, as people write them.

    Args:
        needs: scopes as strings, requirements, or functions `(token, request) -> bool`.
        claim: the claim that the scopes given as strings are read from, instead of the issuer's own.

    Raises:
        ConfigurationError: it asks for nothing, or for something that can't be meant.
    """
    if len(needs) == 1 and isinstance(needs[0], Shadow) and claim is None:
        return needs[0]
    parts = _parts("requires", needs, claim)
    return parts[0] if len(parts) == 1 else AllOf(parts)


def all_of(*needs: object, claim: object = None) -> Requirement:
    """Every one of these: scopes, requirements, functions. Arguments and errors as for `requirement`."""
    return AllOf(_parts("all_of", needs, claim))


def any_of(*needs: object, claim: object = None) -> Requirement:
    """At least one of these: scopes, requirements, functions. Arguments and errors as for `requirement`."""
    return AnyOf(_parts("any_of", needs, claim))


def shadow(*needs: object, claim: object = None) -> Requirement:
    """Try out a requirement on a running API: what it would deny is reported, not denied.

    The token itself is checked all the same. Arguments and errors as for `requirement`.
    """
    return Shadow(requirement(*needs, claim=claim))


def authenticated() -> Requirement:
    """Any valid token: for a route that asks for no scope."""
    return Authenticated()


def check(function: Any, *, on_error: int = 503) -> Requirement:
    """A function of the application, and what is answered when it raises; it never lets a request in then.

    A function as such may stand in every requirement; this is for one whose failure means something else.

    Args:
        function: `(token, request) -> bool | Decision`, sync or async.
        on_error: 503, for whether this is permitted can't be told now; or 403, for no answer is a no.

    Raises:
        ConfigurationError: it can't be called so, or `on_error` is another number.
    """
    if isinstance(function, (str, Requirement)):
        raise ConfigurationError(
            f"check({function!r}) is about functions (token, request) -> bool. Leave the check(...) out."
        )
    if not isinstance(on_error, int) or on_error not in {403, 503}:
        raise ConfigurationError(
            f"on_error={on_error!r}: write 503 if nobody can tell whether this is permitted when the function "
            "raises, or 403 if that is a no."
        )
    return Check(_function("check", function), int(on_error))


def _parts(word: str, needs: Sequence[object], claim: object) -> tuple[Requirement, ...]:
    if not needs:
        raise ConfigurationError(
            f"{word}() asks for nothing, and every token would pass. "
            "Name a scope, or write authenticated() for a route that is open to any valid token."
        )
    if claim is not None and not all(isinstance(need, str) for need in needs):
        raise ConfigurationError(
            f"claim={claim!r} speaks of the scopes given as strings, and here is something else too. "
            "Write claim= inside each any_of(...) and all_of(...)."
        )
    source = None if claim is None else claim_name(claim)
    return tuple(_part(word, need, source) for need in needs)


def _part(word: str, need: object, claim: ClaimName | None) -> Requirement:
    if isinstance(need, str):
        fields_of(need)
        return scope_requirement(scope_name(need), claim)
    if isinstance(need, Requirement) and not isinstance(need, Shadow):
        return need
    if isinstance(need, (list, tuple, set, frozenset)):
        names = ", ".join(map(repr, need))
        raise ConfigurationError(
            f"{word}({need!r}) leaves open whether all or one of them are meant. "
            f"Write requires({names}) for all, or requires(any_of({names})) for one."
        )
    if isinstance(need, Shadow):
        raise ConfigurationError(
            f"{word}() is given a shadow(...), which is only reported and never denies, so it can be no part of "
            "what does. Write it alone, as a requires(...) of its own."
        )
    return Check(_function(word, need))


def _function(word: str, need: object) -> Any:
    if isinstance(need, type) or not callable(need):
        raise ConfigurationError(
            f"{word}() can't ask for {need!r}. It takes scopes ('read:users'), any_of(...), all_of(...), "
            "authenticated(), and functions (token, request) -> bool."
        )
    if not takes(need, 2):
        raise ConfigurationError(
            f"{need!r} can't be called as a check. Write a function (token, request) -> bool."
        )
    return need
