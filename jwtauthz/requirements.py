"""The requirements themselves: scopes, all and any of them, functions, and those that are only tried out."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from .claims import Claim, is_scope
from .cures import cure
from .decision import ALLOWED, Decision, Description, Requirement, unique
from .errors import Code, ConfigurationError, Finding
from .signatures import is_async
from .templates import fields_of, fill_in, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .claims import ClaimName
    from .request import Request
    from .verified_token import VerifiedToken

logger = logging.getLogger("jwtauthz")

_RAISED = "The check %s raised; the request is answered %d"

Answer = bool | Decision
Predicate = Callable[["VerifiedToken", "Request"], "Answer | Awaitable[Answer]"]


@dataclass(frozen=True, slots=True)
class Scope(Requirement):
    """One scope in one claim; without a claim, in those that the issuer's `scopes_from` names."""

    name: str
    claim: ClaimName | None = None

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Whether the claim grants the scope, exactly (RFC 6749 section 3.3)."""
        if self.name in self._granted(token):
            return ALLOWED
        return Decision(
            allowed=False, findings=(_missing_scope()(token, self.name, self.claim),), scope=(self.name,)
        )

    def _granted(self, token: VerifiedToken) -> frozenset[str]:
        return token.granted(self.claim)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The one scope."""
        return (self.name,)

    def describe(self) -> list[Description]:
        """The one scope."""
        return [self.name]

    def claims_read(self, scopes_from: Sequence[ClaimName]) -> tuple[ClaimName, ...]:
        """Its own claim, or the issuer's."""
        return tuple(scopes_from) if self.claim is None else (self.claim,)

    def held(self, token: VerifiedToken, request: Request) -> tuple[str, ...]:  # noqa: ARG002
        """The one scope."""
        return (self.name,) if self.name in self._granted(token) else ()


@cache  # an import statement would cost each denial 1 µs
def _missing_scope() -> Callable[[VerifiedToken, str, ClaimName | None], Finding]:
    from .missing_scope import missing_scope  # what looks for the reason is imported with the first denial

    return missing_scope


class _OnceScope(Scope):
    """A scope of one request alone: what it reads is not remembered, for requests make ever new ones."""

    __slots__ = ()

    def _granted(self, token: VerifiedToken) -> frozenset[str]:
        return token.reading(self.claim, remember=False).granted


@dataclass(frozen=True, slots=True)
class ScopeOfRequest(Requirement):
    """A scope, or a claim, whose name depends on the request: `"read:{org_id}"`, `("orgs", "{org_id}")`."""

    template: str
    claim: ClaimName | None = None

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:
        """Whether the token grants the scope that the request makes of it; a request that makes none is denied."""
        scope = self._scope(request)
        if scope is not None:
            return scope.decide(token, request, now)
        finding = Finding(
            Code.SCOPE_MISSING,
            f"`{self.template}` needs path parameters that this request has not, or not as a plain name.",
            expected=self.template,
            hint="Name the path parameter as the route does; its value may hold letters, digits and _ . ~ @ | -.",
        )
        return Decision(allowed=False, findings=(finding,))

    def _scope(self, request: Request) -> _OnceScope | None:
        name = fill_in(self.template, request)
        if name is None:
            return None
        path = self.claim.name if isinstance(self.claim, Claim) else self.claim
        if not isinstance(path, tuple):
            return _OnceScope(name, self.claim)
        parts = tuple(part for part in (fill_in(part, request) for part in path) if part is not None)
        if len(parts) != len(path):
            return None
        return _OnceScope(name, replace(self.claim, name=parts) if isinstance(self.claim, Claim) else parts)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scope as it is written."""
        return (self.template,)

    def describe(self) -> list[Description]:
        """The scope as it is written."""
        return [self.template]

    def claims_read(self, scopes_from: Sequence[ClaimName]) -> tuple[ClaimName, ...]:
        """Its own claim as it is written, or the issuer's."""
        return tuple(scopes_from) if self.claim is None else (self.claim,)

    def held(self, token: VerifiedToken, request: Request) -> tuple[str, ...]:
        """The scope that the request makes of it."""
        scope = self._scope(request)
        return () if scope is None else scope.held(token, request)


def scope_requirement(name: str, claim: ClaimName | None) -> Requirement:
    """The requirement of one scope, which may depend on the request."""
    path = claim.name if isinstance(claim, Claim) else claim
    if fields_of(name) or any(map(fields_of, path if isinstance(path, tuple) else ())):
        return ScopeOfRequest(name, claim)
    return Scope(plain(name), claim)


@dataclass(frozen=True, slots=True)
class _Several(Requirement):
    """What `AllOf` and `AnyOf` have in common."""

    requirements: tuple[Requirement, ...]
    # Asked at every request and every denial, so worked out once.
    is_async: bool = field(init=False, repr=False, compare=False)
    scopes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_async", any(part.is_async for part in self.requirements))
        scopes = unique(name for part in self.requirements for name in part.scopes)
        object.__setattr__(self, "scopes", scopes)

    def claims_read(self, scopes_from: Sequence[ClaimName]) -> tuple[ClaimName, ...]:
        """Those of its parts."""
        return unique(claim for part in self.requirements for claim in part.claims_read(scopes_from))

    def held(self, token: VerifiedToken, request: Request) -> tuple[str, ...]:
        """Those of its parts."""
        return unique(name for part in self.requirements for name in part.held(token, request))

    def without_functions(self) -> Requirement | None:
        """Its parts without functions."""
        parts = tuple(part for each in self.requirements if (part := each.without_functions()) is not None)
        return type(self)(parts) if parts else None

    async def resolved(self, token: VerifiedToken, request: Request) -> Requirement:
        """Its parts, resolved."""
        return type(self)(tuple([await part.resolved(token, request) for part in self.requirements]))


@dataclass(frozen=True, slots=True)
class AllOf(_Several):
    """Every one of its requirements."""

    # Scopes alone, as most policies are: those of each claim are held against the token in one comparison of sets,
    # 2 µs faster than one after the other. Empty where there is anything else among them.
    _by_claim: tuple[tuple[ClaimName | None, frozenset[str]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _Several.__post_init__(self)
        by_claim: dict[ClaimName | None, set[str]] = {}
        for part in self.requirements:
            if type(part) is not Scope:
                by_claim = {}
                break
            by_claim.setdefault(part.claim, set()).add(part.name)
        sets = tuple((claim, frozenset(names)) for claim, names in by_claim.items())
        object.__setattr__(self, "_by_claim", sets)

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:
        """Whether all hold; if not, every one that does not is told."""
        if self._by_claim:
            for claim, names in self._by_claim:
                if not names <= token.granted(claim):
                    return self._scopes_missing(token)
            return ALLOWED
        for number, part in enumerate(self.requirements):
            decision = part.decide(token, request, now)
            if decision is not ALLOWED:
                rest = [other.decide(token, request, now) for other in self.requirements[number + 1 :]]
                return self._denied([ALLOWED] * number + [decision, *rest], token, request)
        return ALLOWED

    def _scopes_missing(self, token: VerifiedToken) -> Decision:
        """As `_denied`, of scopes alone: the ones to ask for are all of them."""
        parts = [part for part in self.requirements if isinstance(part, Scope)]
        missing = [part for part in parts if part.name not in token.granted(part.claim)]
        findings = tuple([_missing_scope()(token, part.name, part.claim) for part in missing])
        return Decision(allowed=False, findings=findings, scope=self.scopes)

    def _denied(self, decisions: list[Decision], token: VerifiedToken, request: Request) -> Decision:
        denied = sorted((decision for decision in decisions if not decision.allowed), key=_order)
        # The scope to ask for is what the whole operation needs, what is granted already included.
        scope = unique(
            name
            for part, decision in zip(self.requirements, decisions, strict=True)
            for name in (part.held(token, request) if decision.allowed else decision.scope)
        )
        ages = [decision.max_age for decision in denied if decision.max_age is not None]
        return Decision(
            allowed=False,
            findings=tuple(finding for decision in denied for finding in decision.findings),
            scope=scope,
            acr_values=_common([decision.acr_values for decision in denied if decision.acr_values]),
            max_age=min(ages, default=None),
        )

    def describe(self) -> list[Description]:
        """Its parts, side by side."""
        return [each for part in self.requirements for each in part.describe()]


def _common(wishes: list[tuple[str, ...]]) -> tuple[str, ...]:
    """What serves every wish, in the order of the first; the first one's where nothing does."""
    first = wishes[0] if wishes else ()
    return tuple(value for value in first if all(value in wish for wish in wishes)) or first


_BEFORE_SCOPES = frozenset({Code.AUTHENTICATION_TOO_WEAK, Code.ORGANIZATION_MISMATCH})


def _order(decision: Decision) -> tuple[bool, bool, bool]:
    """How denials are told: a stronger login first, then another organization, then scopes.

    What can't be told now comes last: a definite no outweighs it, for trying again would not help.
    """
    finding = decision.findings[0]
    return decision.undecided, finding.answer.status != 401, finding.code not in _BEFORE_SCOPES


@dataclass(frozen=True, slots=True)
class AnyOf(_Several):
    """At least one of its requirements."""

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:
        """Whether one holds; if none does, why each does not."""
        # Scopes are looked at first: to find that one is missing costs nothing, to say why does.
        if any(part.held(token, request) for part in self.requirements if isinstance(part, Scope)):
            return ALLOWED
        denied = []
        for part in self.requirements:
            decision = part.decide(token, request, now)
            if decision.allowed:
                return ALLOWED
            denied.append(decision)
        # One branch that can't be told now may be the one that holds; else the branch that lacks least is told
        # first, the first of equals. The challenge names that one alone: asking for all would be too much.
        denied.sort(key=lambda decision: (not decision.undecided, len(decision.findings)))
        error = denied[0].findings[0].answer.error
        told = (decision for decision in denied if decision.findings[0].answer.error == error)
        first = next((decision for decision in told if decision.scope or decision.acr_values), denied[0])
        return Decision(
            allowed=False,
            findings=tuple(finding for decision in denied for finding in decision.findings),
            scope=first.scope,
            acr_values=first.acr_values,
            max_age=first.max_age,
        )

    def describe(self) -> list[Description]:
        """Its branches under `any_of`; a branch of several parts is a list."""
        branches: list[Any] = []
        for part in self.requirements:
            parts = part.describe()
            if parts:
                branches.append(parts[0] if len(parts) == 1 else parts)
        return [{"any_of": branches}] if branches else []


@dataclass(frozen=True, slots=True)
class Authenticated(Requirement):
    """Any valid token, whatever it may do."""

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Yes: the token has been verified."""
        return ALLOWED


@dataclass(frozen=True, slots=True)
class Check(Requirement):
    """A function of the application: `(token, request) -> bool | Decision`, sync or async.

    Only `True` lets a request in. What it raises is logged and answered 503, for it is no fault of the client, or
    403 where that is asked for.
    """

    predicate: Predicate
    on_error: int = 503

    @property
    def is_async(self) -> bool:
        """Whether the function is."""
        return is_async(self.predicate)

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """What the function says."""
        try:
            result: object = self.predicate(token, request)
        except Exception:
            logger.exception(_RAISED, self._name, self.on_error)
            return self._failed()
        return self._decision(result)

    async def resolved(self, token: VerifiedToken, request: Request) -> Requirement:
        """What an async function says, awaited; a sync one is asked when the decision falls."""
        if not self.is_async:
            return self
        try:
            result: object = self.predicate(token, request)
            if inspect.isawaitable(result):
                result = await result
        except Exception:
            logger.exception(_RAISED, self._name, self.on_error)
            return Answered(self._failed())
        return Answered(self._decision(result))

    def without_functions(self) -> None:
        """Nothing is left."""

    def _failed(self) -> Decision:
        code = Code.CHECK_FAILED if self.on_error == 503 else Code.REFUSED_BY_CHECK
        hint = cure(Code.CHECK_FAILED)
        finding = Finding(code, f"The check {self._name} raised; the traceback is in the log.", hint=hint)
        return Decision(allowed=False, findings=(finding,))

    def _decision(self, result: object) -> Decision:
        if result is True:
            return ALLOWED
        if isinstance(result, Decision):
            return ALLOWED if result.allowed is True else self._sound(result)
        if inspect.iscoroutine(result):
            result.close()
        said = "" if result is False else f", for it returned {type(result).__name__} and not True"
        finding = Finding(
            Code.REFUSED_BY_CHECK, f"The check {self._name} said no{said}.", hint=cure(Code.REFUSED_BY_CHECK)
        )
        return Decision(allowed=False, findings=(finding,))

    def _sound(self, decision: Decision) -> Decision:
        """A denial that a function has made by hand, without what can't stand in an answer."""
        given: Any = decision.findings
        findings = tuple(
            finding
            for finding in (given if isinstance(given, (tuple, list)) else ())
            if isinstance(finding, Finding)
            and (finding.answer.status in {403, 503} or finding.code is Code.AUTHENTICATION_TOO_WEAK)
        )
        given = decision.scope
        scope = tuple(name for name in (given if isinstance(given, (tuple, list)) else ()) if is_scope(name))
        if not findings:
            findings = (Finding(Code.REFUSED_BY_CHECK, f"The check {self._name} said no."),)
        acr_values: Any = decision.acr_values
        max_age = decision.max_age
        if not isinstance(acr_values, (tuple, list)):
            acr_values = ()
        from .step_up_requirement import step_up

        try:
            step_up(*acr_values, max_age=max_age)
        except (ConfigurationError, TypeError):
            acr_values, max_age = (), None
        return Decision(allowed=False, findings=findings, scope=scope, acr_values=acr_values, max_age=max_age)

    @property
    def _name(self) -> str:
        return getattr(self.predicate, "__qualname__", None) or repr(self.predicate)


@dataclass(frozen=True, slots=True)
class Answered(Requirement):
    """What has been decided already."""

    decision: Decision

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """That decision."""
        return self.decision


@dataclass(frozen=True, slots=True)
class Shadow(Requirement):
    """A requirement that is tried out: what it would deny is reported, and let in.

    Only the resource server treats it so; wherever else it is asked, it denies like the requirement itself.
    """

    requirement: Requirement

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:
        """What the requirement says."""
        return self.requirement.decide(token, request, now)

    def describe(self) -> list[Description]:
        """What the requirement needs."""
        return self.requirement.describe()

    def claims_read(self, scopes_from: Sequence[ClaimName]) -> tuple[ClaimName, ...]:
        """Those of the requirement."""
        return self.requirement.claims_read(scopes_from)

    def without_functions(self) -> Requirement | None:
        """The requirement without functions."""
        return self.requirement.without_functions()

    @property
    def is_async(self) -> bool:
        """Whether the requirement is."""
        return self.requirement.is_async

    async def resolved(self, token: VerifiedToken, request: Request) -> Requirement:
        """The requirement, resolved, and still only tried out."""
        return Shadow(await self.requirement.resolved(token, request))
