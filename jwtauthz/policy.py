"""Who may: requirements as small objects that can be nested and read aloud.

    requires("read:users", "write:users")                   all of them
    any_of("read:users", "admin", claim="permissions")      one of them
    all_of("read:users", any_of("a", "b"))                  nested
    all_of("read:users", lambda token, request: token.subject == request.path_params["user_id"])
    authenticated()                                         any valid token

A requirement decides from a verified token and the request alone; it fetches nothing. What it allows costs no
allocation; what it denies is explained, every branch of an `any_of` included.
"""

from __future__ import annotations

import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .claims import claim_name, scope_name
from .errors import Code, ConfigurationError, Finding
from .missing_scope import missing_scope

if TYPE_CHECKING:
    from .claims import ClaimName
    from .request import Request
    from .token import VerifiedToken

logger = logging.getLogger("jwtauthz")

# What the JSON body of a 403 says: a scope, or {"any_of": [...]}.
Description = str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a requirement holds and, if not, why not.

    `findings` are the reasons, the deciding one first; `scope` is what to ask the issuer for.
    """

    allowed: bool
    findings: tuple[Finding, ...] = ()
    scope: tuple[str, ...] = ()

    @property
    def undecided(self) -> bool:
        """Denied only because something could not be asked: it may be allowed when that works again."""
        return bool(self.findings) and self.findings[0].answer.status == 503


ALLOWED = Decision(allowed=True)

Predicate = Callable[["VerifiedToken", "Request"], "bool | Decision"]


class Requirement(Protocol):
    """What a route asks of a token."""

    def decide(self, token: VerifiedToken, request: Request) -> Decision:
        """Whether the token meets it, and why not."""
        ...

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that it names, each once, for documentation."""
        ...

    def describe(self) -> list[Description]:
        """What it needs as JSON: all elements are needed, each a scope or {"any_of": [...]}."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope in one claim; without a claim, in those that the issuer's `scopes_from` names."""

    name: str
    claim: ClaimName | None = None

    def decide(self, token: VerifiedToken, request: Request) -> Decision:  # noqa: ARG002
        """Whether the claim grants the scope, exactly (RFC 6749 section 3.3)."""
        if self.name in token.granted(self.claim):
            return ALLOWED
        return Decision(allowed=False, findings=(missing_scope(token, self.name, self.claim),), scope=(self.name,))

    @property
    def scopes(self) -> tuple[str, ...]:
        """The one scope."""
        return (self.name,)

    def describe(self) -> list[Description]:
        """The one scope."""
        return [self.name]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of its requirements."""

    requirements: tuple[Requirement, ...]

    def decide(self, token: VerifiedToken, request: Request) -> Decision:
        """Whether all hold; if not, every one that does not is told."""
        for requirement in self.requirements:
            if requirement.decide(token, request) is not ALLOWED:
                return self._explain(token, request)
        return ALLOWED

    def _explain(self, token: VerifiedToken, request: Request) -> Decision:
        decisions = [requirement.decide(token, request) for requirement in self.requirements]
        denied = [decision for decision in decisions if not decision.allowed]
        if not denied:
            return ALLOWED
        # A definite no outweighs a "can't tell now": trying again would not help.
        denied.sort(key=lambda decision: decision.undecided)
        findings = tuple(finding for decision in denied for finding in decision.findings)
        # The scope to ask for is what the whole operation needs, what is granted already included.
        scope = _unique(
            name
            for requirement, decision in zip(self.requirements, decisions, strict=True)
            for name in (decision.scope if not decision.allowed else _held(requirement, token))
        )
        return Decision(allowed=False, findings=findings, scope=scope)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that it names."""
        return _unique(name for requirement in self.requirements for name in requirement.scopes)

    def describe(self) -> list[Description]:
        """Its parts, side by side."""
        return [part for requirement in self.requirements for part in requirement.describe()]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of its requirements."""

    requirements: tuple[Requirement, ...]

    def decide(self, token: VerifiedToken, request: Request) -> Decision:
        """Whether one holds; if none does, why each does not."""
        denied = []
        for requirement in self.requirements:
            decision = requirement.decide(token, request)
            if decision.allowed:
                return ALLOWED
            denied.append(decision)
        # The challenge names the branch that lacks least, the first of equals; all would be too much.
        cheapest = min(
            (decision for decision in denied if decision.scope),
            key=lambda decision: len(decision.findings),
            default=denied[0],
        )
        # One branch that can't be told now may be the one that holds.
        denied.sort(key=lambda decision: not decision.undecided)
        findings = tuple(finding for decision in denied for finding in decision.findings)
        return Decision(allowed=False, findings=findings, scope=cheapest.scope)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that it names."""
        return _unique(name for requirement in self.requirements for name in requirement.scopes)

    def describe(self) -> list[Description]:
        """Its branches under `any_of`; a branch of several parts is a list."""
        branches: list[Any] = []
        for requirement in self.requirements:
            parts = requirement.describe()
            if parts:
                branches.append(parts[0] if len(parts) == 1 else parts)
        return [{"any_of": branches}] if branches else []


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Any valid token, whatever it may do."""

    def decide(self, token: VerifiedToken, request: Request) -> Decision:  # noqa: ARG002
        """Yes: the token has been verified."""
        return ALLOWED

    @property
    def scopes(self) -> tuple[str, ...]:
        """None."""
        return ()

    def describe(self) -> list[Description]:
        """Nothing beyond the token."""
        return []


@dataclass(frozen=True, slots=True)
class Check:
    """A function of the application: `(token, request) -> bool | Decision`.

    Only `True` lets a request in. What it raises is logged and answered 503: it is no fault of the client.
    """

    predicate: Predicate

    def decide(self, token: VerifiedToken, request: Request) -> Decision:
        """What the function says."""
        name = getattr(self.predicate, "__qualname__", repr(self.predicate))
        try:
            result: object = self.predicate(token, request)
        except Exception:
            logger.exception("The check %s raised; the request is answered 503", name)
            return Decision(
                allowed=False,
                findings=(Finding(Code.CHECK_FAILED, f"The check {name} raised; the traceback is in the log."),),
            )
        if result is True:
            return ALLOWED
        if isinstance(result, Decision):
            return ALLOWED if result.allowed else result
        if inspect.iscoroutine(result):
            result.close()
        said = "" if result is False else f", which is no True (it returned {type(result).__name__})"
        return Decision(
            allowed=False, findings=(Finding(Code.REFUSED_BY_CHECK, f"The check {name} said no{said}."),)
        )

    @property
    def scopes(self) -> tuple[str, ...]:
        """None that we know of."""
        return ()

    def describe(self) -> list[Description]:
        """Nothing that a client could ask for."""
        return []


@dataclass(frozen=True, slots=True)
class Shadow:
    """A requirement that is tried out: what it would deny is reported, and let in.

    Only the resource server treats it so; wherever else it is asked, it denies like the requirement itself.
    """

    requirement: Requirement

    def decide(self, token: VerifiedToken, request: Request) -> Decision:
        """What the requirement says."""
        return self.requirement.decide(token, request)

    @property
    def scopes(self) -> tuple[str, ...]:
        """None: nobody has to have them yet."""
        return ()

    def describe(self) -> list[Description]:
        """What the requirement needs."""
        return self.requirement.describe()


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
        return Scope(scope_name(need), claim)
    if isinstance(need, (Scope, AllOf, AnyOf, Authenticated, Check)):
        return need
    if isinstance(need, (list, tuple, set, frozenset)):
        names = ", ".join(map(repr, need))
        raise ConfigurationError(
            f"{word}({need!r}) leaves open whether all or one of them are meant. "
            f"Write requires({names}) for all, or requires(any_of({names})) for one."
        )
    if inspect.iscoroutinefunction(need) or inspect.iscoroutinefunction(getattr(need, "__call__", None)):  # noqa: B004
        raise ConfigurationError(f"{need!r} is async; a check in a policy is a plain function.")
    if isinstance(need, Shadow):
        raise ConfigurationError(
            f"{word}() is given a shadow(...), which is only reported and never denies, so it can be no part of "
            "what does. Write it alone, as a requires(...) of its own."
        )
    if isinstance(need, type) or not callable(need):
        raise ConfigurationError(
            f"{word}() can't ask for {need!r}. It takes scopes ('read:users'), any_of(...), all_of(...), "
            "authenticated(), and functions (token, request) -> bool."
        )
    if not takes_token_and_request(need):
        raise ConfigurationError(
            f"{need!r} can't be called as a check. Write a function (token, request) -> bool."
        )
    return Check(need)


def takes_token_and_request(function: Any) -> bool:
    """Whether a function can be called as a check; one that keeps its parameters to itself may."""
    try:
        signature = signature_of(function)
    except ValueError:
        return True
    try:
        signature.bind(None, None)
    except TypeError:
        return False
    return next(iter(signature.parameters), None) != "self"


def signature_of(function: Any) -> inspect.Signature:
    """The parameters of a function, whose annotations may name what only a type checker imports."""
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    else:  # noqa: RET505
        return inspect.signature(function)


def _held(requirement: Requirement, token: VerifiedToken) -> tuple[str, ...]:
    """The scopes by which a requirement that holds does so; other branches of an any_of are left out."""
    if isinstance(requirement, Scope):
        return (requirement.name,) if requirement.name in token.granted(requirement.claim) else ()
    if isinstance(requirement, (AllOf, AnyOf)):
        return _unique(name for part in requirement.requirements for name in _held(part, token))
    return ()


def _unique(names: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def scopes_only(needed: Requirement) -> Requirement | None:
    """The requirement without the application's functions; None if nothing is left of it."""
    if isinstance(needed, Check):
        return None
    if isinstance(needed, Shadow):
        return scopes_only(needed.requirement)
    if isinstance(needed, (AllOf, AnyOf)):
        parts = tuple(part for part in map(scopes_only, needed.requirements) if part is not None)
        return type(needed)(parts) if parts else None
    return needed


def claims_read(needed: Requirement, scopes_from: Sequence[ClaimName]) -> tuple[ClaimName, ...]:
    """The claims that a requirement reads scopes from, each once."""
    if isinstance(needed, Scope):
        return tuple(scopes_from) if needed.claim is None else (needed.claim,)
    if isinstance(needed, Shadow):
        return claims_read(needed.requirement, scopes_from)
    if isinstance(needed, (AllOf, AnyOf)):
        claims = (claim for part in needed.requirements for claim in claims_read(part, scopes_from))
        return tuple(dict.fromkeys(claims))
    return ()
