"""RFC 9068: JWT access tokens, by the profile `rfc9068` and, where a row says so, by the default one."""

from __future__ import annotations

import pytest

from jwtauthz import ConfigurationError, Issuer, ResourceServer, any_of
from jwtauthz.checks import ALGORITHMS
from jwtauthz.testing import FakeIssuer
from jwtauthz.testing._signing import SigningKey, compact

from .tools import (
    AUDIENCE,
    ELSEWHERE,
    NOW,
    b64url,
    good_claims,
    good_header,
    judge,
    line,
    parse_challenge,
    plain_token,
    row,
    server_for,
    strict_token,
)


def refused(verdict) -> bool:
    return (verdict.status, verdict.error) == (401, "invalid_token")


class TestTheType:
    @pytest.mark.parametrize(
        ("typ", "let_in"),
        [
            row("R9068-01", "at+jwt is an access token", "at+jwt", True),
            row("R9068-01", "application/at+jwt is one too", "application/at+jwt", True),
            row("R9068-01", "JWT is none in the strict profile", "JWT", False),
            row("R9068-01", "a token without a type is none", ..., False),
            row("R9068-01", "a token with a null type is none", None, False),
            row("R9068-01", "a type with a parameter is none", "at+jwt; charset=utf-8", False),
            row("R9068-01", "a type in a list is none", ["at+jwt"], False),
            row("R9068-01", "a type of another tree is none", "x/at+jwt", False),
            row("R9068-02", "the type is compared in any case", "AT+JWT", True),
            row("R9068-02", "so is the one that people mix", "at+JWT", True),
            row("R9068-02", "so is the long one", "Application/AT+jwt", True),
        ],
    )
    def test_of_the_strict_profile(self, strict, mint, typ, let_in):
        verdict = judge(strict, strict_token(mint, typ=typ))
        assert bool(verdict) is let_in
        assert let_in or refused(verdict)


class TestTheIssuer:
    @pytest.mark.parametrize(
        ("ours", "theirs", "let_in"),
        [
            row(
                "R9068-04", "the same issuer is the issuer", "https://issuer.test/a", "https://issuer.test/a", True
            ),
            row(
                "R9068-04",
                "a slash more is another issuer",
                "https://issuer.test/a",
                "https://issuer.test/a/",
                False,
            ),
            row(
                "R9068-04",
                "a slash less is another issuer",
                "https://issuer.test/a/",
                "https://issuer.test/a",
                False,
            ),
            row(
                "R9068-04",
                "an upper-case host is another issuer",
                "https://issuer.test/",
                "https://ISSUER.test/",
                False,
            ),
            row("R9068-04", "http is another issuer", "https://issuer.test/", "http://issuer.test/", False),
            row(
                "R9068-04",
                "a default port is another issuer",
                "https://issuer.test/",
                "https://issuer.test:443/",
                False,
            ),
            row(
                "R9068-04",
                "a percent-encoded letter is another issuer",
                "https://issuer.test/a",
                "https://issuer.test/%61",
                False,
            ),
            row(
                "R9068-04",
                "a letter of full width is another issuer",
                "https://issuer.test/a",
                "https://issuer.test/\uff41",
                False,
            ),
            row(
                "R9068-04",
                "space around it is another issuer",
                "https://issuer.test/",
                " https://issuer.test/ ",
                False,
            ),
        ],
    )
    def test_is_compared_letter_by_letter(self, mint, clock, ours, theirs, let_in):
        server = ResourceServer(Issuer(ours, key_set=mint.key_set, profile="rfc9068"), AUDIENCE, clock=clock)
        verdict = judge(server, strict_token(mint, iss=theirs))
        assert bool(verdict) is let_in
        assert let_in or refused(verdict)


class TestTheAudience:
    @pytest.mark.parametrize(
        ("aud", "let_in"),
        [
            row("R9068-05", "this API alone", AUDIENCE, True),
            row("R9068-05", "this API among others", [ELSEWHERE, AUDIENCE], True),
            row("R9068-05", "another API", ELSEWHERE, False),
            row("R9068-05", "others alone", [ELSEWHERE, "x"], False),
            row("R9068-05", "no audience at all", ..., False),
            row("R9068-05", "an empty list", [], False),
            row("R9068-05", "an empty string", "", False),
            row("R9068-05", "null", None, False),
            row("R9068-05", "an object with our name", {AUDIENCE: True}, False),
            row("R9068-05", "a list within a list", [[AUDIENCE]], False),
            row("R9068-05", "the beginning of our name", AUDIENCE[:-1], False),
            row("R9068-05", "our name and a slash", AUDIENCE + "/", False),
        ],
    )
    def test_names_this_api(self, strict, server, mint, aud, let_in):
        for resource_server in (strict, server):
            verdict = judge(resource_server, strict_token(mint, aud=aud))
            assert bool(verdict) is let_in
            assert let_in or refused(verdict)


class TestTheSignature:
    @pytest.mark.parametrize(
        "algorithm", [row("R9068-06", f"{name} is verified as it is named", name) for name in sorted(ALGORITHMS)]
    )
    def test_of_every_algorithm(self, clock, algorithm):
        issuer = FakeIssuer(network=False, algorithm=algorithm, clock=clock)
        server = server_for(issuer, clock=clock, profile="rfc9068")
        good = strict_token(issuer)
        assert judge(server, good)
        header, payload, signature = good.split(".")
        claims = b64url(b'{"iss":"https://issuer.test/","aud":"https://api.example.com","exp":1800000600}')
        for bad in (
            f"{header}.{claims}.{signature}",
            f"{header}.{payload}.{signature[:-8]}{signature[-8:][::-1]}",
        ):
            assert judge(server, bad).status == 401

    @pytest.mark.parametrize(
        "alg",
        [row("R9068-07", f"{name} is refused", name) for name in ("none", "None", "NONE", "nOnE", "NoNe")],
    )
    def test_none(self, strict, mint, alg):
        for signature in ("", b64url(b"signed")):
            token = mint.unsigned_token(headers={"typ": "at+jwt"}, client_id="c", jti="j")
            header = b64url(f'{{"alg":"{alg}","typ":"at+jwt","kid":"{mint.kid}"}}'.encode())
            verdict = judge(strict, f"{header}.{token.split('.')[1]}.{signature}")
            assert (verdict.status, verdict.code) == (401, "algorithm_not_allowed")

    @line("R9068-15", "an unsigned token is refused, and so is a signature that is empty")
    def test_unsigned(self, strict, server, mint):
        for resource_server in (strict, server):
            assert refused(judge(resource_server, mint.unsigned_token()))
            assert refused(judge(resource_server, strict_token(mint).rpartition(".")[0] + "."))

    @pytest.mark.parametrize("kid", ["theirs", "ours", "none"])
    @pytest.mark.parametrize(
        "member",
        [
            row("R9068-08", "a jwk in the token is no key of the issuer", "jwk"),
            row("R9068-08", "nor is what a jku points to", "jku"),
            row("R9068-08", "nor what an x5u points to", "x5u"),
            row("R9068-08", "nor an x5c", "x5c"),
        ],
    )
    def test_keys_of_the_token(self, strict, mint, member, kid):
        attacker = SigningKey("RS256", name="attacker")
        value = {"jwk": attacker.jwk, "x5c": [attacker.jwk["n"]]}.get(member, "https://attacker.test/keys")
        header = good_header(mint, typ="at+jwt", **{member: value})
        header |= {"theirs": {"kid": attacker.kid}, "ours": {"kid": mint.kid}, "none": {}}[kid]
        assert refused(judge(strict, compact(header, good_claims(mint), attacker)))

    @line("R9068-14", "RS256 is accepted by a server that was told of no algorithm")
    def test_default_algorithm(self, mint, clock):
        server = ResourceServer(Issuer(mint.url, key_set=mint.key_set, profile="rfc9068"), AUDIENCE, clock=clock)
        assert judge(server, strict_token(mint))

    @line("R9068-22", "every key that the issuer publishes may sign an access token")
    def test_every_published_key(self, clock):
        issuer = FakeIssuer(network=False, algorithm="ES256", clock=clock)
        kids = [issuer.kid, issuer.rotate(), issuer.rotate()]
        server = server_for(issuer, clock=clock)
        for kid in kids:
            token = judge(server, issuer.token(kid=kid)).token
            assert token is not None
            assert token.key_id == kid


class TestTheExpiry:
    @pytest.mark.parametrize(
        ("exp", "let_in"),
        [
            row("R9068-09", "one second before it, a token is good", NOW + 1, True),
            row("R9068-09", "at that second it is not", NOW, False),
            row("R9068-09", "nor after it", NOW - 1, False),
            row("R9068-09", "a token that never expires is refused", ..., False),
            row("R9068-09", "so is one whose expiry is null", None, False),
        ],
    )
    def test_is_there_and_not_reached(self, strict, server, mint, exp, let_in):
        for resource_server in (strict, server):
            verdict = judge(resource_server, strict_token(mint, exp=exp))
            assert bool(verdict) is let_in
            assert let_in or refused(verdict)

    @pytest.mark.parametrize(
        ("leeway", "allowed"),
        [
            row("R9068-10", "no leeway can be set", 0, True),
            row("R9068-10", "five minutes can be set", 300, True),
            row("R9068-10", "more than five minutes can't", 300.1, False),
            row("R9068-10", "an hour can't", 3600, False),
        ],
    )
    def test_leeway(self, mint, clock, leeway, allowed):
        if not allowed:
            with pytest.raises(ConfigurationError, match="leeway"):
                server_for(mint, clock=clock, leeway=leeway)
            return
        server = server_for(mint, clock=clock, leeway=leeway)
        assert bool(judge(server, mint.token(exp=NOW - leeway + 1)))
        assert not judge(server, mint.token(exp=NOW - leeway))


class TestRequiredClaims:
    @pytest.mark.parametrize(
        "name",
        [
            row("R9068-16", f"a token without {name} is refused", name)
            for name in ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
        ],
    )
    def test_are_there(self, strict, mint, name):
        assert judge(strict, strict_token(mint))
        assert refused(judge(strict, strict_token(mint, **{name: ...})))
        assert refused(judge(strict, strict_token(mint, **{name: None})))

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            row("R9068-16", "iss is a string", "iss", ["https://issuer.test/"]),
            row("R9068-16", "exp is a number", "exp", str(NOW + 600)),
            row("R9068-16", "aud is a string or a list", "aud", {"0": AUDIENCE}),
            row("R9068-16", "sub is a string", "sub", 42),
            row("R9068-16", "client_id is a string", "client_id", 42),
            row("R9068-16", "iat is a number", "iat", str(NOW)),
            row("R9068-16", "jti is a string", "jti", 42),
        ],
    )
    def test_have_their_types(self, strict, mint, name, value):
        assert refused(judge(strict, strict_token(mint, **{name: value})))

    @line("R9068-11", "whichever check fails, the challenge says invalid_token")
    def test_error_of_every_check(self, strict, mint):
        stranger = SigningKey("RS256", name="stranger")
        for token in (
            strict_token(mint, typ="JWT"),
            strict_token(mint, iss=ELSEWHERE),
            strict_token(mint, aud=ELSEWHERE),
            strict_token(mint, exp=NOW - 1),
            strict_token(mint, headers={"alg": "none"}),
            strict_token(mint, headers={"alg": "HS256"}),
            strict_token(mint, headers={"kid": "unknown"}),
            compact(good_header(mint, typ="at+jwt"), good_claims(mint), stranger),
        ):
            assert parse_challenge(judge(strict, token).challenge)["error"] == "invalid_token"


class TestAuthorizationClaims:
    @pytest.mark.parametrize(
        ("claim", "value", "let_in"),
        [
            row("R9068-13", "scope is asked when nothing else is said", None, "admin", True),
            row("R9068-13", "groups can be asked", "groups", ["staff", "admin"], True),
            row("R9068-13", "roles can be asked", "roles", ["admin"], True),
            row("R9068-13", "entitlements can be asked", "entitlements", ["admin"], True),
            row("R9068-13", "and they can say no", "roles", ["reader"], False),
            row("R9068-18", "scope is one string of names", None, "read admin write", True),
            row("R9068-18", "a scope in an object grants nothing", None, {"admin": True}, False),
            row("R9068-19", "a role in a list counts", "roles", ["reader", "admin"], True),
            row("R9068-19", "objects beside it hide nothing", "roles", [{"value": "reader"}, "admin"], True),
            row(
                "R9068-19",
                "an object whose display says admin grants nothing",
                "roles",
                [{"display": "admin"}],
                False,
            ),
            row("R9068-19", "a number grants nothing", "groups", 7, False),
        ],
    )
    def test_are_read(self, strict, mint, claim, value, let_in):
        token = strict_token(mint, **{claim or "scope": value})
        verdict = judge(strict, token, any_of("admin", claim=claim))
        assert verdict.status == (200 if let_in else 403)


class TestClients:
    """Section 5: a client's own subject must not be taken for a user."""

    @pytest.mark.parametrize(
        ("claims", "of_client"),
        [
            row("R9068-21", "a token of a user is one", {"sub": "user-1", "client_id": "client-1"}, False),
            row(
                "R9068-21",
                "a client as its own subject is told",
                {"sub": "client-1", "client_id": "client-1"},
                True,
            ),
            row("R9068-21", "its name may stand in azp", {"sub": "c", "client_id": ..., "azp": "c"}, True),
            row("R9068-21", "or in cid, as at Okta", {"sub": "c", "client_id": ..., "cid": "c"}, True),
            row(
                "R9068-21", "or with @clients behind it", {"sub": "c@clients", "client_id": ..., "azp": "c"}, True
            ),
            row("R9068-21", "gty says it too", {"sub": "x", "gty": "client-credentials"}, True),
            row("R9068-21", "so does idtyp", {"sub": "x", "idtyp": "app"}, True),
            row("R9068-21", "idtyp of a user says the other thing", {"sub": "x", "idtyp": "user"}, False),
            row("R9068-21", "capitals make another client", {"sub": "Client-1", "client_id": "client-1"}, False),
            row("R9068-21", "nobody is no client", {"sub": ..., "client_id": ...}, False),
            row("R9068-21", "an empty name is none", {"sub": "", "client_id": ""}, False),
            row("R9068-21", "a list is no name", {"sub": "c", "client_id": ..., "azp": ["c"]}, False),
        ],
    )
    def test_are_told_from_users(self, server, mint, claims, of_client):
        token = plain_token(mint, **claims)
        assert judge(server, token).token.is_client is of_client
        assert judge(server, token, lambda token, request: not token.is_client).status == (
            403 if of_client else 200
        )


class TestIDTokens:
    """OpenID Connect Core section 2: what an ID token of the same issuer, under the same keys, looks like."""

    @pytest.mark.parametrize(
        ("headers", "claims"),
        [
            row(
                "R9068-20",
                "an ID token of a login is refused",
                {},
                {"aud": "client-1", "nonce": "n", "at_hash": "h"},
            ),
            row("R9068-20", "so is one without a nonce, for its audience", {}, {"aud": "client-1"}),
            row("R9068-20", "so is one whose client bears the name of this API", {}, {"nonce": "n"}),
            row("R9068-20", "so is one with nothing but an access token hash", {}, {"at_hash": "h"}),
            row("R9068-20", "so is one with nothing but a code hash", {}, {"c_hash": "h"}),
            row("R9068-20", "so is one that calls itself an ID token", {}, {"token_use": "id"}),
            pytest.param(
                {},
                {"token_use": "id", "scope": "read:users"},
                id="R9068-20 so is one that calls itself an ID token and has a scope",
            ),
            row("R9068-20", "so is one without any type", {"typ": ...}, {"nonce": "n"}),
        ],
    )
    def test_are_refused_by_both_profiles(self, strict, server, mint, headers, claims):
        token = plain_token(mint, headers=headers, **{"scope": ..., "client_id": ..., **claims})
        for resource_server in (strict, server):
            assert refused(judge(resource_server, token))
