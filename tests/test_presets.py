"""The presets against the tokens that their issuers' documentation describes, under real signatures.

The tokens are those of `vectors/issuers`; what differs from row to row stands in the row.
"""

from __future__ import annotations

import pytest

from authorizing import case
from jwtauthz import (
    AccessDenied,
    Claim,
    Code,
    ConfigurationError,
    Issuer,
    KeySetUnavailable,
    ResourceServer,
    any_of,
    authenticated,
    claim_equals,
    organization,
)
from jwtauthz.testing import FakeClock, FakeIssuer
from why.vectors import VECTORS, keys, mint, signed

TENANT = "11111111-2222-4333-8444-555555555555"
APP = "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff"
POOL = ("eu-west-1", "eu-west-1_Example01")
CLIENT = "1exampleclientid0example1"  # Cognito's
API = "https://api.example.com"

PRESETS = {
    "auth0": lambda **settings: Issuer.auth0("acme.eu.auth0.com", **settings),
    "okta": lambda **settings: Issuer.okta("acme.okta.com", **settings),
    "entra v1": lambda **settings: Issuer.entra(TENANT, version=1, **settings),
    "entra v2": lambda **settings: Issuer.entra(TENANT, **settings),
    "cognito": lambda **settings: Issuer.cognito(*POOL, **settings),
    "keycloak": lambda **settings: Issuer.keycloak("https://sso.example.com", "acme", **settings),
    "keycloak with a client": lambda **settings: Issuer.keycloak(
        "https://sso.example.com", "acme", client="users-api", **settings
    ),
    "google": Issuer.google,
}


def server(preset: str, audience, **settings) -> ResourceServer:
    return ResourceServer(PRESETS[preset](key_set=keys(), **settings), audience, clock=FakeClock())


def token(vector: str, header=None, **instead) -> str:
    """The token of a vector; a claim or a member of the header that is given as `...` is left out."""
    given = VECTORS[vector]
    claims = {**given.claims, **instead}
    members = {**given.header, **(header or {})}
    if given.text:
        return given.text
    return signed(
        {name: value for name, value in members.items() if value is not ...},
        {name: value for name, value in claims.items() if value is not ...},
    )


def codes(asked: ResourceServer, text: str, *needs) -> list[str]:
    """The findings of a decision; none if it lets in. The explanation says the same."""
    explained, denied = asked.explain(f"Bearer {text}", *needs), None
    try:
        asked.authorize(f"Bearer {text}", *needs)
    except AccessDenied as refused:
        denied = refused
    assert explained.status == (denied.status if denied else 200)
    return [str(finding.code) for finding in denied.findings] if denied else []


def first(asked: ResourceServer, text: str, *needs) -> str | None:
    return next(iter(codes(asked, text, *needs)), None)


class TestWhereTheyAre:
    @pytest.mark.parametrize(
        ("issuer", "url"),
        [
            case("Auth0, with a slash", Issuer.auth0("acme.eu.auth0.com"), "https://acme.eu.auth0.com/"),
            case(
                "Auth0 at a domain of one's own", Issuer.auth0("login.example.com"), "https://login.example.com/"
            ),
            case("Okta, without a slash", Issuer.okta("acme.okta.com"), "https://acme.okta.com/oauth2/default"),
            case(
                "another server of Okta",
                Issuer.okta("acme.okta.com", "aus1a2b3c"),
                "https://acme.okta.com/oauth2/aus1a2b3c",
            ),
            case("Entra ID", Issuer.entra(TENANT), f"https://login.microsoftonline.com/{TENANT}/v2.0"),
            case(
                "Entra ID 1.0, with a slash", Issuer.entra(TENANT, version=1), f"https://sts.windows.net/{TENANT}/"
            ),
            case(
                "a tenant in capitals",
                Issuer.entra(APP.upper()),
                f"https://login.microsoftonline.com/{APP}/v2.0",
            ),
            case(
                "Cognito",
                Issuer.cognito(*POOL),
                "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example01",
            ),
            case("Keycloak", PRESETS["keycloak"](), "https://sso.example.com/realms/acme"),
            case(
                "Keycloak under a path",
                Issuer.keycloak("https://sso.example.com/auth/", "acme"),
                "https://sso.example.com/auth/realms/acme",
            ),
            case("Google", Issuer.google(), "https://accounts.google.com"),
        ],
    )
    def test_as_iss_says_it(self, issuer, url):
        assert issuer.url == url

    @pytest.mark.parametrize("vector", [name for name, given in VECTORS.items() if given.claims])
    def test_every_vector_of_theirs_comes_from_there(self, vector):
        given = VECTORS[vector]
        urls = {preset().url for preset in PRESETS.values()}
        assert given.issuer in urls or given.claims["iss"] in urls or vector in {"entra_graph", "okta_org_server"}


class TestTokens:
    """What is let in by each, and what is refused with which finding."""

    @pytest.mark.parametrize(
        ("preset", "audience", "vector", "instead", "needed", "expected"),
        [
            # Auth0
            case("a machine of Auth0", "auth0", API, "auth0_machine", {}, "read:users", None),
            case("its scope is not another", "auth0", API, "auth0_machine", {}, "write:users", Code.SCOPE_MISSING),
            case("permissions of RBAC", "auth0", API, "auth0_rbac", {}, "write:users", None),
            case("an empty scope hides none", "auth0", API, "auth0_rbac", {"scope": ""}, "write:users", None),
            case("permissions that are null", "auth0", API, "auth0_rbac", {"permissions": None}, "openid", None),
            case(
                "a login without a scope", "auth0", API, "auth0_only_oidc", {}, "read:users", Code.ONLY_OIDC_SCOPES
            ),
            case("an ID token", "auth0", API, "auth0_id_token", {}, authenticated(), Code.ID_TOKEN),
            case("an opaque token", "auth0", API, "auth0_opaque", {}, authenticated(), Code.OPAQUE_TOKEN),
            case("an encrypted token", "auth0", API, "auth0_encrypted", {}, authenticated(), Code.ENCRYPTED_TOKEN),
            case("HS256", "auth0", API, "auth0_hs256", {}, authenticated(), Code.ALGORITHM_NOT_ALLOWED),
            case(
                "a token for the Management API",
                "auth0",
                API,
                "auth0_management_api",
                {},
                authenticated(),
                Code.WRONG_AUDIENCE,
            ),
            # Okta
            case("a list in scp", "okta", "api://default", "okta_access", {}, "read:users", None),
            case(
                "a string in scp",
                "okta",
                "api://default",
                "okta_access",
                {"scp": "x read:users"},
                "read:users",
                None,
            ),
            case(
                "scope is not read",
                "okta",
                "api://default",
                "okta_access",
                {"scp": [], "scope": "read:users"},
                "read:users",
                Code.SCOPE_IN_OTHER_CLAIM,
            ),
            case("Okta's ID token", "okta", "api://default", "okta_id_token", {}, authenticated(), Code.ID_TOKEN),
            case(
                "an ID token for a client that is named like the API",
                "okta",
                "0oa1exampleClient5d7",
                "okta_id_token",
                {},
                authenticated(),
                Code.ID_TOKEN,
            ),
            case("the org server", "okta", "api://default", "okta_org_server", {}, "read", Code.WRONG_ISSUER),
            case("no scopes", "okta", "api://default", "okta_only_oidc", {}, "read", Code.ONLY_OIDC_SCOPES),
            # Entra ID
            case("a delegated scope", "entra v2", APP, "entra_v2_access", {}, "users.read", None),
            case("an application permission", "entra v2", APP, "entra_v2_roles", {}, "Users.Read.All", None),
            case(
                "either of both, for users and for machines",
                "entra v2",
                APP,
                "entra_v2_roles",
                {},
                any_of("users.read", "Users.Read.All"),
                None,
            ),
            case("version 1.0", "entra v1", f"api://{APP}", "entra_v1_access", {}, "users.read", None),
            case("1.0 where 2.0 is set", "entra v2", APP, "entra_v1_access", {}, "users.read", Code.WRONG_ISSUER),
            case("2.0 where 1.0 is set", "entra v1", APP, "entra_v2_access", {}, "users.read", Code.WRONG_ISSUER),
            case(
                "the placeholder itself",
                "entra v2",
                APP,
                "entra_v2_access",
                {"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"},
                "users.read",
                Code.WRONG_ISSUER,
            ),
            case(
                "another tenant",
                "entra v2",
                APP,
                "entra_v2_access",
                {"iss": f"https://login.microsoftonline.com/{APP}/v2.0"},
                "users.read",
                Code.WRONG_ISSUER,
            ),
            case("Entra's ID token", "entra v2", APP, "entra_id_token", {}, authenticated(), Code.ID_TOKEN),
            case(
                "only scopes of OpenID", "entra v2", APP, "entra_v2_only_oidc", {}, "read", Code.ONLY_OIDC_SCOPES
            ),
            case(
                "an ID token without a nonce, for an app that is client and API",
                "entra v2",
                "66666666-7777-4888-9999-aaaaaaaaaaaa",
                "entra_id_token",
                {"nonce": ...},
                authenticated(),
                Code.ID_TOKEN,
            ),
            case(
                "such an ID token with roles of the user, which the app has given",
                "entra v2",
                "66666666-7777-4888-9999-aaaaaaaaaaaa",
                "entra_id_token",
                {"nonce": ..., "roles": ["Users.Read.All"]},
                "Users.Read.All",
                Code.ID_TOKEN,
            ),
            case(
                "an ID token of version 1.0 without a nonce",
                "entra v1",
                f"api://{APP}",
                "entra_v1_access",
                {"scp": ..., "appid": ..., "appidacr": ...},
                authenticated(),
                Code.ID_TOKEN,
            ),
            case(
                "a machine without roles, which the API knows by its client",
                "entra v2",
                APP,
                "entra_v2_roles",
                {"roles": ...},
                authenticated(),
                None,
            ),
            case(
                "a machine without roles of version 1.0",
                "entra v1",
                f"api://{APP}",
                "entra_v1_access",
                {"scp": ...},
                authenticated(),
                None,
            ),
            case(
                "an azp of null names no client",
                "entra v2",
                APP,
                "entra_v2_roles",
                {"azp": None},
                authenticated(),
                Code.ID_TOKEN,
            ),
            # Cognito
            case("no aud, but a client", "cognito", CLIENT, "cognito_access", {}, f"{API}/users.read", None),
            case("one of two clients", "cognito", ["x", CLIENT], "cognito_access", {}, "openid", None),
            case("another client", "cognito", "x", "cognito_access", {}, "openid", Code.WRONG_AUDIENCE),
            case(
                "neither aud nor client",
                "cognito",
                CLIENT,
                "cognito_access",
                {"client_id": ...},
                "openid",
                Code.MISSING_CLAIM,
            ),
            case(
                "an aud goes before the client",
                "cognito",
                CLIENT,
                "cognito_access",
                {"aud": API},
                "openid",
                Code.WRONG_AUDIENCE,
            ),
            case("an aud of a bound resource", "cognito", API, "cognito_access", {"aud": API}, "openid", None),
            case(
                "an aud of null is no missing one",
                "cognito",
                CLIENT,
                "cognito_access",
                {"aud": None},
                "openid",
                Code.MISSING_CLAIM,
            ),
            case(
                "an empty list for aud",
                "cognito",
                CLIENT,
                "cognito_access",
                {"aud": []},
                "openid",
                Code.WRONG_AUDIENCE,
            ),
            case(
                "a list for client_id",
                "cognito",
                CLIENT,
                "cognito_access",
                {"client_id": [CLIENT]},
                "openid",
                Code.BAD_CLAIM,
            ),
            case("Cognito's ID token", "cognito", CLIENT, "cognito_id", {}, authenticated(), Code.ID_TOKEN),
            case(
                "without hashes too",
                "cognito",
                CLIENT,
                "cognito_id",
                {"at_hash": ...},
                authenticated(),
                Code.ID_TOKEN,
            ),
            case(
                "token_use is missing",
                "cognito",
                CLIENT,
                "cognito_access",
                {"token_use": ...},
                "openid",
                Code.BAD_CLAIM,
            ),
            case(
                "token_use in capitals",
                "cognito",
                CLIENT,
                "cognito_access",
                {"token_use": "Access"},
                "openid",
                Code.BAD_CLAIM,
            ),
            case(
                "token_use in a list",
                "cognito",
                CLIENT,
                "cognito_access",
                {"token_use": ["access"]},
                "openid",
                Code.BAD_CLAIM,
            ),
            case("InitiateAuth", "cognito", CLIENT, "cognito_initiate_auth", {}, "read", Code.SCOPE_MISSING),
            # Keycloak
            case(
                "aud is account",
                "keycloak",
                "users-api",
                "keycloak_access",
                {},
                "users-admin",
                Code.WRONG_AUDIENCE,
            ),
            case(
                "a mapper for the audience", "keycloak", "users-api", "keycloak_audience", {}, "users-admin", None
            ),
            case("scopes beside roles", "keycloak", "users-api", "keycloak_audience", {}, "email", None),
            case(
                "a client's role is not read unless asked for",
                "keycloak",
                "users-api",
                "keycloak_audience",
                {},
                "read:users",
                Code.SCOPE_IN_OTHER_CLAIM,
            ),
            case(
                "a client's role",
                "keycloak with a client",
                "users-api",
                "keycloak_audience",
                {},
                "read:users",
                None,
            ),
            case(
                "another client's role",
                "keycloak with a client",
                "users-api",
                "keycloak_audience",
                {},
                "manage-account",
                Code.SCOPE_IN_OTHER_CLAIM,
            ),
            case("odd roles", "keycloak", "users-api", "keycloak_audience", {"realm_access": "x"}, "email", None),
            case("Keycloak's ID token", "keycloak", "users-api", "keycloak_id_token", {}, "email", Code.ID_TOKEN),
            case(
                "its refresh token",
                "keycloak",
                "users-api",
                "keycloak_refresh",
                {},
                "email",
                Code.ALGORITHM_NOT_ALLOWED,
            ),
            case(
                "an ID token for a client that is the API, without nonce and hash",
                "keycloak",
                "web-app",
                "keycloak_id_token",
                {"nonce": ..., "at_hash": ...},
                authenticated(),
                Code.ID_TOKEN,
            ),
            case(
                "a refresh token under an asymmetric algorithm",
                "keycloak",
                "https://sso.example.com/realms/acme",
                "keycloak_refresh",
                {},
                authenticated(),
                Code.WRONG_TYPE,
            ),
            # Google
            case(
                "an opaque token of Google", "google", API, "google_opaque", {}, authenticated(), Code.OPAQUE_TOKEN
            ),
            case(
                "the ID token of a service account",
                "google",
                API,
                "google_id_token",
                {"aud": API, "nonce": ..., "at_hash": ..., "email": "svc@p.iam.gserviceaccount.com"},
                claim_equals("email", "svc@p.iam.gserviceaccount.com"),
                None,
            ),
            case(
                "that of another account",
                "google",
                API,
                "google_id_token",
                {"aud": API, "nonce": ..., "at_hash": ...},
                claim_equals("email", "svc@p.iam.gserviceaccount.com"),
                Code.CLAIM_DIFFERS,
            ),
            case(
                "for another API",
                "google",
                API,
                "google_id_token",
                {"nonce": ..., "at_hash": ...},
                authenticated(),
                Code.WRONG_AUDIENCE,
            ),
            case(
                "of a login in a browser",
                "google",
                API,
                "google_id_token",
                {"aud": API},
                authenticated(),
                Code.ID_TOKEN,
            ),
            case(
                "whose iss has no https",
                "google",
                API,
                "google_id_token",
                {"aud": API, "nonce": ..., "at_hash": ..., "iss": "accounts.google.com"},
                authenticated(),
                None,
            ),
            case(
                "whose iss has http",
                "google",
                API,
                "google_id_token",
                {"aud": API, "nonce": ..., "at_hash": ..., "iss": "http://accounts.google.com"},
                authenticated(),
                Code.WRONG_ISSUER,
            ),
        ],
    )
    def test_are_taken_or_refused_as_documented(self, preset, audience, vector, instead, needed, expected):
        header = {"alg": "RS256"} if vector == "keycloak_refresh" and "sso" in audience else None
        assert first(server(preset, audience), token(vector, header, **instead), needed) == expected

    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize("vector", [name for name, given in VECTORS.items() if given.claims])
    def test_of_one_are_none_of_another(self, preset, vector):
        asked = server(preset, VECTORS[vector].audience)
        found = codes(asked, token(vector), authenticated())
        own = VECTORS[vector].claims.get("iss") == asked.issuers[0].url
        assert own or found == [Code.WRONG_ISSUER]

    @pytest.mark.parametrize("preset", PRESETS)
    def test_a_forged_one_is_none(self, preset):
        asked = server(preset, API)
        claims = {
            "iss": asked.issuers[0].url,
            "aud": API,
            "token_use": "access",
            "scp": "x",
            "exp": 1_800_000_600,
        }
        assert codes(asked, mint().forged_token(**claims), authenticated()) == [Code.BAD_SIGNATURE]
        assert codes(asked, mint().token(**claims), authenticated()) == []

    def test_cognitos_are_under_a_key_that_is_named(self):
        assert (
            first(server("cognito", CLIENT), token("cognito_access", {"kid": ...}), "openid")
            == Code.MALFORMED_TOKEN
        )
        assert first(server("auth0", API), token("auth0_machine", {"kid": ...}), "read:users") is None

    def test_organizations_of_auth0(self):
        from jwtauthz import Request

        for name, allowed in (("org_Ex4mpleOrgan1zat", True), ("org_other", False)):
            request = Request(f"Bearer {token('auth0_organization')}", path_params={"org_id": name})
            explained = server("auth0", API).explain(request, "read:users", organization("org_id"))
            assert explained.allowed is allowed


class TestHints:
    @pytest.mark.parametrize(
        ("preset", "audience", "vector", "needed", "says"),
        [
            case(
                "Keycloak's account",
                "keycloak",
                "users-api",
                "keycloak_access",
                "email",
                "mapper of type Audience",
            ),
            case(
                "Entra's versions", "entra v2", APP, "entra_v1_access", "users.read", "requestedAccessTokenVersion"
            ),
            case("Cognito's ID token", "cognito", CLIENT, "cognito_id", "openid", "access token"),
            case("Auth0's opaque token", "auth0", API, "auth0_opaque", "openid", "audience="),
            case("Auth0's five parts", "auth0", API, "auth0_encrypted", "openid", "audience="),
            case("Google's opaque token", "google", API, "google_opaque", "openid", "Google"),
            case(
                "a client's role at Keycloak", "keycloak", "users-api", "keycloak_audience", "read:users", "claim="
            ),
        ],
    )
    def test_say_what_to_do_there(self, preset, audience, vector, needed, says):
        assert says in " ".join(server(preset, audience).explain(f"Bearer {token(vector)}", needed).hints)


class TestSettings:
    @pytest.mark.parametrize("preset", PRESETS)
    def test_of_the_user_go_before_the_preset(self, preset):
        issuer = PRESETS[preset](
            key_set=keys(),
            algorithms=("RS256", "ES256"),
            audience="https://other.example.com",
            scopes_from=Claim("roles", grants={"r": ["read"]}),
            max_token_age=60,
            subject="svc",
            profile="rfc9068",
        )
        assert issuer.algorithms == {"RS256", "ES256"}
        assert issuer.audience == {"https://other.example.com"}
        assert issuer.scopes_from == (Claim("roles", grants={"r": ["read"]}),)
        assert (issuer.max_token_age, issuer.subject, issuer.profile) == (60, "svc", "rfc9068")
        assert issuer.key_set is keys()

    def test_the_rest_of_the_preset_stays(self):
        asked = server("cognito", CLIENT, scopes_from="cognito:groups")
        assert first(asked, token("cognito_access"), "users-readers") is None
        assert first(asked, token("cognito_id"), "users-readers") == Code.ID_TOKEN

    def test_keys_of_a_fake_issuer_serve_for_each(self):
        with FakeIssuer(network=False) as fake:
            for preset in PRESETS.values():
                issuer = preset(key_set=fake.key_set)
                asked = ResourceServer(issuer, API)
                claims = {"iss": issuer.url, "token_use": "access", "scope": "read", "scp": "read"}
                assert asked.authorize(f"Bearer {fake.token(**claims)}", "read").issuer == issuer.url

    def test_keys_that_say_no_cache_are_kept_all_the_same(self):
        """Okta's answers do; each request would fetch if that were taken literally."""
        with FakeIssuer(cache_control="no-cache, no-store") as fake:
            issuer = Issuer.okta("acme.okta.com", jwks_url=fake.jwks_url)
            asked = ResourceServer(issuer, "api://default", token_cache=None)
            for number in range(20):
                text = fake.token(iss=issuer.url, audience="api://default", scp=["read"], jti=str(number))
                assert asked.authorize(f"Bearer {text}", "read")
            assert fake.fetches() == 1

    def test_an_issuer_that_is_away_is_503(self):
        with FakeIssuer() as fake:
            away = fake.jwks_url
        asked = ResourceServer(Issuer.okta("acme.okta.com", jwks_url=away), "api://default")
        with pytest.raises(KeySetUnavailable):
            asked.warm_up(0.1)

    def test_several_stand_side_by_side(self):
        tenants = [TENANT, APP]
        issuers = [Issuer.entra(tenant, key_set=keys()) for tenant in tenants]
        asked = ResourceServer([*issuers, PRESETS["auth0"](key_set=keys(), audience=API)], APP, clock=FakeClock())
        assert first(asked, token("entra_v2_access"), "users.read") is None
        assert first(asked, token("auth0_machine"), "read:users") is None
        assert first(asked, token("auth0_machine", aud=APP), "read:users") == Code.WRONG_AUDIENCE
        assert first(asked, token("okta_access"), "read:users") == Code.WRONG_ISSUER


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("build", "says"),
        [
            case(
                "a URL for Auth0's domain", lambda: Issuer.auth0("https://acme.eu.auth0.com"), "without https://"
            ),
            case("a slash behind it", lambda: Issuer.auth0("acme.eu.auth0.com/"), "without https:// and slashes"),
            case("a port behind it", lambda: Issuer.auth0("acme.eu.auth0.com:443"), "is no domain"),
            case("an empty domain", lambda: Issuer.auth0(""), "is no domain"),
            case("no domain", lambda: Issuer.auth0(None), "is no domain"),
            case("a name without a dot", lambda: Issuer.auth0("acme"), "is no domain"),
            case("a line feed", lambda: Issuer.auth0("acme.eu.auth0.com\n"), "is no domain"),
            case("a user in it", lambda: Issuer.auth0("acme@evil.com"), "is no domain"),
            case("a domain beyond ASCII", lambda: Issuer.auth0("acm\u00e9.auth0.com"), "is no domain"),
            case(
                "Okta's org server", lambda: Issuer.okta("acme.okta.com", None), "authorization_server='default'"
            ),
            case("a server with a slash", lambda: Issuer.okta("acme.okta.com", "a/b"), "authorization_server"),
            case("a server that is empty", lambda: Issuer.okta("acme.okta.com", ""), "authorization_server"),
            case("Entra's common", lambda: Issuer.entra("common"), "list the tenants you trust"),
            case("organizations", lambda: Issuer.entra("organizations"), "list the tenants you trust"),
            case("the placeholder", lambda: Issuer.entra("{tenantid}"), "list the tenants you trust"),
            case("a domain for a tenant", lambda: Issuer.entra("acme.onmicrosoft.com"), "is no tenant ID"),
            case("several tenants at once", lambda: Issuer.entra([TENANT]), "is no tenant ID"),
            case("version 3", lambda: Issuer.entra(TENANT, version=3), "version 1 and 2"),
            case("a version that is a text", lambda: Issuer.entra(TENANT, version="2"), "version 1 and 2"),
            case(
                "a list of versions",
                lambda: Issuer.entra(TENANT, version=[1, 2]),
                "version 1 and 2",
            ),
            case("true for a version", lambda: Issuer.entra(TENANT, version=True), "version 1 and 2"),
            case("a region with a slash", lambda: Issuer.cognito("eu/x", POOL[1]), "region"),
            case("an empty pool", lambda: Issuer.cognito("eu-west-1", ""), "user_pool_id"),
            case(
                "a pool of another region",
                lambda: Issuer.cognito("us-east-1", "eu-west-1_Example01"),
                "begins with",
            ),
            case("a realm with a slash", lambda: Issuer.keycloak("https://sso.example.com", "a/b"), "realm"),
            case("an empty realm", lambda: Issuer.keycloak("https://sso.example.com", ""), "realm"),
            case("plain http", lambda: Issuer.keycloak("http://sso.example.com", "a"), "https"),
            case("no base URL", lambda: Issuer.keycloak(None, "a"), "https"),
            case(
                "a client with no name", lambda: Issuer.keycloak("https://a.b", "a", client=""), "names no claim"
            ),
            case(
                "a URL, which the preset knows",
                lambda: Issuer.auth0("acme.eu.auth0.com", url="https://acme.eu.auth0.com/"),
                "what the preset fills in",
            ),
            case("no audience", lambda: ResourceServer(Issuer.auth0("acme.eu.auth0.com")), "No audience"),
            case(
                "the same issuer twice",
                lambda: ResourceServer([Issuer.entra(TENANT), Issuer.entra(TENANT)], APP),
                "given twice",
            ),
            case(
                "keys in two places",
                lambda: Issuer.auth0("acme.eu.auth0.com", key_set=keys(), jwks_url="https://a.b/c"),
                "Leave one out",
            ),
        ],
    )
    def test_say_what_to_write(self, build, says):
        with pytest.raises(ConfigurationError, match=says):
            build()
