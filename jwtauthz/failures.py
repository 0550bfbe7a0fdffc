"""Why something could not be fetched or asked."""

from __future__ import annotations

from enum import StrEnum


class FailureKind(StrEnum):
    """Why a fetch failed: a closed set, so that it can be the label of a metric."""

    CONNECTION = "connection"  # refused, reset, cut off, TLS, name resolution
    TIMEOUT = "timeout"
    STATUS = "status"
    REDIRECT = "redirect"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"  # not strict JSON, not a JWKS, an odd encoding
    NO_USABLE_KEY = "no_usable_key"
    DISCOVERY = "discovery"  # metadata of another issuer, or with an unfit jwks_uri
    CLIENT = "client"  # something else that an injected client raised
    ABANDONED = "abandoned"  # past its limit, whatever its thread is doing
    NO_THREAD = "no_thread"  # this process cannot start a thread


class StoreFailure(StrEnum):
    """What was wrong with the store of a fleet: a closed set too."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    REFUSED = "refused"  # it is full, read-only, or does not know us
    NONSENSE = "nonsense"  # an answer that none of us has written
    CLIENT = "client"  # something else that an injected client raised
