"""What is known of the issuers people have: where they are, and in which claims their tokens say what.

Each preset is plain data, from the vendor's public documentation; `Issuer.auth0(...)` and its siblings make an
issuer of it. Nothing here fetches or decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .claims import ClaimName

Compat = Literal["strict", "exact"]
_DOMAIN: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)
_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of issuer.

    Attributes:
        url: the issuer identifier, as `iss` says it.
        scopes_from: the claims that say what a token may do.
        jwks_url: where the keys are, if its metadata don't stand under its URL.
        algorithms: what it signs with.
        client_id_as_audience: whether `client_id` stands for a missing `aud`.
        token_use: what `token_use` has to say, where the issuer writes it.
        key_id_required: whether a token without `kid` is refused.
        aliases: what else `iss` says, of tokens of this very issuer.
        access_claims: claims of which each access token has one, and no ID token has any.
        id_tokens: whether ID tokens are taken for access tokens.
        max_audiences: how many audiences an API may have.
    """

    url: str
    scopes_from: tuple[ClaimName, ...]
    jwks_url: str | None = None
    algorithms: tuple[str, ...] = ("RS256",)
    client_id_as_audience: bool = False
    token_use: str | None = None
    key_id_required: bool = False
    aliases: tuple[str, ...] = ()
    access_claims: tuple[str, ...] = ()
    id_tokens: bool = False
    max_audiences: int | None = None


def auth0(domain: str) -> Preset:
    """Auth0: `https://<domain>/`; scopes in `scope`, and with RBAC in `permissions`."""
    return Preset(f"https://{_domain(domain, 'tenant.eu.auth0.com')}/", ("scope", "permissions"))


def okta(domain: str, authorization_server: str | None = "default") -> Preset:
    """Okta: a custom authorization server; scopes in `scp`, groups nowhere unless a claim is made for them.

    The org authorization server (None) signs tokens for Okta's own APIs, which nobody else may check.
    """
    host = _domain(domain, "example.okta.com")
    if authorization_server is None:
        raise ConfigurationError(
            "Access tokens of Okta's org authorization server are meant for Okta alone. "
            "Write authorization_server='default', or that of your own."
        )
    return Preset(f"https://{host}/oauth2/{_name(authorization_server, 'authorization_server')}", ("scp",))


def entra(tenant: object, version: Literal[1, 2] = 2) -> Preset:
    """Microsoft Entra ID: one tenant by its ID; delegated scopes in `scp`, application permissions in `roles`.

    `common` and `organizations` are no issuers: their metadata hold the placeholder `{tenantid}`. An API for
    several tenants lists them: `[Issuer.entra(tenant) for tenant in tenants]`. The version is that of the
    tokens (requestedAccessTokenVersion in the manifest of the API).

    Where one app is client and API, its ID tokens have the audience of its access tokens, and may have `roles`.
    What tells them apart: an access token has `scp` if a user is there, and names the client that sends it, in
    `azp` (`appid` in version 1), with a user or without; an ID token has neither.
    """
    if not isinstance(tenant, str) or _GUID.fullmatch(tenant) is None:
        raise ConfigurationError(
            f"tenant={tenant!r} is no tenant ID. Write the directory's GUID; 'common' and 'organizations' mean "
            "for any tenant there is, so list the tenants you trust: [Issuer.entra(tenant) for tenant in tenants]."
        )
    if isinstance(version, bool) or not isinstance(version, int) or version not in {1, 2}:
        raise ConfigurationError(f"version={version!r}: Entra ID has tokens of version 1 and 2.")
    login = f"https://login.microsoftonline.com/{tenant.lower()}"
    if version == 2:
        return Preset(f"{login}/v2.0", ("scp", "roles"), access_claims=("scp", "azp"))
    keys = f"{login}/discovery/keys"
    url = f"https://sts.windows.net/{tenant.lower()}/"
    return Preset(url, ("scp", "roles"), jwks_url=keys, access_claims=("scp", "appid"))


def cognito(region: str, user_pool_id: str) -> Preset:
    """Amazon Cognito: access tokens have no `aud`, their app client stands in `client_id`; ID tokens are refused.

    The audience of the API is then the ID of the app client, or several. Scopes of a resource server are called
    `<resource server>/<scope>`; groups stand in `cognito:groups`.
    """
    pool = _name(user_pool_id, "user_pool_id")
    host = f"cognito-idp.{_name(region, 'region')}.amazonaws.com"
    if not pool.startswith(f"{region}_"):
        raise ConfigurationError(f"user_pool_id={pool!r}: the ID of a pool in {region} begins with '{region}_'.")
    url = f"https://{host}/{pool}"
    return Preset(url, ("scope",), client_id_as_audience=True, token_use="access", key_id_required=True)


def keycloak(base_url: str, realm: str, client: str | None = None) -> Preset:
    """Keycloak: `<base_url>/realms/<realm>`; scopes in `scope`, roles of the realm and of a client in objects."""
    claims: tuple[ClaimName, ...] = ("scope", ("realm_access", "roles"))
    if client is not None:
        claims = (*claims, ("resource_access", client, "roles"))
    return Preset(f"{str(base_url).rstrip('/')}/realms/{_name(realm, 'realm')}", claims)


def google() -> Preset:
    """Google's ID tokens, by which a service account calls a service; its access tokens are opaque.

    `iss` is documented with and without https://.
    """
    return Preset("https://accounts.google.com", ("scope",), aliases=("accounts.google.com",))


def aws_http_api(url: str, compat: Compat = "strict") -> Preset:
    """What the JWT authorizer of an AWS HTTP API accepts, so that a token it accepts is accepted here.

    Scopes in `scope` or `scp`, RSA alone, `kid` required, `client_id` for a missing `aud`. Its scopes are
    any-of: write `any_of(...)`. Unlike there, an ID token is refused even on a route without scopes, unless
    `compat="exact"` says so.
    """
    if compat not in get_args(Compat):
        raise ConfigurationError(
            f"compat={compat!r} is unknown. Write compat='exact' to take ID tokens as AWS does, or leave it out."
        )
    return Preset(
        url,
        ("scope", "scp"),
        algorithms=("RS256", "RS384", "RS512"),
        client_id_as_audience=True,
        key_id_required=True,
        id_tokens=compat == "exact",
        max_audiences=50,
    )


def _domain(domain: object, example: str) -> str:
    if isinstance(domain, str) and _DOMAIN.fullmatch(domain):
        return domain
    raise ConfigurationError(
        f"domain={domain!r} is no domain. Write it without https:// and slashes: {example!r}."
    )


def _name(value: object, setting: str) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ConfigurationError(f"{setting}={value!r} can't be part of an issuer's URL.")
