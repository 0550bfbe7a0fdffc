"""What can go wrong, and what a client is told of it.

::

    JWTAuthzError
    ├── ConfigurationError (also a ValueError)  a setting that makes no sense; refused when it is built
    ├── KeySetUnavailable                       no usable key set is to be had; told to clients as a 503
    ├── ReplayStoreUnavailable                  whether something was used before cannot be told; the same
    └── AccessDenied                            a request that is not let in
        ├── InvalidRequest                      400  malformed or repeated credentials
        ├── NoCredentials                       401  nothing that we could check was sent
        ├── InvalidToken                        401  a defect of the token
        ├── InsufficientAuthentication          401  a good token of a login that is too weak or too old
        ├── InsufficientScope                   403  a good token that may not do this
        └── ServiceUnavailable                  503  we cannot tell: keys (or revocation) are out of reach

Every denial rests on findings. A `Finding` is one failed check as data; its `Code` is one of a closed set
and decides the HTTP status, the error code of RFC 6750 section 3.1 and the sentence for the client.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .challenge import Challenge
    from .explain import Explanation
    from .verified_token import VerifiedToken


class JWTAuthzError(Exception):
    """What every exception of this library is."""


class ConfigurationError(JWTAuthzError, ValueError):
    """A setting that makes no sense: the message says what, why, and what to write instead."""


class KeySetUnavailable(JWTAuthzError):
    """No usable key set is to be had right now, so no token can be judged.

    `retry_after` is the number of seconds after which asking again may help.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ReplayStoreUnavailable(JWTAuthzError):
    """Whether something that is good once was used before cannot be told right now, so it must not pass."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Code(StrEnum):
    """The closed set of findings. Values are stable; the documentation has one section for each."""

    # 401 without an error code: nothing that we could check was sent
    NO_CREDENTIALS = "no_credentials"
    MISSING_SCHEME = "missing_scheme"
    # 400 invalid_request
    MALFORMED_CREDENTIALS = "malformed_credentials"
    REPEATED_CREDENTIALS = "repeated_credentials"
    CREDENTIALS_TOO_LARGE = "credentials_too_large"
    CROSS_SITE_REQUEST = "cross_site_request"
    # 401 invalid_token
    MALFORMED_TOKEN = "malformed_token"
    OPAQUE_TOKEN = "opaque_token"
    ENCRYPTED_TOKEN = "encrypted_token"
    UNSUPPORTED_HEADER = "unsupported_header"
    ID_TOKEN = "id_token"
    WRONG_TYPE = "wrong_type"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    KEY_UNKNOWN = "key_unknown"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    MISSING_CLAIM = "missing_claim"
    BAD_CLAIM = "bad_claim"
    CLAIMS_MISMATCH = "claims_mismatch"
    TOKEN_TOO_OLD = "token_too_old"
    SENDER_CONSTRAINED = "sender_constrained"
    REVOKED = "revoked"
    # 401 insufficient_user_authentication (RFC 9470)
    AUTHENTICATION_TOO_WEAK = "authentication_too_weak"
    # 403 insufficient_scope
    ORGANIZATION_MISMATCH = "organization_mismatch"
    CLAIM_DIFFERS = "claim_differs"
    SCOPE_MISSING = "scope_missing"
    SCOPE_IN_OTHER_CLAIM = "scope_in_other_claim"
    SCOPE_DIFFERS_IN_CASE = "scope_differs_in_case"
    SCOPE_DIFFERS_IN_PREFIX = "scope_differs_in_prefix"
    SCOPE_COMMA_JOINED = "scope_comma_joined"
    SCOPE_OTHER_SEPARATOR = "scope_other_separator"
    SCOPE_CLAIM_UNREADABLE = "scope_claim_unreadable"
    ONLY_OIDC_SCOPES = "only_oidc_scopes"
    REFUSED_BY_CHECK = "refused_by_check"
    NO_RULE = "no_rule"
    # 503
    KEYS_UNAVAILABLE = "keys_unavailable"
    ISSUER_UNRESOLVED = "issuer_unresolved"
    REVOCATION_UNAVAILABLE = "revocation_unavailable"
    CHECK_FAILED = "check_failed"
    MODEL_FAILED = "model_failed"


SCOPE_CODES = frozenset(
    {
        Code.SCOPE_MISSING,
        Code.SCOPE_IN_OTHER_CLAIM,
        Code.SCOPE_DIFFERS_IN_CASE,
        Code.SCOPE_DIFFERS_IN_PREFIX,
        Code.SCOPE_COMMA_JOINED,
        Code.SCOPE_OTHER_SEPARATOR,
        Code.SCOPE_CLAIM_UNREADABLE,
        Code.ONLY_OIDC_SCOPES,
    }
)
"""The findings that are about one scope, which is what they `expected`."""


_OF_POLICY = frozenset({Code.CHECK_FAILED, Code.AUTHENTICATION_TOO_WEAK})


class Answer(NamedTuple):
    """What the client of a denied request is told: status, RFC 6750 error code, one fixed sentence."""

    status: int
    error: str | None
    description: str | None


# The sentences are fixed, so that nothing of a token or of our settings can leak through them,
# and hold only characters that RFC 6750 section 3 allows in error_description.
ANSWERS: Mapping[Code, Answer] = {
    Code.NO_CREDENTIALS: Answer(401, None, None),
    Code.MISSING_SCHEME: Answer(401, None, None),
    Code.MALFORMED_CREDENTIALS: Answer(
        400,
        "invalid_request",
        "The request must carry one token; in the Authorization header, after the word Bearer and a space",
    ),
    Code.REPEATED_CREDENTIALS: Answer(400, "invalid_request", "The request carries more than one token"),
    Code.CREDENTIALS_TOO_LARGE: Answer(400, "invalid_request", "The token is too large"),
    Code.CROSS_SITE_REQUEST: Answer(
        400, "invalid_request", "The token is in a cookie, and the request is not shown to come from this site"
    ),
    Code.MALFORMED_TOKEN: Answer(401, "invalid_token", "The token is not a well-formed JWT"),
    Code.OPAQUE_TOKEN: Answer(401, "invalid_token", "The token is opaque; this API takes JWT access tokens"),
    Code.ENCRYPTED_TOKEN: Answer(
        401, "invalid_token", "The token is encrypted; this API takes signed JWT access tokens"
    ),
    Code.UNSUPPORTED_HEADER: Answer(
        401, "invalid_token", "The token header asks for something this API does not support"
    ),
    Code.ID_TOKEN: Answer(401, "invalid_token", "This is an ID token; this API takes access tokens"),
    Code.WRONG_TYPE: Answer(401, "invalid_token", "The token is not of the type of an access token"),
    Code.ALGORITHM_NOT_ALLOWED: Answer(
        401, "invalid_token", "The token is signed with an algorithm that this API does not accept"
    ),
    Code.KEY_UNKNOWN: Answer(401, "invalid_token", "The token is signed with a key that its issuer does not list"),
    Code.BAD_SIGNATURE: Answer(401, "invalid_token", "The signature of the token does not verify"),
    Code.WRONG_ISSUER: Answer(
        401, "invalid_token", "The token comes from an issuer that this API does not accept"
    ),
    Code.WRONG_AUDIENCE: Answer(401, "invalid_token", "The token is meant for another audience"),
    Code.EXPIRED: Answer(401, "invalid_token", "The token has expired"),
    Code.NOT_YET_VALID: Answer(401, "invalid_token", "The token is not valid yet"),
    Code.MISSING_CLAIM: Answer(401, "invalid_token", "The token lacks a claim that this API needs"),
    Code.BAD_CLAIM: Answer(401, "invalid_token", "A claim of the token has the wrong type or form"),
    Code.CLAIMS_MISMATCH: Answer(401, "invalid_token", "The claims of the token are not what this API needs"),
    Code.TOKEN_TOO_OLD: Answer(401, "invalid_token", "The token was issued too long ago"),
    Code.SENDER_CONSTRAINED: Answer(
        401, "invalid_token", "The token is bound to a key of its client; this API takes plain bearer tokens"
    ),
    Code.REVOKED: Answer(401, "invalid_token", "The token has been revoked"),
    Code.AUTHENTICATION_TOO_WEAK: Answer(
        401, "insufficient_user_authentication", "This operation needs a stronger or more recent login"
    ),
    **dict.fromkeys(
        (
            *SCOPE_CODES,
            Code.REFUSED_BY_CHECK,
            Code.ORGANIZATION_MISMATCH,
            Code.CLAIM_DIFFERS,
        ),
        Answer(403, "insufficient_scope", "The token does not grant what this operation needs"),
    ),
    Code.NO_RULE: Answer(403, "insufficient_scope", "This API lets nobody do this"),
    Code.KEYS_UNAVAILABLE: Answer(
        503, "temporarily_unavailable", "The keys of the issuer are out of reach; try again later"
    ),
    Code.ISSUER_UNRESOLVED: Answer(
        503, "temporarily_unavailable", "Whether the issuer is accepted cannot be told now; try again later"
    ),
    Code.REVOCATION_UNAVAILABLE: Answer(
        503, "temporarily_unavailable", "Whether the token is revoked cannot be told now; try again later"
    ),
    Code.CHECK_FAILED: Answer(
        503, "temporarily_unavailable", "Whether this is permitted cannot be told now; try again later"
    ),
    Code.MODEL_FAILED: Answer(
        503, "temporarily_unavailable", "The claims of the token cannot be read now; try again later"
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One failed check, as data.

    `detail` is a sentence for the log; it never holds the token, and values of the token in it are quoted
    and cut. `hint` says what to write instead, where we know. `expected` and `found` are for programs.
    """

    code: Code
    detail: str
    claim: str | None = None
    expected: object = None
    found: object = None
    hint: str | None = None

    @property
    def anchor(self) -> str:
        """Where the documentation tells more about it."""
        return f"docs/why-was-i-denied.md#{self.code}"

    @property
    def answer(self) -> Answer:
        """What the client is told."""
        return ANSWERS[self.code]

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + (f" Hint: {self.hint}" if self.hint else "")


class AccessDenied(JWTAuthzError):
    """A request that is not let in; `str()` of it is the text for a log, never for a client.

    Attributes:
        finding: the first failed check; `finding.code` is stable.
        findings: all that is known, the deciding one first.
        status: 400, 401, 403 or 503.
        error: the error code of RFC 6750 section 3.1; None where the RFC wants none.
        description: one fixed sentence for the client, or None.
        challenge: the `WWW-Authenticate` challenge, or None (503 has none).
        required: what the operation needs, all of it: scopes, and {"any_of": [...]} for alternatives.
        retry_after: seconds, for a 503.
        token: the verified token, where it is good and does not suffice (403, step-up); None for all others.
    """

    # What most denials never get stands here and not in __init__, which sets enough for each.
    token: VerifiedToken | None = None
    _explain: Callable[[AccessDenied], Explanation] | None = None
    _explanation: Explanation | None = None
    _page: bool | None = None

    def __init__(
        self,
        finding: Finding,
        *,
        findings: Sequence[Finding] = (),
        challenge: Challenge | None = None,
        required: Sequence[object] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(finding)
        self.finding = finding
        self.findings: tuple[Finding, ...] = tuple(findings) or (finding,)
        self.challenge = challenge
        self.required: tuple[object, ...] = tuple(required)
        self.retry_after = retry_after
        self.status, self.error, self.description = finding.answer

    def __str__(self) -> str:
        return str(self.finding)

    @property
    def is_of_policy(self) -> bool:
        """Whether the policy denied, and not a check of the token."""
        return self.status == 403 or self.finding.code in _OF_POLICY

    def explain_with(self, explain: Callable[[AccessDenied], Explanation], *, page: bool | None) -> None:
        """Say how this denial is explained; for whoever raises it.

        `explain` is given the denial and does not hold it: a circle would be left to the garbage collector, with
        the frames of the traceback and all that they hold.
        `page` says whether the answer carries the explanation: None for no, False in the JSON body, True as a
        page for a browser.
        """
        self._explain = explain
        self._page = page

    @property
    def explanation(self) -> Explanation | None:
        """Every check and what to change, made when it is first asked for; None for a denial made by hand.

        It shows claims of the token: for logs and developers, not for clients.
        """
        if self._explanation is None and self._explain is not None:
            self._explanation = self._explain(self)
        return self._explanation

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer: the challenge, or when to try again."""
        headers = {"Cache-Control": "no-store"}
        if self.challenge is not None:
            headers["WWW-Authenticate"] = str(self.challenge)
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        if self._page:
            headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
            headers["X-Content-Type-Options"] = "nosniff"
        return headers

    @property
    def body(self) -> dict[str, object]:
        """The JSON body of the answer, with the member names of RFC 6749 section 5.2."""
        body: dict[str, object] = {"error": self.error or "unauthorized"}
        body["error_description"] = self.description or "This operation needs an access token"
        if self.status == 403 and self.required:
            body["required"] = list(self.required)
        if self._page is not None and self.explanation is not None:
            body["explanation"] = self.explanation.to_dict()
        return body

    @property
    def content(self) -> tuple[bytes, str]:
        """The body as bytes, and its media type: JSON, or a page where a browser may see the explanation."""
        if self._page and self.explanation is not None:
            return self.explanation.to_html().encode(), "text/html; charset=utf-8"
        return json.dumps(self.body, separators=(",", ":")).encode(), "application/json"


class InvalidRequest(AccessDenied):
    """400: credentials that are malformed or stand there twice (RFC 6750 section 3.1, invalid_request)."""


class NoCredentials(AccessDenied):
    """401 without an error code: no token, or another scheme (RFC 6750 section 3.1)."""


class InvalidToken(AccessDenied):
    """401: any defect of the token (RFC 6750 section 3.1, invalid_token)."""


class InsufficientAuthentication(AccessDenied):
    """401: the token is good, its user has to log in again, or better (RFC 9470)."""


class InsufficientScope(AccessDenied):
    """403: the token is good and may not do this (RFC 6750 section 3.1, insufficient_scope)."""


class ServiceUnavailable(AccessDenied):
    """503: the token can't be judged now (RFC 9110 section 15.6.4); clients keep it and try again."""


_CLASSES: Mapping[tuple[int, str | None], type[AccessDenied]] = {
    (400, "invalid_request"): InvalidRequest,
    (401, None): NoCredentials,
    (401, "invalid_token"): InvalidToken,
    (401, "insufficient_user_authentication"): InsufficientAuthentication,
    (403, "insufficient_scope"): InsufficientScope,
    (503, "temporarily_unavailable"): ServiceUnavailable,
}


def denial_class(finding: Finding) -> type[AccessDenied]:
    """The exception class for a finding."""
    return _CLASSES[finding.answer[:2]]
