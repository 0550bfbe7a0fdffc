"""One issuer of access tokens: who it is, where its keys are, and what its tokens must say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from .checks import ALGORITHMS, Rules
from .claims import Claim, claim_name
from .errors import ConfigurationError
from .keys.remote import RemoteKeySet
from .keys.urls import problem_with

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .claims import ClaimName
    from .keys.jwk import Found

Profile = Literal["default", "rfc9068"]
MAX_LEEWAY = 300.0


class KeySource(Protocol):
    """Where the keys of an issuer come from: a `KeySet`, a `RemoteKeySet`, or your own."""

    @property
    def ready(self) -> bool:
        """Whether keys are at hand."""
        ...

    def find(self, kid: str | None, alg: str, *, after: object | None = None) -> Found:
        """The keys that may have signed a token; never blocks."""
        ...

    def recheck(self, found: Found) -> None:
        """Told when a signature was bad under a known key ID."""
        ...

    def warm_up(self, timeout: float | None = None) -> None:
        """Fetch the keys, if there is something to fetch."""
        ...

    async def awarm_up(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """As `warm_up`, for asyncio and trio."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Issuer:
    """An issuer (authorization server) whose access tokens an API accepts.

    Args:
        url: the issuer identifier, exactly as `iss` says it, slash at the end included.
        key_set: its keys, when they are not to be fetched: `KeySet.from_jwks(...)`, `.from_pem(...)`.
        jwks_url: where its JWKS is, when it is not to be discovered.
        algorithms: the signature algorithms it uses; asymmetric ones only.
        audience: the audience of its tokens, if it differs from the server's.
        scopes_from: the claims that say what a token may do, merged.
        profile: "default", or "rfc9068" for the strict profile of RFC 9068.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    url: str
    key_set: KeySource
    algorithms: frozenset[str]
    audience: frozenset[str] | None
    scopes_from: tuple[ClaimName, ...]
    profile: Profile

    def __init__(
        self,
        url: str,
        *,
        key_set: KeySource | None = None,
        jwks_url: str | None = None,
        algorithms: str | Iterable[str] = ("RS256",),
        audience: str | Iterable[str] | None = None,
        scopes_from: ClaimName | Iterable[ClaimName] = ("scope",),
        profile: Profile = "default",
    ) -> None:
        set_ = object.__setattr__
        set_(self, "url", issuer_url(url))
        set_(self, "algorithms", _algorithms(algorithms))
        set_(self, "audience", None if audience is None else audiences(audience))
        set_(self, "scopes_from", _scopes_from(scopes_from))
        if profile not in get_args(Profile):
            raise ConfigurationError(
                f"profile={profile!r} is unknown. Write profile='default' or profile='rfc9068'."
            )
        set_(self, "profile", profile)
        if key_set is not None and jwks_url is not None:
            raise ConfigurationError("key_set= and jwks_url= both say where the keys are. Leave one out.")
        if key_set is None:
            key_set = RemoteKeySet(jwks_url, issuer=url)
        elif not callable(getattr(key_set, "find", None)):
            raise ConfigurationError(
                f"key_set={type(key_set).__name__} is no key set. "
                "Write key_set=KeySet.from_jwks({...}), KeySet.from_pem(...) or KeySet.from_file(...)."
            )
        set_(self, "key_set", key_set)

    def rules(self, *, audience: frozenset[str] | None, leeway: float) -> Rules:
        """What its tokens are checked against, at an API with these defaults."""
        accepted = self.audience or audience
        if not accepted:
            raise ConfigurationError(
                f"No audience for {self.url}: a token for any other API would be accepted. "
                "Write audience='https://api.example.com', as the API is registered at the issuer."
            )
        return Rules(self.url, accepted, self.algorithms, leeway, self.profile)

    def __repr__(self) -> str:
        return f"<Issuer {self.url!r} algorithms={sorted(self.algorithms)!r} profile={self.profile!r}>"


def issuer_url(url: object) -> str:
    """The issuer identifier that a setting means (RFC 8414 section 2): https, or http on loopback."""
    if not isinstance(url, str) or not url.strip():
        raise ConfigurationError(
            f"issuer={url!r} names no issuer. Write the URL exactly as `iss` in your tokens says it, "
            "such as issuer='https://tenant.eu.auth0.com/'."
        )
    problem = problem_with(url, query_allowed=False)
    if problem is not None:
        raise ConfigurationError(
            f"issuer={url!r} {problem}. Write the URL exactly as `iss` in your tokens says it, "
            "such as issuer='https://tenant.eu.auth0.com/'; http is for loopback only."
        )
    return url


def audiences(audience: object) -> frozenset[str]:
    """The audiences that a setting means; never none."""
    values = [audience] if isinstance(audience, str) else audience
    if isinstance(values, (list, tuple, set, frozenset)) and values:
        named = [value for value in values if isinstance(value, str) and value.strip()]
        if len(named) == len(values):
            return frozenset(named)
    raise ConfigurationError(
        f"audience={audience!r} names no audience, so a token for any other API would be accepted. "
        "Write audience='https://api.example.com', as the API is registered at the issuer."
    )


def _algorithms(algorithms: object) -> frozenset[str]:
    values = [algorithms] if isinstance(algorithms, str) else algorithms
    if not isinstance(values, (list, tuple, set, frozenset)) or not values:
        raise ConfigurationError(
            f"algorithms={algorithms!r} allows none, so every token would be refused. Write algorithms=('RS256',)."
        )
    for value in values:
        if value in ALGORITHMS:
            continue
        if isinstance(value, str) and value.lower() == "none":
            why = "accepts tokens that nobody signed"
        elif isinstance(value, str) and value.upper().startswith("HS"):
            why = "is a shared secret: with keys from a JWKS, anybody could sign"
        else:
            why = "is no signature algorithm we know"
        raise ConfigurationError(f"algorithms: {value!r} {why}. Use some of {', '.join(sorted(ALGORITHMS))}.")
    return frozenset(values)


def _scopes_from(claims: object) -> tuple[ClaimName, ...]:
    values = [claims] if isinstance(claims, (str, Claim)) else claims
    if not isinstance(values, (list, tuple)) or not values:
        raise ConfigurationError(
            f"scopes_from={claims!r} names no claim. "
            "Write scopes_from=('scope',) or scopes_from=('scope', 'permissions')."
        )
    return tuple(dict.fromkeys(claim_name(value) for value in values))
