"""What happens, as data: each event is a frozen dataclass, given to hooks.

`Allowed` and `Denied` are decisions. The others are about keys: their `source` is the issuer, or the key set's
URL, without anything secret in it, and their `store`, likewise, what the processes of a fleet share. They hold no
token, no key material, and no text that a stranger chose beyond the key IDs that the issuer itself published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .failures import FailureKind, StoreFailure

if TYPE_CHECKING:
    from .errors import AccessDenied
    from .request import Request
    from .verified_token import VerifiedToken

__all__ = [
    "Allowed",
    "Denied",
    "Event",
    "FailureKind",
    "FleetAvailable",
    "FleetDataRefused",
    "FleetEvent",
    "FleetUnavailable",
    "KeyDropped",
    "KeyEvent",
    "KeysFetchFailed",
    "KeysFetched",
    "KeysRotated",
    "KeysStale",
    "StoreFailure",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysFetched:
    """A fetch brought keys, or confirmed those at hand (`confirmed`).

    `keys` and `skipped` count the entries that can and cannot be used, `seconds` is how long it took,
    `fresh_for` how long the keys are fresh from now, `failures` how many fetches had failed before it. `shared`
    says that another process of the fleet made the fetch.
    """

    source: str
    keys: int
    skipped: int
    confirmed: bool
    seconds: float
    fresh_for: float
    failures: int
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysFetchFailed:
    """A fetch brought nothing. `failures` counts them in a row, the next may be made in `retry_in` seconds.

    `holding` says whether there are keys that serve meanwhile.
    """

    source: str
    kind: FailureKind
    reason: str
    failures: int
    retry_in: float
    holding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRotated:
    """The key set changed. A key is named by its key ID, or by its RFC 7638 thumbprint if it has none."""

    source: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDropped:
    """An alarm: the issuer publishes private or symmetric material. That key is not used; tell the issuer."""

    source: str
    kid: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysStale:
    """The issuer cannot be reached and the keys are past their time. Sent once per outage.

    `age` is that of the keys, `serving_for` how long they still serve, both in seconds.
    """

    source: str
    age: float
    serving_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetUnavailable:
    """The store of a fleet failed too often: this process goes on by itself, at least for `local_for` seconds."""

    store: str
    kind: StoreFailure
    reason: str
    local_for: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAvailable:
    """The store of a fleet works again."""

    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDataRefused:
    """An alarm: what stands in the store was written by none of us, or long ago. It is not used."""

    source: str
    store: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """A request was let in, by this token; None for an anonymous one where that is allowed.

    `seconds` is how long the decision took, waiting for keys and for functions of the application included.
    """

    request: Request
    token: VerifiedToken | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A request was refused; or, where not `enforced`, a shadow policy would have refused it.

    `denied.status`, `denied.error` and `denied.finding.code` are of closed sets, fit to be labels of metrics.
    `seconds` is as for `Allowed`; None where more was asked of a request that had been let in (`permit`, shadow
    policies): that is no decision from the beginning.
    """

    request: Request
    denied: AccessDenied
    enforced: bool = True
    seconds: float | None = None


KeyEvent: TypeAlias = KeysFetched | KeysFetchFailed | KeysRotated | KeyDropped | KeysStale
FleetEvent: TypeAlias = FleetUnavailable | FleetAvailable | FleetDataRefused
Event: TypeAlias = "Allowed | Denied | KeyEvent | FleetEvent"
