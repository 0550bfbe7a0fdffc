"""Requirements as people write them: what a table of routes shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .claim_requirements import ClaimEquals, ClaimIncludes
from .claims import show_claim
from .organization_requirement import Organization
from .requirements import AllOf, AnyOf, Authenticated, Check, Scope, ScopeOfRequest, Shadow
from .route_rules import NoRule
from .step_up_requirement import StepUp

if TYPE_CHECKING:
    from .decision import Requirement


def spelled(needed: Requirement) -> str:
    """A requirement in one line."""
    match needed:
        case Scope(name, claim) | ScopeOfRequest(name, claim):
            return name if claim is None else f"{name} (in {show_claim(claim)})"
        case AllOf(parts):
            return f"all_of({', '.join(map(spelled, parts))})"
        case AnyOf(parts):
            return f"any_of({', '.join(map(spelled, parts))})"
        case Authenticated():
            return "authenticated()"
        case NoRule():
            return "nobody"
        case Shadow(inner):
            return f"shadow({spelled(inner)})"
    return _other(needed)


def _other(needed: Any) -> str:
    match needed:
        case Check(function):
            return f"{getattr(function, '__qualname__', None) or repr(function)}()"
        case ClaimEquals(claim, value):
            return f"claim_equals({show_claim(claim)}, {value!r})"
        case ClaimIncludes(claim, values):
            return f"claim_includes({show_claim(claim)}, {', '.join(map(repr, values))})"
        case Organization(_, where, claim):
            return f"organization({where} in {show_claim(claim)})"
        case StepUp(acr_values, max_age):
            age = [] if max_age is None else [f"max_age={max_age}"]
            return f"step_up({', '.join([*acr_values, *age])})"
    return repr(needed)
