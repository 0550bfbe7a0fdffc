"""Denials: made of findings, and told to the log and to hooks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from .challenge import NOTHING_MORE, challenge_for, realm_name
from .cures import cure
from .debug import Debug, wants_page
from .denial_log import DenialLog
from .errors import AccessDenied, Code, Finding, denial_class

if TYPE_CHECKING:
    from .credentials import Credentials
    from .decision import Decision, Requirement
    from .explain import Explanation
    from .hooks import Hooks
    from .request import Request
    from .verifier import Verifier


class Denials:
    """Makes the denials of one resource server, and tells of them.

    Args:
        verifier: explains what became of the token.
        credentials: explains where it was looked for.
        realm: what challenges call the protected space.
        debug: who may see explanations in answers.
        hooks: are told of each denial; None if there are none.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(
        self, verifier: Verifier, credentials: Credentials, *, realm: object, debug: object, hooks: Hooks | None
    ) -> None:
        self.realm = realm_name(realm)
        self._verifier = verifier
        self._credentials = credentials
        self._debug = Debug(debug)
        self._log = DenialLog()
        self._hooks = hooks

    def of(
        self,
        needed: Requirement,
        findings: tuple[Finding, ...],
        decision: Decision = NOTHING_MORE,
        *,
        retry_after: float = 1.0,
        cause: Exception | None = None,
    ) -> AccessDenied:
        """The denial for these findings, the first of which decides; it is not raised and not told of."""
        findings = tuple(map(_with_hint, findings))
        finding, answer = findings[0], findings[0].answer
        denied = denial_class(finding)(
            finding,
            findings=findings,
            challenge=challenge_for(answer, realm=self.realm, decision=decision),
            required=needed.describe() if answer.status == 403 else (),
            retry_after=retry_after if answer.status == 503 else None,
        )
        denied.__cause__ = cause
        return denied

    def tell(
        self,
        denied: AccessDenied,
        request: Request,
        needed: Requirement,
        now: float,
        *,
        enforced: bool = True,
        seconds: float | None = None,
    ) -> None:
        """Give a denial its explanation, the log its record, and the hooks their event.

        Args:
            denied: the denial.
            request: what it answers.
            needed: what the operation needs.
            now: when the decision fell, in seconds since 1970.
            enforced: whether the request is really refused, and not only by a shadow policy.
            seconds: how long the decision took, where that was clocked.
        """
        denied.explain_with(
            partial(explanation_of, self._verifier, self._credentials, request, needed, now=now),
            page=wants_page(request) if self._debug.may_show(request) else None,
        )
        self._log.tell(denied, now, enforced=enforced)
        if self._hooks is not None:
            self._hooks.denied(request, denied, seconds, enforced=enforced)


def explanation_of(*decided: Any, now: float) -> Explanation:
    """The explanation of a decision; what makes it is imported when the first one is asked for."""
    from .explainer import explanation

    return explanation(*decided, now=now)


def _with_hint(finding: Finding) -> Finding:
    """A finding with the general cure, where it has none of its own."""
    if finding.hint or finding.code is Code.REFUSED_BY_CHECK:  # where the application may have said it all
        return finding
    hint = cure(finding.code)
    return finding if hint is None else replace(finding, hint=hint)
