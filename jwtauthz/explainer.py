"""Makes the explanation of a decision: the decision itself is taken as it fell, the rest is run to the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .claims import printable, show_claim
from .errors import Code, Finding
from .explain import Explanation, Step, denial_findings, missing_scopes, shown_claims
from .requirements import Shadow

if TYPE_CHECKING:
    from .claims import ClaimName
    from .credentials import Credentials
    from .decision import Requirement
    from .errors import AccessDenied
    from .request import Request
    from .verified_token import VerifiedToken
    from .verifier import Examination, Verifier

_POLICY = "what the operation needs"


def explanation(
    verifier: Verifier,
    credentials: Credentials,
    request: Request,
    needed: Requirement,
    denied: AccessDenied | None,
    *,
    now: float,
) -> Explanation:
    """Explain a decision that fell at `now`: `denied`, or the request was let in.

    Checks of the application are not called again: what they said stands in the decision. Scopes of a token
    that did not get so far are looked at all the same, and marked unverified.
    """
    text = credentials.token_of(request)
    if isinstance(text, Finding):
        return _explanation(
            denied, needed, [Step("credentials", "credentials", "failed", finding=text), _unread()]
        )
    steps = [Step("credentials", "credentials", "passed")]
    examined = verifier.examine(text, now)
    steps += examined.steps
    if denied is not None:
        _see_to_it(steps, denied)
    token = _token(examined, verifier)
    steps.append(_policy_step(needed, denied, token, request, now, verified=examined.verified))
    return _explanation(denied, needed, steps, token, verified=examined.verified)


def _explanation(
    denied: AccessDenied | None,
    needed: Requirement,
    steps: list[Step],
    token: VerifiedToken | None = None,
    *,
    verified: bool = False,
) -> Explanation:
    findings = denial_findings(denied, steps)
    reads = needed.claims_read(token.scopes_from) if token is not None else ()
    return Explanation(
        allowed=denied is None or _is_only_tried_out(needed, denied),
        status=200 if denied is None or _is_only_tried_out(needed, denied) else denied.status,
        finding=None if denied is None else denied.finding,
        findings=findings,
        steps=tuple(steps),
        required=tuple(needed.describe()),
        reads=tuple(map(show_claim, reads)),
        granted=_granted(reads, token) if token else (),
        missing=missing_scopes(findings),
        claims=shown_claims(token.claims) if token else {},
        verified=verified,
    )


def _is_only_tried_out(needed: Requirement, denied: AccessDenied) -> bool:
    return isinstance(needed, Shadow) and denied.is_of_policy


def _see_to_it(steps: list[Step], denied: AccessDenied) -> None:
    """Let the step that decided be one that failed, though it might not fail now.

    Keys may have come or gone since, and whether a token is revoked is not asked again.
    """
    finding = denied.finding
    name = _STEP_OF.get(finding.code)
    for number, step in enumerate(steps):
        if step.name == name:
            steps[number] = replace(step, verdict="failed", verified=False, finding=finding)
    if name in _ASKED_LAST:
        steps.append(Step(name, _ASKED_LAST[name], "failed", verified=True, finding=finding))


_STEP_OF = {
    Code.ISSUER_UNRESOLVED: "issuer",
    Code.KEYS_UNAVAILABLE: "key",
    Code.KEY_UNKNOWN: "key",
    Code.BAD_SIGNATURE: "signature",
    Code.REVOKED: "revocation",
    Code.REVOCATION_UNAVAILABLE: "revocation",
    Code.CLAIMS_MISMATCH: "model",
    Code.MODEL_FAILED: "model",
}
# What only the decision asks, for the application answers it.
_ASKED_LAST = {"revocation": "not revoked", "model": "claims fit the model of the route"}
_MAX_GRANTED = 40


def _granted(reads: tuple[ClaimName, ...], token: VerifiedToken) -> tuple[str, ...]:
    """What the claims grant, for people: escaped, sorted, not too many."""
    granted = sorted({scope for claim in reads for scope in token.granted(claim)})
    shown = [printable(scope, 100) for scope in granted[:_MAX_GRANTED]]
    more = len(granted) - len(shown)
    return (*shown, f"… and {more} more") if more > 0 else tuple(shown)


def _unread() -> Step:
    return Step("policy", _POLICY, "not reached")


def _token(examined: Examination, verifier: Verifier) -> VerifiedToken | None:
    """The token as a policy reads it; whether it may be believed, `examined.verified` says."""
    if examined.token is None:
        return None
    return verifier.reading(examined.token, examined.issuer or next(iter(verifier.listed), None))


def _policy_step(
    needed: Requirement,
    denied: AccessDenied | None,
    token: VerifiedToken | None,
    request: Request,
    now: float,
    *,
    verified: bool,
) -> Step:
    if denied is None:
        return Step("policy", _POLICY, "passed", verified=True)
    if denied.is_of_policy:
        return Step("policy", _POLICY, "failed", verified=True, finding=denied.finding)
    scopes = needed.without_functions()
    if token is None or scopes is None:
        return _unread()
    decision = scopes.decide(token, request, now)
    if decision.allowed:
        return Step("policy", _POLICY, "passed", verified=verified)
    return Step("policy", _POLICY, "failed", verified=verified, finding=decision.findings[0])
