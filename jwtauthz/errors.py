"""What can go wrong, and what a client is told of it.

::

    JWTAuthzError
    ├── ConfigurationError (also a ValueError)  a setting that makes no sense; refused when it is built
    ├── KeySetUnavailable                       no usable key set is to be had; told to clients as a 503
    └── AccessDenied                            a request that is not let in
        ├── InvalidRequest                      400  malformed or repeated credentials
        ├── NoCredentials                       401  nothing that we could check was sent
        ├── InvalidToken                        401  a defect of the token
        ├── InsufficientScope                   403  a good token that may not do this
        └── ServiceUnavailable                  503  we cannot tell: keys (or revocation) are out of reach

Every denial rests on findings. A `Finding` is one failed check as data; its `Code` is one of a closed set
and decides the HTTP status, the error code of RFC 6750 section 3.1 and the sentence for the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .challenge import Challenge


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


class Code(StrEnum):
    """The closed set of findings. Values are stable; the documentation has one section for each."""

    # 401 without an error code: nothing that we could check was sent
    NO_CREDENTIALS = "no_credentials"
    # 400 invalid_request
    MALFORMED_CREDENTIALS = "malformed_credentials"
    REPEATED_CREDENTIALS = "repeated_credentials"
    CREDENTIALS_TOO_LARGE = "credentials_too_large"
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
    SENDER_CONSTRAINED = "sender_constrained"
    REVOKED = "revoked"
    # 403 insufficient_scope
    SCOPE_MISSING = "scope_missing"
    SCOPE_IN_OTHER_CLAIM = "scope_in_other_claim"
    SCOPE_CLAIM_UNREADABLE = "scope_claim_unreadable"
    REFUSED_BY_CHECK = "refused_by_check"
    # 503
    KEYS_UNAVAILABLE = "keys_unavailable"
    REVOCATION_UNAVAILABLE = "revocation_unavailable"
    CHECK_FAILED = "check_failed"
