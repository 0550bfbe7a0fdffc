"""Why was I denied? One row per mistake, in the words of whoever made it: what is found, and the way out.

Each row is asked of the decision, of its explanation in every form, and of the one line in the log, which has
to be enough for somebody who has never heard of OAuth.
"""

from __future__ import annotations

import html
import json
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from jwtauthz import AccessDenied, Code, Issuer, Request, ResourceServer, all_of, any_of
from jwtauthz.testing import FakeClock, FakeIssuer
from why.vectors import FOLDER, VECTORS, api_of, keys, mint, signed, token_of

AUTH0 = "https://acme.eu.auth0.com/"
API = "https://api.example.com"
TENANT = "11111111-2222-4333-8444-555555555555"
NOW = 1_800_000_000


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


@dataclass(frozen=True)
class Sent:
    """A token that an API at Auth0 gets, unless the row says otherwise.

    `claims` go beside or instead of those of a good token; None takes one away. `{}` in `header` is the token.
    """

    claims: dict[str, Any] = field(default_factory=dict)
    jose: dict[str, Any] = field(default_factory=dict)
    header: str = "Bearer {}"
    issuer: str = AUTH0
    audience: str = API
    needs: tuple[Any, ...] = ("read:users",)
    claim: Any = None
    settings: dict[str, Any] = field(default_factory=dict)

    def ask(self) -> tuple[ResourceServer, Request]:
        issuer = Issuer(self.issuer, key_set=keys(), **self.settings)
        server = ResourceServer(issuer, self.audience, clock=FakeClock())
        return server, Request(self.header.replace("{}", self.token()))

    def token(self) -> str:
        claims = {"iss": AUTH0, "sub": "user-1", "aud": API, "iat": NOW, "exp": NOW + 600, **self.claims}
        jose = {"alg": "RS256", "typ": "JWT", "kid": "its own", **self.jose}
        return signed(_present(jose), _present(claims))


@dataclass(frozen=True)
class From:
    """The token of a vector, sent to the API that the vector is about, with what the row changes."""

    name: str
    needs: tuple[Any, ...] = ("read:users",)
    claim: Any = None
    audience: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def ask(self) -> tuple[ResourceServer, Request]:
        return api_of(self.name, audience=self.audience, **self.settings), Request(f"Bearer {self.token()}")

    def token(self) -> str:
        return token_of(self.name)


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def check(sent, code, cause, cure, caplog) -> None:
    server, request = sent.ask()
    with pytest.raises(AccessDenied) as caught, caplog.at_level(logging.INFO, "jwtauthz"):
        server.authorize(request, *sent.needs, claim=sent.claim)
    assert caught.value.finding.code is code
    assert cause in caught.value.finding.detail
    assert cure in (caught.value.finding.hint or "no hint")

    [record] = caplog.records
    assert cause in record.getMessage()
    assert cure in record.getMessage()
    assert record.finding == code

    for explained in (caught.value.explanation, server.explain(request, *sent.needs, claim=sent.claim)):
        assert (explained.status, explained.finding) == (caught.value.status, caught.value.finding)
        assert cure in explained.hints[0]
        said = [explained.to_text(), html.unescape(explained.to_html()), *_strings(explained.to_dict())]
        assert sum(cause in text for text in said) >= 3
        assert sum(cure in text for text in said) >= 3
        secret = sent.token().rpartition(".")[2]
        assert not any(secret in text for text in [*said, record.getMessage()])
    assert mint().url not in caught.value.finding.detail


def _strings(value) -> list[str]:
    if isinstance(value, dict):
        return [text for member in value.values() for text in _strings(member)]
    if isinstance(value, list):
        return [text for element in value for text in _strings(element)]
    return [value] if isinstance(value, str) else []


# ── the header ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "I sent no header at all",
            Sent(header=""),
            Code.NO_CREDENTIALS,
            "no Authorization header",
            "Send Authorization: Bearer",
        ),
        case(
            "I logged in with a user name and a password",
            Sent(header="Basic dXNlcjpzZWNyZXQ="),
            Code.NO_CREDENTIALS,
            "another scheme than Bearer",
            "Send Authorization: Bearer",
        ),
        case(
            "I wrote Token, as another framework wants it",
            Sent(header="Token {}"),
            Code.NO_CREDENTIALS,
            "another scheme",
            "Bearer <access token>",
        ),
        case(
            "I put a colon behind Bearer",
            Sent(header="Bearer: {}"),
            Code.NO_CREDENTIALS,
            "another scheme",
            "Send Authorization: Bearer",
        ),
        case(
            "I sent the token without the word Bearer",
            Sent(header="{}"),
            Code.MISSING_SCHEME,
            "without the word Bearer",
            "Send Authorization: Bearer",
        ),
        case(
            "I forgot the space after Bearer",
            Sent(header="Bearer{}"),
            Code.MISSING_SCHEME,
            "without the word Bearer and a space",
            "Send Authorization: Bearer",
        ),
        case(
            "Bearer Bearer",
            Sent(header="Bearer Bearer {}"),
            Code.MALFORMED_CREDENTIALS,
            "stands there twice",
            "write it once",
        ),
        case(
            "bearer Bearer, in other letters",
            Sent(header="bearer bearer {}"),
            Code.MALFORMED_CREDENTIALS,
            "stands there twice",
            "write it once",
        ),
        case(
            "the header says undefined",
            Sent(header="Bearer undefined"),
            Code.MALFORMED_TOKEN,
            "The word 'undefined' stands where the token should",
            "before it had a token",
        ),
        case(
            "the header says null",
            Sent(header="Bearer null"),
            Code.MALFORMED_TOKEN,
            "The word 'null'",
            "before it had a token",
        ),
        case(
            "the header says None, from Python",
            Sent(header="Bearer None"),
            Code.MALFORMED_TOKEN,
            "The word 'None'",
            "before it had a token",
        ),
        case(
            "the header says undefined in quotes",
            Sent(header='Bearer "undefined"'),
            Code.MALFORMED_TOKEN,
            "undefined",
            "before it had a token",
        ),
        case(
            "the header says [object Object]",
            Sent(header="Bearer [object Object]"),
            Code.MALFORMED_CREDENTIALS,
            "object Object",
            "token",
        ),
        case(
            "the placeholder ${token} was never filled in",
            Sent(header="Bearer ${token}"),
            Code.MALFORMED_TOKEN,
            "${token}",
            "placeholder",
        ),
        case(
            "quotes around the token",
            Sent(header='Bearer "{}"'),
            Code.MALFORMED_TOKEN,
            "not a well-formed JWT",
            "Quotes stand around the token",
        ),
        case(
            "single quotes around the token",
            Sent(header="Bearer '{}'"),
            Code.MALFORMED_TOKEN,
            "not a well-formed JWT",
            "Quotes stand around the token",
        ),
        case(
            "quotes around the whole header",
            Sent(header='"Bearer {}"'),
            Code.NO_CREDENTIALS,
            "Authorization header",
            "uotes",
        ),
        case(
            "a newline came along, as from a file",
            Sent(header="Bearer {}\n"),
            Code.MALFORMED_TOKEN,
            "not a well-formed JWT",
            "A line break came along",
        ),
        case(
            "a newline came along as an escape",
            Sent(header="Bearer {}\\n"),
            Code.MALFORMED_TOKEN,
            "not a well-formed JWT",
            "A line break came along",
        ),
        case(
            "a newline came along, percent-encoded",
            Sent(header="Bearer {}%0A"),
            Code.MALFORMED_TOKEN,
            "not a well-formed JWT",
            "A line break came along",
        ),
        case(
            "Bearer and nothing after it",
            Sent(header="Bearer "),
            Code.MALFORMED_CREDENTIALS,
            "nothing after it",
            "token",
        ),
        case(
            "a proxy and the client both add the header",
            Sent(header="Bearer {}, Bearer {}"),
            Code.REPEATED_CREDENTIALS,
            "several credentials",
            "one",
        ),
        case(
            "the token was cut while I copied it",
            Sent(header="Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEi"),
            Code.MALFORMED_TOKEN,
            "2 parts where a signed JWT has three",
            "cop",
        ),
    ],
)
def test_the_header(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


# ── not an access token ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "opaque token, because I named no audience at Auth0",
            From("auth0_opaque"),
            Code.OPAQUE_TOKEN,
            "no dots: it is opaque",
            "Send audience=<this API>",
        ),
        pytest.param(
            From("google_opaque"),
            Code.OPAQUE_TOKEN,
            "opaque",
            "Google's access tokens are opaque",
            id="opaque token of Google",
        ),
        case(
            "opaque token of somebody else",
            Sent(header="Bearer 2YotnFZFEjr1zCsicMWpAA", issuer="https://login.example.com/"),
            Code.OPAQUE_TOKEN,
            "no dots: it is opaque",
            "Send the audience (or resource) of this API",
        ),
        case(
            "a token of five parts from Auth0",
            From("auth0_encrypted"),
            Code.ENCRYPTED_TOKEN,
            "five parts: it is encrypted",
            "Send audience=<this API>",
        ),
        case(
            "a token of five parts from somebody else",
            Sent(header="Bearer e30.e30.e30.e30.e30", issuer="https://login.example.com/"),
            Code.ENCRYPTED_TOKEN,
            "five parts: it is encrypted",
            "switch token encryption off",
        ),
        case(
            "I sent the ID token of Auth0",
            From("auth0_id_token"),
            Code.ID_TOKEN,
            "it is an ID token",
            "getAccessTokenSilently",
        ),
        case(
            "I sent the ID token of Okta",
            From("okta_id_token"),
            Code.ID_TOKEN,
            "it is an ID token",
            "Send the access token (access_token",
        ),
        case(
            "I sent the ID token of Entra ID",
            From("entra_id_token"),
            Code.ID_TOKEN,
            "it is an ID token",
            "Send the access token (access_token",
        ),
        case(
            "I sent the ID token of Cognito",
            From("cognito_id"),
            Code.ID_TOKEN,
            "it is an ID token",
            "Send Cognito's access token (token_use: access)",
        ),
        case(
            "I sent the ID token of Keycloak",
            From("keycloak_id_token"),
            Code.ID_TOKEN,
            "it is an ID token",
            "Send the access token (access_token",
        ),
        case(
            "I sent the ID token of Google",
            From("google_id_token"),
            Code.ID_TOKEN,
            "it is an ID token",
            "Send the access token (access_token",
        ),
        case(
            "I sent an ID token that only token_use gives away",
            Sent({"token_use": "id"}),
            Code.ID_TOKEN,
            "token_use",
            "Send the access token",
        ),
        case(
            "I sent the refresh token of Keycloak",
            From("keycloak_refresh"),
            Code.ALGORITHM_NOT_ALLOWED,
            "HS512",
            "refresh token",
        ),
        case(
            "I sent an access token for Okta's own APIs",
            From("okta_org_server"),
            Code.WRONG_TYPE,
            "application/okta-internal-at+jwt",
            "custom authorization server",
        ),
    ],
)
def test_not_an_access_token(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


# ── the signature ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "HS256 from a dashboard",
            From("auth0_hs256"),
            Code.ALGORITHM_NOT_ALLOWED,
            "The token says alg 'HS256'; allowed for this issuer: RS256",
            "Set the signing algorithm of the API to RS256 in Auth0's dashboard",
        ),
        case(
            "HS256 from somebody else",
            Sent({"iss": "https://login.example.com/"}, {"alg": "HS256"}, issuer="https://login.example.com/"),
            Code.ALGORITHM_NOT_ALLOWED,
            "HS256",
            "Set the signing algorithm of the API to RS256 at the issuer",
        ),
        case(
            "my issuer signs with ES256 and I did not say so",
            Sent({}, {"alg": "ES256"}),
            Code.ALGORITHM_NOT_ALLOWED,
            "alg 'ES256'",
            "write Issuer(..., algorithms=('ES256',))",
        ),
        case(
            "I changed a claim of a token",
            Sent(header="Bearer " + mint().forged_token(iss=AUTH0, audience=API, scope="read:users")),
            Code.BAD_SIGNATURE,
            "does not verify",
            "The token was changed, cut, or signed by somebody else",
        ),
        case(
            "the issuer's key is not the one I know",
            Sent(header="Bearer " + mint().token(iss=AUTH0, audience=API, kid="another")),
            Code.KEY_UNKNOWN,
            "no key 'another'",
            "issuer",
        ),
    ],
)
def test_the_signature(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


def test_the_kid_belongs_to_the_other_issuer(caplog):
    staging = FakeIssuer(network=False, algorithm="ES256", clock=FakeClock())
    ours, other = "https://acme.eu.auth0.com/", "https://acme-staging.eu.auth0.com/"
    server = ResourceServer(
        [
            Issuer(ours, key_set=keys()),
            Issuer(other, key_set=staging.key_set, algorithms=("ES256", "RS256")),
        ],
        API,
        clock=FakeClock(),
    )
    token = mint().token(iss=other, audience=API, scope="read:users")
    with pytest.raises(AccessDenied) as caught, caplog.at_level(logging.WARNING, "jwtauthz"):
        server.authorize(f"Bearer {token}", "read:users")
    assert caught.value.finding.code is Code.KEY_UNKNOWN
    assert f"The key belongs to {ours!r}" in caplog.messages[0]
    assert f"the token says that it comes from {other!r}" in caplog.messages[0]
    assert f"The key belongs to {ours!r}" in caught.value.explanation.hints[0]


# ── the issuer ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "the issuer lacks its trailing slash",
            Sent(issuer="https://acme.eu.auth0.com"),
            Code.WRONG_ISSUER,
            "accepted: 'https://acme.eu.auth0.com'",
            "Write issuer='https://acme.eu.auth0.com/'",
        ),
        case(
            "the issuer has a trailing slash too many",
            Sent({"iss": "https://acme.okta.com/oauth2/default"}, issuer="https://acme.okta.com/oauth2/default/"),
            Code.WRONG_ISSUER,
            "accepted: 'https://acme.okta.com/oauth2/default/'",
            "Write issuer='https://acme.okta.com/oauth2/default'",
        ),
        case(
            "the token says http where I say https",
            Sent({"iss": "http://sso.example.com/realms/acme"}, issuer="https://sso.example.com/realms/acme"),
            Code.WRONG_ISSUER,
            "'http://sso.example.com/realms/acme'",
            "They differ by http and https",
        ),
        case(
            "the issuer differs in case",
            Sent({"iss": "https://sso.example.com/realms/Acme"}, issuer="https://sso.example.com/realms/acme"),
            Code.WRONG_ISSUER,
            "realms/Acme",
            "Write issuer='https://sso.example.com/realms/Acme'",
        ),
        case(
            "the token comes by the custom domain, I wrote the tenant's",
            Sent({"iss": "https://login.example.com/"}),
            Code.WRONG_ISSUER,
            "'https://login.example.com/'",
            "custom domain",
        ),
        case(
            "the token comes by the tenant's domain, I wrote the custom one",
            Sent(issuer="https://login.example.com/"),
            Code.WRONG_ISSUER,
            "accepted: 'https://login.example.com/'",
            "custom domain",
        ),
        case(
            "the token comes from our staging tenant",
            Sent({"iss": "https://acme-staging.eu.auth0.com/"}),
            Code.WRONG_ISSUER,
            "acme-staging",
            "not the same tenant",
        ),
        case(
            "Entra v1 token at an API set up for v2",
            Sent(
                {"iss": f"https://sts.windows.net/{TENANT}/"},
                issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0",
            ),
            Code.WRONG_ISSUER,
            "sts.windows.net",
            "Set requestedAccessTokenVersion to 2",
        ),
        case(
            "Entra v2 token at an API set up for v1",
            Sent(
                {"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"},
                issuer=f"https://sts.windows.net/{TENANT}/",
            ),
            Code.WRONG_ISSUER,
            "v2.0",
            "write the issuer as the token does",
        ),
        case(
            "Entra token of another tenant",
            Sent(
                {"iss": "https://login.microsoftonline.com/99999999-2222-4333-8444-555555555555/v2.0"},
                issuer=f"https://login.microsoftonline.com/{TENANT}/v2.0",
            ),
            Code.WRONG_ISSUER,
            "99999999",
            "not the same tenant",
        ),
        case(
            "the token was asked for inside the Docker network",
            Sent({"iss": "http://keycloak:8080/realms/acme"}, issuer="https://sso.example.com/realms/acme"),
            Code.WRONG_ISSUER,
            "keycloak:8080",
            "host",
        ),
        case(
            "the token has no issuer",
            Sent({"iss": None}),
            Code.MISSING_CLAIM,
            "no issuer (iss)",
            "issuer",
        ),
    ],
)
def test_the_issuer(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


# ── the audience ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "audience is the client ID",
            Sent({"aud": "client-1", "azp": "client-1"}),
            Code.WRONG_AUDIENCE,
            "meant for 'client-1'; this API is 'https://api.example.com'",
            "The audience is the client itself",
        ),
        case(
            "audience is the client ID, as client_id",
            Sent({"aud": ["client-1"], "client_id": "client-1"}),
            Code.WRONG_AUDIENCE,
            "client-1",
            "The audience is the client itself",
        ),
        case(
            "token for the Management API",
            From("auth0_management_api"),
            Code.WRONG_AUDIENCE,
            "https://acme.eu.auth0.com/api/v2/",
            "This is a token for Auth0's Management API",
        ),
        case(
            "token for /userinfo",
            Sent({"aud": f"{AUTH0}userinfo"}),
            Code.WRONG_AUDIENCE,
            "/userinfo",
            "no API was asked for",
        ),
        case(
            "token for Microsoft Graph",
            Sent({"aud": "00000003-0000-0000-c000-000000000000"}),
            Code.WRONG_AUDIENCE,
            "00000003-0000-0000-c000-000000000000",
            "This is a token for Microsoft Graph",
        ),
        case(
            "token for Microsoft Graph, of version 1, at an API set up for v2",
            From("entra_graph"),
            Code.WRONG_ISSUER,
            "sts.windows.net",
            "Microsoft Graph",
        ),
        case(
            "audience is account, at Keycloak",
            From("keycloak_access"),
            Code.WRONG_AUDIENCE,
            "meant for 'account'",
            "add a mapper of type Audience",
        ),
        case(
            "Cognito's access tokens have no audience",
            From("cognito_access"),
            Code.MISSING_CLAIM,
            "no audience (aud)",
            "Cognito",
        ),
        case(
            "the audience lacks its last slash",
            Sent({"aud": "https://api.example.com/"}),
            Code.WRONG_AUDIENCE,
            "'https://api.example.com/'",
            "Write audience='https://api.example.com/'",
        ),
        case(
            "the audience differs in case",
            Sent({"aud": "https://API.example.com"}),
            Code.WRONG_AUDIENCE,
            "https://API.example.com",
            "Write audience='https://API.example.com'",
        ),
        case(
            "the audience is api://<ID> where I wrote the ID",
            Sent({"aud": f"api://{TENANT}"}, audience=TENANT),
            Code.WRONG_AUDIENCE,
            f"api://{TENANT}",
            f"audience='api://{TENANT}'",
        ),
        case(
            "the token is for our other API",
            Sent({"aud": "https://other.example.com"}),
            Code.WRONG_AUDIENCE,
            "'https://other.example.com'; this API is 'https://api.example.com'",
            "Ask the issuer for a token for this API",
        ),
        case(
            "the token names no audience",
            Sent({"aud": None}),
            Code.MISSING_CLAIM,
            "no audience (aud)",
            "Ask the issuer for a token for this API: audience (or resource) 'https://api.example.com'",
        ),
    ],
)
def test_the_audience(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


# ── times and other claims ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "the issuer's clock runs ahead",
            Sent({"iat": NOW + 100}),
            Code.NOT_YET_VALID,
            "issued 100 s in the future",
            "Compare the clocks",
        ),
        case(
            "the token is bound to a key (DPoP)",
            Sent({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
            Code.SENDER_CONSTRAINED,
            "bound to a key (cnf)",
            "Switch sender-constrained tokens",
        ),
        case("the token has expired", Sent({"exp": NOW - 60}), Code.EXPIRED, "expired 60 s ago", "new token"),
        case("the token never expires", Sent({"exp": None}), Code.MISSING_CLAIM, "no expiry (exp)", "exp"),
        case(
            "the times are milliseconds",
            Sent({"iat": NOW * 1000, "exp": (NOW + 600) * 1000}),
            Code.NOT_YET_VALID,
            "in the future",
            "millisecond",
        ),
        case("exp is a string", Sent({"exp": str(NOW + 600)}), Code.BAD_CLAIM, "'exp'", "number"),
        case("sub is a number", Sent({"sub": 17}), Code.BAD_CLAIM, "'sub' is 17", "string"),
        case(
            "it is a logout token",
            Sent({}, {"typ": "logout+jwt"}),
            Code.WRONG_TYPE,
            "typ 'logout+jwt'",
            "access token",
        ),
    ],
)
def test_times_and_other_claims(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


def test_many_tokens_fail_alike_because_my_clock_is_wrong(caplog):
    clock = FakeClock(NOW + 640)  # forty seconds after they expired, says this machine
    server = ResourceServer(Issuer(AUTH0, key_set=keys()), API, clock=clock)
    with caplog.at_level(logging.WARNING, "jwtauthz"):
        for number in range(6):
            with pytest.raises(AccessDenied):
                server.authorize(f"Bearer {Sent({'sub': f'user-{number}'}).token()}", "read:users")
    assert [record.finding for record in caplog.records] == [Code.EXPIRED] * 6
    assert not any("clock" in message for message in caplog.messages[:4])
    assert "compare the clock of this machine" in caplog.messages[5]


def test_many_tokens_of_last_week_are_no_reason_to_look_at_the_clock(caplog):
    server = ResourceServer(Issuer(AUTH0, key_set=keys()), API, clock=FakeClock(NOW + 7 * 86400))
    with caplog.at_level(logging.WARNING, "jwtauthz"):
        for number in range(8):
            with pytest.raises(AccessDenied):
                server.authorize(f"Bearer {Sent({'sub': f'user-{number}'}).token()}", "read:users")
    assert not any("clock" in message for message in caplog.messages)


def test_some_expired_tokens_among_many_good_ones_are_no_reason_to_look_at_the_clock(caplog):
    server = ResourceServer(Issuer(AUTH0, key_set=keys()), API, clock=FakeClock(NOW))
    good = f"Bearer {Sent({'scope': 'read:users'}).token()}"
    with caplog.at_level(logging.WARNING, "jwtauthz"):
        for number in range(8):
            server.authorize(good, "read:users")
            with pytest.raises(AccessDenied):
                server.authorize(
                    f"Bearer {Sent({'sub': f'user-{number}', 'exp': NOW - 60}).token()}", "read:users"
                )
    assert not any("clock" in message for message in caplog.messages)


def test_one_client_that_does_not_give_up_is_no_reason_to_look_at_the_clock(caplog):
    server = ResourceServer(Issuer(AUTH0, key_set=keys()), API, clock=FakeClock(NOW))
    late = f"Bearer {Sent({'exp': NOW - 60}).token()}"
    with caplog.at_level(logging.WARNING, "jwtauthz"):
        for _ in range(8):
            with pytest.raises(AccessDenied):
                server.authorize(late, "read:users")
    assert not any("clock" in message for message in caplog.messages)


def test_tokens_that_are_long_expired_are_not_all_remembered():
    """What is kept to suspect the clock stays small, however many of them come."""
    server = ResourceServer(Issuer(AUTH0, key_set=keys()), API, clock=FakeClock(NOW))
    for number in range(200):
        with pytest.raises(AccessDenied):
            server.authorize(f"Bearer {Sent({'sub': f'user-{number}', 'exp': NOW - 9999}).token()}", "read:users")
    assert len(server.verifier._untimely) <= 64


# ── the scope ──


@pytest.mark.parametrize(
    ("sent", "code", "cause", "cure"),
    [
        case(
            "my token contains the permission but in permissions",
            From("auth0_rbac"),
            Code.SCOPE_IN_OTHER_CLAIM,
            "`read:users` stands in `permissions`; this route reads `scope`",
            'claim="permissions"',
        ),
        case(
            "my token contains the scope but in scp",
            From("okta_access"),
            Code.SCOPE_IN_OTHER_CLAIM,
            "stands in `scp`; this route reads `scope`",
            'claim="scp"',
        ),
        case(
            "my token contains the role but in roles",
            From("entra_v2_roles", needs=("Users.Read.All",), settings={"scopes_from": "scp"}),
            Code.SCOPE_IN_OTHER_CLAIM,
            "stands in `roles`; this route reads `scp`",
            'claim="roles"',
        ),
        case(
            "my token contains the group but in cognito:groups",
            From("cognito_id", needs=("users-readers",)),
            Code.ID_TOKEN,
            "it is an ID token",
            "Send Cognito's access token",
        ),
        case(
            "namespaced key",
            From("auth0_custom_claim"),
            Code.SCOPE_IN_OTHER_CLAIM,
            "stands in `https://example.com/roles`",
            'claim="https://example.com/roles"',
        ),
        case(
            "nested path, at Keycloak",
            From("keycloak_audience"),
            Code.SCOPE_IN_OTHER_CLAIM,
            "resource_access → users-api → roles",
            "claim=('resource_access', 'users-api', 'roles')",
        ),
        case(
            "nested path, for a role of the realm",
            From("keycloak_audience", needs=("users-admin",)),
            Code.SCOPE_IN_OTHER_CLAIM,
            "realm_access → roles",
            "claim=('realm_access', 'roles')",
        ),
        case(
            "I wrote a path with dots",
            From("keycloak_audience", needs=("users-admin",), claim="realm_access.roles"),
            Code.SCOPE_IN_OTHER_CLAIM,
            "this route reads `realm_access.roles`",
            "claim=('realm_access', 'roles')",
        ),
        case(
            "I read permissions and RBAC is off",
            Sent({"scope": "openid read:users"}, claim="permissions"),
            Code.SCOPE_IN_OTHER_CLAIM,
            "stands in `scope`; this route reads `permissions`",
            'claim="scope"',
        ),
        case(
            "differs in case",
            Sent({"scope": "Read:Users"}),
            Code.SCOPE_DIFFERS_IN_CASE,
            "`scope` holds `Read:Users`",
            'write requires("Read:Users")',
        ),
        case(
            "prefix only",
            Sent({"scope": "read"}),
            Code.SCOPE_DIFFERS_IN_PREFIX,
            "`scope` holds `read`, which is another scope",
            'write requires("read") if that is what you mean',
        ),
        case(
            "the token has the full name with the API before it",
            Sent({"scope": "https://api.example.com/read:users"}),
            Code.SCOPE_DIFFERS_IN_PREFIX,
            "holds `https://api.example.com/read:users`",
            'write requires("https://api.example.com/read:users")',
        ),
        case(
            "I ask for the full name, the token has the short one",
            Sent({"scope": "read:users"}, needs=("api://acme/read:users",)),
            Code.SCOPE_DIFFERS_IN_PREFIX,
            "holds `read:users`",
            'write requires("read:users")',
        ),
        case(
            "I ask for a wildcard",
            Sent({"scope": "read:users"}, needs=("read:*",)),
            Code.SCOPE_DIFFERS_IN_PREFIX,
            "there is no wildcard",
            'write requires("read:users")',
        ),
        case(
            "the token holds a wildcard",
            Sent({"scope": "read:*"}),
            Code.SCOPE_DIFFERS_IN_PREFIX,
            "there is no wildcard",
            "read:users",
        ),
        case(
            "comma joined",
            Sent({"scope": "read:users,write:users"}),
            Code.SCOPE_COMMA_JOINED,
            "is joined to others in `scope`: `read:users,write:users`",
            "a space between scopes",
        ),
        case(
            "comma and space joined",
            Sent({"scope": "write:users, read:users, x"}),
            Code.SCOPE_COMMA_JOINED,
            "is joined to others",
            "a space between scopes",
        ),
        case(
            "comma joined inside a list",
            Sent({"perms": ["read:users,write:users"]}, claim="perms"),
            Code.SCOPE_COMMA_JOINED,
            "in `perms`",
            "let the issuer write a list",
        ),
        case(
            "comma joined in another claim",
            Sent({"perms": "read:users,write:users"}),
            Code.SCOPE_COMMA_JOINED,
            "`perms`",
            "a space between scopes",
        ),
        case(
            "differs in case in another claim",
            Sent({"permissions": ["Read:Users"]}),
            Code.SCOPE_DIFFERS_IN_CASE,
            "`permissions`",
            "Read:Users",
        ),
        case(
            "separated by semicolons",
            Sent({"scope": "read:users;write:users"}),
            Code.SCOPE_OTHER_SEPARATOR,
            "another separator than a space",
            "a space between scopes",
        ),
        case(
            "separated by plus signs, as in a URL",
            Sent({"scope": "openid+read:users"}),
            Code.SCOPE_OTHER_SEPARATOR,
            "another separator than a space: `openid+read:users`",
            "a space between scopes",
        ),
        case(
            "separated by a tab",
            Sent({"scope": "openid\tread:users"}),
            Code.SCOPE_OTHER_SEPARATOR,
            r"`openid\tread:users`",
            "a space between scopes",
        ),
        case(
            "a list that was turned into a string",
            Sent({"perms": '["read:users", "write:users"]'}, claim="perms"),
            Code.SCOPE_OTHER_SEPARATOR,
            "perms",
            "list",
        ),
        case(
            "the claim is an object of true and false",
            Sent({"perms": {"read:users": True}}, claim="perms"),
            Code.SCOPE_CLAIM_UNREADABLE,
            "`perms` is an object, which grants nothing",
            "a string of scopes or a list of strings",
        ),
        case(
            "the claim is a list of objects",
            Sent({"perms": [{"name": "read:users"}]}, claim="perms"),
            Code.SCOPE_CLAIM_UNREADABLE,
            "holds elements that are no strings",
            "a string of scopes or a list of strings",
        ),
        case(
            "only openid profile email at Auth0",
            From("auth0_only_oidc"),
            Code.ONLY_OIDC_SCOPES,
            "holds only scopes of OpenID Connect: email openid profile",
            "send audience=<this API>",
        ),
        case(
            "only openid profile email at Auth0: the two switches",
            From("auth0_only_oidc"),
            Code.ONLY_OIDC_SCOPES,
            "holds only scopes of OpenID Connect",
            "“Enable RBAC” and “Add Permissions in the Access Token”",
        ),
        case(
            "only openid profile email at Okta",
            From("okta_only_oidc", settings={"scopes_from": "scp"}),
            Code.ONLY_OIDC_SCOPES,
            "`scp` holds only scopes of OpenID Connect",
            "add the scope to a custom authorization server",
        ),
        case(
            "only openid profile email at Entra ID",
            From("entra_v2_only_oidc", settings={"scopes_from": ("scp", "roles")}),
            Code.ONLY_OIDC_SCOPES,
            "holds only scopes of OpenID Connect",
            "Expose an API",
        ),
        case(
            "only openid profile email at Keycloak",
            From("keycloak_audience", needs=("write:users",)),
            Code.ONLY_OIDC_SCOPES,
            "holds only scopes of OpenID Connect",
            "add a client scope of that name",
        ),
        case(
            "only openid profile email at somebody else's",
            Sent(
                {"scope": "openid profile email", "iss": "https://login.example.com/"},
                issuer="https://login.example.com/",
            ),
            Code.ONLY_OIDC_SCOPES,
            "holds only scopes of OpenID Connect",
            "These scopes are about the login, not about this API",
        ),
        case(
            "the scope of another route",
            Sent(
                {"scope": "write:users", "iss": "https://login.example.com/"}, issuer="https://login.example.com/"
            ),
            Code.SCOPE_MISSING,
            "`read:users` is needed; `scope` holds write:users",
            "Ask for the scope in the authorization request",
        ),
        case(
            "no scope at all, at Entra ID",
            From("entra_v2_access"),
            Code.SCOPE_MISSING,
            "the token has no `scope`",
            "scopes_from=('scp', 'roles')",
        ),
        case(
            "an empty scope",
            Sent({"scope": ""}),
            Code.SCOPE_MISSING,
            "`scope` is empty",
            "Add Permissions in the Access Token",
        ),
        case(
            "my own function said no",
            Sent({"scope": "read:users"}, needs=(lambda token, request: False,)),
            Code.REFUSED_BY_CHECK,
            "said no",
            "check",
        ),
    ],
)
def test_the_scope(sent, code, cause, cure, caplog):
    check(sent, code, cause, cure, caplog)


class TestScopesOfCognito:
    """Its access tokens have no audience, so one that a Lambda has added stands in here."""

    @pytest.mark.parametrize(
        ("scope", "needs", "code", "cause", "cure"),
        [
            case(
                "only openid profile email",
                "openid profile email",
                "read:users",
                Code.ONLY_OIDC_SCOPES,
                "only scopes of OpenID Connect",
                "define a resource server with the scope",
            ),
            case(
                "a token of InitiateAuth",
                "aws.cognito.signin.user.admin",
                "read:users",
                Code.SCOPE_MISSING,
                "holds aws.cognito.signin.user.admin",
                "tokens of InitiateAuth never carry it",
            ),
            case(
                "the short name of a scope",
                "openid https://api.example.com/users.read",
                "users.read",
                Code.SCOPE_DIFFERS_IN_PREFIX,
                "holds `https://api.example.com/users.read`",
                'write requires("https://api.example.com/users.read")',
            ),
        ],
    )
    def test_of(self, scope, needs, code, cause, cure):
        token = token_of("cognito_access", aud=API, scope=scope)
        explained = api_of("cognito_access").explain(f"Bearer {token}", needs)
        assert explained.finding.code is code
        assert cause in explained.finding.detail
        assert cure in explained.hints[0]


# ── several needs at once ──


def test_each_branch_of_an_alternative_says_why_it_does_not_hold():
    needs = all_of("write:users", any_of("read:users", "admin", claim="permissions"))
    explained = api_of("auth0_rbac").explain(f"Bearer {token_of('auth0_rbac', permissions=['x'])}", needs)
    assert [finding.code for finding in explained.findings] == [
        Code.ONLY_OIDC_SCOPES,
        Code.SCOPE_MISSING,
        Code.SCOPE_MISSING,
    ]
    assert explained.missing == ("write:users", "read:users", "admin")
    assert explained.reads == ("scope", "permissions")
    assert explained.to_dict()["required"] == ["write:users", {"any_of": ["read:users", "admin"]}]


def test_everything_that_is_wrong_is_said_at_once():
    """Nobody should have to mend three things in three tries."""
    sent = Sent({"aud": "client-1", "azp": "client-1", "exp": NOW - 60, "scope": "openid"})
    server, request = sent.ask()
    explained = server.explain(request, "read:users")
    assert [finding.code for finding in explained.findings] == [
        Code.WRONG_AUDIENCE,
        Code.EXPIRED,
        Code.ONLY_OIDC_SCOPES,
    ]


def test_values_that_nobody_has_signed_are_marked():
    server, _ = Sent().ask()
    forged = server.explain(
        "Bearer " + mint().forged_token(iss=AUTH0, audience=API, scope="read:users"), "read:users"
    )
    assert not any(step.verified for step in forged.steps)
    assert "(unverified)" in forged.to_text()
    assert "unverified: anybody could have written them" in forged.to_html()
    assert forged.to_dict()["claims_verified"] is False
    good = server.explain("Bearer " + Sent({"scope": "read:users"}).token(), "read:users")
    assert good.allowed
    assert "unverified" not in good.to_text() + good.to_html()


# ── the threads that this library was written for ──


class TestThreadsFromForums:
    """Questions that people really asked, with the tokens they showed."""

    @pytest.mark.parametrize(
        ("scope", "cause"),
        [
            case("the rule wrote an empty list", [], "`scope` is empty"),
            case("the rule left no scope at all", None, "the token has no `scope`"),
        ],
    )
    def test_a_rule_forgot_the_scopes(self, scope, cause, caplog):
        """ "Insufficient scope" for everybody, since a rule at the issuer replaces the scopes."""
        check(Sent({"scope": scope}), Code.SCOPE_MISSING, cause, "give it to the user or the role", caplog)

    def test_permissions_are_there_and_scope_is_read(self):
        """ "I can see read:users in my token!" It stands in `permissions`; the route reads `scope`."""
        server, header = api_of("auth0_rbac"), f"Bearer {token_of('auth0_rbac')}"
        explained = server.explain(header, "read:users")
        assert explained.finding.code is Code.SCOPE_IN_OTHER_CLAIM
        assert explained.hints == ('write claim="permissions".',)
        assert (explained.reads, explained.granted) == (("scope",), ("email", "openid", "profile"))
        # The cure, taken literally, works.
        assert server.explain(header, "read:users", claim="permissions").allowed
        assert server.authorize(header, "read:users", claim="permissions").subject

    def test_a_passwordless_login_has_only_the_scopes_of_a_login(self, caplog):
        check(
            From("auth0_passwordless"),
            Code.ONLY_OIDC_SCOPES,
            "holds only scopes of OpenID Connect",
            "send audience=<this API>",
            caplog,
        )

    def test_an_application_that_is_not_oidc_conformant(self):
        """It gets an opaque access token, tries the ID token instead, and that is refused as well."""
        opaque = api_of("auth0_opaque").explain(f"Bearer {token_of('auth0_opaque')}", "read:users")
        assert (opaque.status, opaque.finding.code) == (401, Code.OPAQUE_TOKEN)
        assert "Send audience=<this API>" in opaque.hints[0]
        name = "auth0_id_token_non_oidc"
        tried = api_of(name).explain(f"Bearer {token_of(name)}", "read:users")
        assert (tried.status, tried.finding.code) == (401, Code.WRONG_AUDIENCE)
        assert VECTORS[name].claims["aud"] in tried.finding.detail
        assert "Ask the issuer for a token for this API" in tried.hints[0]

    @pytest.fixture
    def asked(self):
        """A server, and a request whose token has a map of scopes for each organization."""
        return Sent({"https://example.com/scopes": {"org_1": ["read:users"], "org_2": ["write:users"]}}).ask()

    def of_the_organization(self, token, request):
        scopes = token.claims["https://example.com/scopes"]
        return "read:users" in scopes.get(request.path_params["org_id"], ())

    def test_scopes_per_organization_by_a_path(self, asked):
        server, request = asked
        ours, theirs = (("https://example.com/scopes", org) for org in ("org_1", "org_2"))
        assert server.explain(request, "read:users", claim=ours).allowed
        other = server.explain(request, "read:users", claim=theirs)
        assert (other.status, other.finding.code) == (403, Code.SCOPE_IN_OTHER_CLAIM)
        assert "stands in `https://example.com/scopes → org_1`" in other.finding.detail
        assert other.reads == ("https://example.com/scopes → org_2",)

    def test_no_cure_reads_the_scopes_of_another_organization(self, asked):
        server, request = asked
        other = server.explain(request, "read:users", claim=("https://example.com/scopes", "org_2"))
        assert not any("org_1')" in hint for hint in other.hints)

    def test_scopes_per_organization_by_a_function(self, asked):
        server, request = asked
        for org_id, status in (("org_1", 200), ("org_2", 403), ("org_3", 403)):
            path = Request(request.authorization, path_params={"org_id": org_id})
            explained = server.explain(path, self.of_the_organization)
            assert explained.status == status
            assert explained.steps[-1].verdict == ("passed" if status == 200 else "failed")


# ── the forms of an explanation ──


class TestForms:
    @pytest.fixture
    def explained(self):
        return api_of("auth0_rbac").explain(f"Bearer {token_of('auth0_rbac')}", "read:users")

    def test_text(self, explained):
        lines = explained.to_text().splitlines()
        assert lines[0] == "DENIED 403 scope_in_other_claim"
        assert lines[1].startswith("  why   `read:users` stands in `permissions`")
        assert lines[2] == '  cure  write claim="permissions".'
        assert "  ✗ what the operation needs" in lines
        assert lines[-3:] == ["  reads    scope", "  granted  email openid profile", "  missing  read:users"]
        assert str(explained) == explained.to_text()

    def test_json(self, explained):
        document = json.loads(explained.to_json())
        assert document == explained.to_dict()
        assert (document["allowed"], document["status"]) == (False, 403)
        assert (document["finding"], document["missing"]) == ("scope_in_other_claim", ["read:users"])
        assert document["checks"][-1]["check"] == "policy"
        assert {step["verdict"] for step in document["checks"]} == {"passed", "failed"}

    def test_long_values_are_cut(self):
        server, request = Sent({"note": "x" * 5000, "sub": "y" * 5000}).ask()
        explained = server.explain(request, "read:users")
        for form in (explained.to_text(), explained.to_json(), explained.to_html()):
            assert "x" * 400 not in form
            assert "y" * 400 not in form

    def test_long_lists_of_scopes_are_cut(self):
        server, request = Sent({"scope": " ".join(f"scope:{number}" for number in range(900))}).ask()
        explained = server.explain(request, "read:users")
        assert len(explained.to_text()) < 3000

    def test_a_scope_cannot_write_to_the_terminal(self):
        server, request = Sent({"perms": ["\x1b[2J\nALLOWED"], "scope": "a\x1b[31m"}).ask()
        for claim in ("perms", "scope"):
            text = server.explain(request, "read:users", claim=claim).to_text()
            assert all(line.isprintable() for line in text.split("\n"))
            assert "\nALLOWED" not in text

    def test_many_claims_are_counted(self):
        server, request = Sent({f"claim-{number}": number for number in range(100)}).ask()
        explained = server.explain(request, "read:users")
        assert len(explained.claims) < 70
        assert "more" in explained.claims["…"]

    def test_markup_in_a_token_is_text_on_the_page(self):
        script = "<script>alert(1)</script>"
        server, request = Sent({script: script, "scope": script, "iss": AUTH0}, {"x": script}).ask()
        page = server.explain(request, "read:users").to_html()
        assert "<script" not in page.lower()
        assert "&lt;script&gt;" in page

    def test_the_page_marks_the_claims_that_matter(self, explained):
        page = explained.to_html()
        rows = page.split("<tr")
        marked = [row for row in rows if row.startswith((" class=marked", ' class="marked"'))]
        assert {name for name in VECTORS["auth0_rbac"].claims if any(f">{name}<" in row for row in marked)} == {
            "scope",
            "permissions",
        }


def test_the_first_cure_is_for_what_decided():
    server, request = Sent({}, {"alg": "none"}).ask()
    explained = server.explain(request, "read:users")
    assert explained.finding.code is Code.ALGORITHM_NOT_ALLOWED
    assert not any("RBAC" in hint for hint in explained.hints[:1])


def test_a_cure_is_python_whatever_the_claim_is_called():
    server, request = Sent({'say "hi"': ["read:users"]}).ask()
    [hint] = server.explain(request, "read:users").hints
    compile(hint.removeprefix("write ").removesuffix("."), "hint", "exec")


# ── nothing is left without a cure ──


def test_every_vector_is_a_row_of_its_readme():
    readme = (FOLDER / "README.md").read_text()
    for name, vector in VECTORS.items():
        assert f"| `{name}` | {vector.kind}. {vector.what} |" in readme
    assert readme.partition("| file |")[2].count("\n| `") == len(VECTORS)
