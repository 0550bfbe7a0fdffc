"""Why a request is let in or not: every check, what it expected and found, and what to change.

An explanation runs the very same checks and policy as the decision, to the end instead of to the first
finding. It is for developers: it shows claims, so it belongs into logs, terminals and debug pages, never into
an answer to a stranger. The token itself and its signature are never part of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from .checks import CHECKS, show
from .errors import SCOPE_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .checks import Rules
    from .errors import AccessDenied, Finding
    from .token import UnverifiedToken

Verdict = Literal["passed", "failed", "not reached"]

_MAX_VALUE: Final = 300
_MAX_CLAIMS: Final = 60


@dataclass(frozen=True, slots=True)
class Step:
    """One check: what it is about, what was expected and found, and how it ended.

    `verified` says whether the values were read after the signature held; before, anybody could have written
    them.
    """

    name: str
    title: str
    verdict: Verdict
    expected: str | None = None
    found: str | None = None
    verified: bool = False
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with all its reasons. `str()` of it is the text for a terminal.

    Attributes:
        allowed: whether the request is let in.
        status: 200, or the status of the denial.
        finding: what decided against it; None if nothing did. A shadow policy may say no and let it in.
        findings: everything that speaks against it, the deciding one first.
        steps: all checks, in the order in which they decide.
        required: what the operation needs, as JSON.
        reads: the claims that were read for it.
        granted: what those claims grant.
        missing: what is needed and not granted.
        claims: the claims of the token, cut to a readable size; unverified unless `verified`.
        verified: whether signature and claims hold.
        hints: what to change, the best guess first.
    """

    allowed: bool
    status: int
    finding: Finding | None
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    required: tuple[object, ...] = ()
    reads: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    claims: Mapping[str, str] = field(default_factory=dict)
    verified: bool = False

    @property
    def hints(self) -> tuple[str, ...]:
        """What to change, the best guess first, each once."""
        findings = self.findings
        if self.finding is not None and self.finding.answer.status != 403:
            # Another token may well have the scopes: first things first.
            findings = tuple(finding for finding in findings if finding.answer.status != 403)
        return tuple(dict.fromkeys(finding.hint for finding in findings if finding.hint))

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON values with stable names and codes."""
        return {
            "allowed": self.allowed,
            "status": self.status,
            "finding": str(self.finding.code) if self.finding else None,
            "reason": self.finding.detail if self.finding else None,
            "hints": list(self.hints),
            "more": self.finding.anchor if self.finding else None,
            "required": list(self.required),
            "reads": list(self.reads),
            "granted": list(self.granted),
            "missing": list(self.missing),
            "checks": [
                {
                    "check": step.name,
                    "verdict": step.verdict,
                    "expected": step.expected,
                    "found": step.found,
                    "verified": step.verified,
                    "finding": str(step.finding.code) if step.finding else None,
                    "detail": step.finding.detail if step.finding else None,
                }
                for step in self.steps
            ],
            "claims": dict(self.claims),
            "claims_verified": self.verified,
        }

    def to_json(self) -> str:
        """The explanation as a JSON document."""
        return json.dumps(self.to_dict(), indent=2)

    def to_text(self) -> str:
        """The explanation as plain text, free of control characters."""
        return "\n".join(_lines(self))

    def to_html(self) -> str:
        """The explanation as a self-contained page."""
        from .explain_page import page

        return page(self)

    def __str__(self) -> str:
        return self.to_text()


_MARKS: Final[Mapping[Verdict, str]] = {"passed": "✓", "failed": "✗", "not reached": "·"}


def _lines(explanation: Explanation) -> Iterator[str]:
    if explanation.allowed and explanation.finding is None:
        yield "ALLOWED"
    elif explanation.allowed and explanation.finding is not None:
        yield f"ALLOWED, though the shadow policy says no: {explanation.finding.code}"
        yield f"  why   {explanation.finding.detail}"
    elif explanation.finding is not None:
        yield f"DENIED {explanation.status} {explanation.finding.code}"
        yield f"  why   {explanation.finding.detail}"
    for hint in explanation.hints:
        yield f"  cure  {hint}"
    if explanation.finding is not None:
        yield f"  more  {explanation.finding.anchor}"
    yield ""
    for step in explanation.steps:
        trust = "" if step.verified or step.found is None else "  (unverified)"
        seen = "" if step.found is None else f"  found {step.found}{trust}"
        wanted = "" if step.expected is None else f"  expected {step.expected}"
        yield f"  {_MARKS[step.verdict]} {step.title}{wanted}{seen}"
    if explanation.reads:
        yield ""
        yield f"  reads    {', '.join(explanation.reads)}"
        yield f"  granted  {' '.join(explanation.granted) or 'nothing'}"
        if explanation.missing:
            yield f"  missing  {' '.join(explanation.missing)}"


# What each check looks at, for people: a title, and where its value stands.
_TITLES: Final[Mapping[str, str]] = {
    "critical_header": "header asks for nothing special",
    "algorithm": "signature algorithm (alg)",
    "key_id": "key ID (kid)",
    "id_token": "not an ID token",
    "token_type": "token type (typ)",
    "issuer": "issuer (iss)",
    "repeated_claims": "claims that the header repeats",
    "audience": "audience (aud)",
    "expiry": "not expired (exp)",
    "not_before": "valid already (nbf)",
    "issued_at": "issued in the past (iat)",
    "token_age": "issued lately enough (iat)",
    "subject": "sub and token_use as expected",
    "string_claims": "sub, jti and client_id are strings",
    "required_claims": "claims that the profile asks for",
    "sender_constraint": "not bound to a key (cnf)",
}
_HEADER_MEMBERS: Final[Mapping[str, str]] = {"algorithm": "alg", "key_id": "kid", "token_type": "typ"}
_CLAIMS: Final[Mapping[str, str]] = {
    "issuer": "iss",
    "audience": "aud",
    "expiry": "exp",
    "not_before": "nbf",
    "issued_at": "iat",
    "token_age": "iat",
}


_TIMES: Final = ("expiry", "not_before", "issued_at", "token_age")
_MAX_SPAN: Final = 1e10


def steps_of(token: UnverifiedToken, rules: Rules, now: float, *, verified: bool) -> Iterator[Step]:
    """Every check of a token against the rules of its issuer, none left out."""
    expected = {
        "algorithm": ", ".join(sorted(rules.algorithms)),
        "issuer": rules.issuer,
        "audience": " or ".join(sorted(rules.audiences)),
        "expiry": "in the future",
        "not_before": "in the past",
        "issued_at": "in the past",
    }
    if rules.max_token_age is not None:
        expected["token_age"] = f"at most {rules.max_token_age:g} s ago"
    for check in CHECKS:
        name = check.__name__
        finding = check(token, rules, now)
        yield Step(
            name,
            _TITLES[name],
            "passed" if finding is None else "failed",
            expected.get(name),
            _found(token, name, now),
            verified,
            finding,
        )


def _found(token: UnverifiedToken, name: str, now: float) -> str | None:
    if name in _HEADER_MEMBERS:
        members: Mapping[str, Any] = token.header.members
        key = _HEADER_MEMBERS[name]
    elif name in _CLAIMS:
        members, key = token.claims, _CLAIMS[name]
    else:
        return None
    if key not in members:
        return "nothing"
    value = members[key]
    if name in _TIMES and isinstance(value, (int, float)) and abs(value - now) < _MAX_SPAN:
        seconds = round(value - now)
        return f"in {seconds:,} s" if seconds >= 0 else f"{-seconds:,} s ago"
    return show(value, _MAX_VALUE)


def shown_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims for people: each value as JSON text, long ones cut, odd characters escaped, not too many."""
    shown = {}
    for name in list(claims)[:_MAX_CLAIMS]:
        text = json.dumps(claims[name])
        shown[show(name, 100)[1:-1]] = text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"
    if len(claims) > _MAX_CLAIMS:
        shown["…"] = f"{len(claims) - _MAX_CLAIMS} more"
    return shown


def missing_scopes(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The scopes that findings of a policy are about."""
    return tuple(
        dict.fromkeys(
            str(finding.expected) for finding in findings if finding.code in SCOPE_CODES and finding.expected
        )
    )


def denial_findings(denied: AccessDenied | None, steps: Sequence[Step]) -> tuple[Finding, ...]:
    """All that speaks against a request: the decision's own findings first, then those of later checks."""
    findings = list(denied.findings) if denied is not None else []
    findings += [step.finding for step in steps if step.finding is not None and step.finding not in findings]
    return tuple(findings)
