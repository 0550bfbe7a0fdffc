"""One issuer of access tokens: who it is, where its keys are, and what its tokens must say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from .checks import ALGORITHMS, Rules
from .claims import Claim, claim_name
from .errors import ConfigurationError
from .keys.remote import RemoteKeySet
from .keys.urls import problem_with
from .templates import fields_of

if TYPE_CHECKING:
    from typing import Self

    from .claims import ClaimName
    from .keys.jwk import Found
    from .presets import Compat, Preset

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
        max_token_age: seconds since `iat` after which a token is refused though it has not expired.
        subject: the one `sub` whose tokens are accepted.
        preset: the habits of a vendor's issuer; `Issuer.auth0(...)` and its siblings fill it in.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    url: str
    key_set: KeySource
    algorithms: frozenset[str]
    audience: frozenset[str] | None
    scopes_from: tuple[ClaimName, ...]
    profile: Profile
    max_token_age: float | None
    subject: str | None
    preset: Preset | None

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
        max_token_age: float | None = None,
        subject: str | None = None,
        preset: Preset | None = None,
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
        set_(self, "max_token_age", None if max_token_age is None else _seconds(max_token_age))
        set_(self, "subject", _subject(subject))
        set_(self, "preset", preset)
        set_(self, "key_set", _key_set(url, key_set, jwks_url))

    def rules(self, *, audience: frozenset[str] | None, leeway: float) -> Rules:
        """What its tokens are checked against, at an API with these defaults."""
        accepted = self.audience or audience
        if not accepted:
            raise ConfigurationError(
                f"No audience for {self.url}: a token for any other API would be accepted. "
                "Write audience='https://api.example.com', as the API is registered at the issuer."
            )
        preset = self.preset
        most = None if preset is None else preset.max_audiences
        if most is not None and len(accepted) > most:
            raise ConfigurationError(
                f"{len(accepted)} audiences for {self.url}: the authorizer that this preset stands for takes "
                f"{most} at most. Write fewer, or Issuer(url, ...) without the preset."
            )
        return Rules(
            self.url,
            accepted,
            self.algorithms,
            leeway,
            self.profile,
            client_id_as_audience=preset is not None and preset.client_id_as_audience,
            token_use=None if preset is None else preset.token_use,
            key_id_required=preset is not None and preset.key_id_required,
            aliases=self.aliases,
            access_claims=() if preset is None else preset.access_claims,
            id_tokens=preset is not None and preset.id_tokens,
            max_token_age=self.max_token_age,
            subject=self.subject,
        )

    @property
    def aliases(self) -> tuple[str, ...]:
        """What else `iss` says, of tokens of this very issuer."""
        return () if self.preset is None else self.preset.aliases

    # What is known of vendors is imported by whoever names one.

    @classmethod
    def auth0(cls, domain: str, **settings: Any) -> Self:
        """Auth0: `Issuer.auth0("tenant.eu.auth0.com")`. Scopes in `scope`, and with RBAC in `permissions`."""
        from .presets import auth0

        return cls._of(auth0(domain), settings)

    @classmethod
    def okta(cls, domain: str, authorization_server: str = "default", **settings: Any) -> Self:
        """Okta: `Issuer.okta("example.okta.com")`, a custom authorization server. Scopes in `scp`."""
        from .presets import okta

        return cls._of(okta(domain, authorization_server), settings)

    @classmethod
    def entra(cls, tenant: str, *, version: Literal[1, 2] = 2, **settings: Any) -> Self:
        """Entra ID: `Issuer.entra("<tenant ID>")`. Scopes in `scp`, application permissions in `roles`."""
        from .presets import entra

        return cls._of(entra(tenant, version), settings)

    @classmethod
    def cognito(cls, region: str, user_pool_id: str, **settings: Any) -> Self:
        """Cognito: `Issuer.cognito("eu-west-1", "eu-west-1_AbCdEf")`; the audience is the app client's ID."""
        from .presets import cognito

        return cls._of(cognito(region, user_pool_id), settings)

    @classmethod
    def keycloak(cls, base_url: str, realm: str, *, client: str | None = None, **settings: Any) -> Self:
        """Keycloak: `Issuer.keycloak("https://login.example.com", "staff")`; `client` adds that client's roles."""
        from .presets import keycloak

        return cls._of(keycloak(base_url, realm, client), settings)

    @classmethod
    def google(cls, **settings: Any) -> Self:
        """Google's ID tokens, by which a service account calls a service."""
        from .presets import google

        return cls._of(google(), settings)

    @classmethod
    def aws_http_api(cls, url: str, *, compat: Compat = "strict", **settings: Any) -> Self:
        """As the JWT authorizer of an AWS HTTP API reads tokens of this issuer; scopes there are any-of.

        With `compat="exact"` ID tokens are taken for access tokens, as AWS takes them: whoever may log in
        somewhere with this audience then comes in wherever a route asks for no scope.
        """
        from .presets import aws_http_api

        return cls._of(aws_http_api(url, compat), settings)

    @classmethod
    def _of(cls, preset: Preset, settings: dict[str, Any]) -> Self:
        """An issuer of a preset; what the user writes goes before what the preset says."""
        for name in ("url", "preset"):
            if name in settings:
                raise ConfigurationError(
                    f"{name}= is what the preset fills in. Leave it out, or write Issuer(url, ...)."
                )
        known = {"scopes_from": preset.scopes_from, "algorithms": preset.algorithms}
        if "key_set" not in settings:
            known["jwks_url"] = preset.jwks_url  # type: ignore[assignment]
        return cls(preset.url, preset=preset, **{**known, **settings})

    def __repr__(self) -> str:
        return f"<Issuer {self.url!r} algorithms={sorted(self.algorithms)!r} profile={self.profile!r}>"


def _key_set(url: str, key_set: KeySource | None, jwks_url: str | None) -> KeySource:
    if key_set is None:
        return RemoteKeySet(jwks_url, issuer=url)
    if jwks_url is not None:
        raise ConfigurationError("key_set= and jwks_url= both say where the keys are. Leave one out.")
    if isinstance(key_set, (type, str)) or not callable(getattr(key_set, "find", None)):
        raise ConfigurationError(
            f"key_set={key_set!r} is no key set. "
            "Write key_set=KeySet.from_jwks({...}), KeySet.from_pem(...) or KeySet.from_file(...)."
        )
    return key_set


def _seconds(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    raise ConfigurationError(f"max_token_age={value!r}: write a number of seconds above 0.")


def _subject(subject: object) -> str | None:
    if subject is None or (isinstance(subject, str) and subject):
        return subject
    raise ConfigurationError(f"subject={subject!r}: write the one `sub` that is expected, or leave it out.")


def issuer_url(url: object) -> str:
    """The issuer identifier that a setting means (RFC 8414 section 2): https, or http on loopback."""
    if not isinstance(url, str) or not url.strip():
        raise ConfigurationError(
            f"issuer={url!r} names no issuer. Write the URL exactly as `iss` in your tokens says it, "
            "such as issuer='https://tenant.eu.auth0.com/'."
        )
    problem = problem_with(url, query_allowed=False)
    if problem is None and "*" in url:
        raise ConfigurationError(f"issuer={url!r} is a pattern. Write issuer=IssuerResolver({url!r}).")
    if problem is not None:
        raise ConfigurationError(
            f"issuer={url!r} {problem}. Write the URL exactly as `iss` in your tokens says it, "
            "such as issuer='https://tenant.eu.auth0.com/'; http is for loopback only."
        )
    return url


def several(given: object) -> list[Any]:
    """One value, or several, as a list; an empty one for what is neither."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, Iterable) and not isinstance(given, (Mapping, bytes)):
        return list(given)
    return []


def audiences(audience: object) -> frozenset[str]:
    """The audiences that a setting means; never none."""
    values = several(audience)
    if values and all(isinstance(value, str) and value.strip() for value in values):
        return frozenset(values)
    raise ConfigurationError(
        f"audience={audience!r} names no audience, so a token for any other API would be accepted. "
        "Write audience='https://api.example.com', as the API is registered at the issuer."
    )


def _algorithms(algorithms: object) -> frozenset[str]:
    values = several(algorithms)
    if not values:
        raise ConfigurationError(
            f"algorithms={algorithms!r} allows none, so every token would be refused. Write algorithms=('RS256',)."
        )
    for value in values:
        if isinstance(value, str) and value in ALGORITHMS:
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
    values = [claims] if isinstance(claims, Claim) else several(claims)
    if not values:
        raise ConfigurationError(
            f"scopes_from={claims!r} names no claim. "
            "Write scopes_from=('scope',) or scopes_from=('scope', 'permissions')."
        )
    names = tuple(dict.fromkeys(claim_name(value) for value in values))
    for name in names:
        path = name.name if isinstance(name, Claim) else name
        if any(map(fields_of, path if isinstance(path, tuple) else ())):
            raise ConfigurationError(
                f"scopes_from={name!r} depends on the request. Write claim= on the route instead."
            )
    return names
