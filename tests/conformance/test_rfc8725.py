"""RFC 8725 and the draft that succeeds it (8725bis): how JSON Web Tokens are attacked, and what stops it."""

from __future__ import annotations

import json
import logging
import socket

import pytest

from jwtauthz import ConfigurationError, Issuer, IssuerResolver, KeySet, ResourceServer
from jwtauthz.testing import FakeIssuer
from jwtauthz.testing._signing import SigningKey, compact

from .origin import Origin, Reply
from .test_rfc7518 import GOOD_N, rsa_jwk
from .tools import (
    AUDIENCE,
    ELSEWHERE,
    NOW,
    b64url,
    good_claims,
    good_header,
    judge,
    line,
    plain_token,
    raw_token,
    row,
    server_for,
    strict_token,
)


class TestAlgorithms:
    @line("R8725-01", "what is not on the list is not used, though its key is at hand")
    def test_not_on_the_list(self, clock):
        issuer = FakeIssuer(network=False, algorithm="ES384", clock=clock)
        assert judge(server_for(issuer, clock=clock), issuer.token())
        verdict = judge(server_for(issuer, clock=clock, algorithms=("ES256", "RS256")), issuer.token())
        assert verdict.code == "algorithm_not_allowed"

    @line("R8725-02", "a key that is bound to one algorithm is used with no other")
    def test_one_key_one_algorithm(self, clock):
        key = SigningKey("RS256", name="key")
        for bound, code in (("RS256", None), ("PS256", "key_unknown"), ("RS512", "key_unknown")):
            keys = KeySet.from_jwks({"keys": [{**key.jwk, "alg": bound}]})
            issuer = Issuer("https://issuer.test/", key_set=keys, algorithms=("RS256", "PS256", "RS512"))
            server = ResourceServer(issuer, AUDIENCE, clock=clock)
            header = {"alg": "RS256", "typ": "JWT", "kid": key.kid}
            claims = {"iss": issuer.url, "aud": AUDIENCE, "exp": NOW + 60}
            assert judge(server, compact(header, claims, key)).code == code

    @pytest.mark.parametrize(
        "algorithm",
        [
            row("R8725-03", f"{name or 'nothing'} can't be put on the list", name)
            for name in ("HS256", "HS512", "RSA1_5", "RS1", "ES256K", "A256GCM", "dir", "rs256", "", "RS256 ")
        ],
    )
    def test_that_no_list_may_hold(self, algorithm):
        with pytest.raises(ConfigurationError, match="algorithms"):
            Issuer("https://issuer.test/", algorithms=(algorithm,))

    @line("R8725-03", "the list can be changed, so that algorithms can come and go")
    def test_agility(self, clock):
        for name in ("PS512", "ES512", "Ed25519"):
            issuer = FakeIssuer(network=False, algorithm=name, clock=clock)
            assert judge(server_for(issuer, clock=clock, algorithms=(name,)), issuer.token())

    @line("R8725-04", "nobody can ask for unsigned tokens, in whatever letters")
    def test_none_cannot_be_asked_for(self):
        for name in ("none", "None", "NONE", "nOnE"):
            with pytest.raises(ConfigurationError, match="nobody signed"):
                Issuer("https://issuer.test/", algorithms=("RS256", name))

    @pytest.mark.parametrize(
        "alg",
        [
            row("R8725B-03", f"{name} is not RS256, and so is refused", name)
            for name in ("nOnE", "rs256", "Rs256", "RS256\0", "RS-256")
        ],
    )
    def test_exact_case(self, server, mint, alg):
        verdict = judge(server, raw_token(mint, header=good_header(mint, alg=alg)))
        assert verdict.code == "algorithm_not_allowed"

    @line("R8725B-01", "the alg of the token and that of the key it names agree, or there is no key")
    def test_alg_of_header_and_key(self, clock):
        rs, ps = FakeIssuer(network=False, clock=clock), SigningKey("PS256", name="ps")
        keys = KeySet.from_jwks({"keys": [*rs.jwks()["keys"], ps.jwk]})
        server = server_for(rs, clock=clock, key_set=keys, algorithms=("RS256", "PS256"))
        for kid, alg, code in (
            (rs.kid, "RS256", None),
            (ps.kid, "RS256", "key_unknown"),
            (rs.kid, "PS256", "key_unknown"),
        ):
            signer = rs._signing_key() if alg == "RS256" else ps
            token = compact({"alg": alg, "typ": "JWT", "kid": kid}, good_claims(rs), signer)
            assert judge(server, token).code == code

    @line("R8725B-02", "each issuer has its own list")
    def test_list_of_each_issuer(self, mint, es_mint, clock):
        other = "https://other.test/"
        keys = KeySet.from_jwks({"keys": [*mint.jwks()["keys"], *es_mint.jwks()["keys"]]})
        server = ResourceServer(
            [Issuer(mint.url, key_set=keys), Issuer(other, key_set=keys, algorithms="ES256")],
            AUDIENCE,
            clock=clock,
        )
        for issuer, url, code in (
            (mint, mint.url, None),
            (es_mint, mint.url, "algorithm_not_allowed"),
            (mint, other, "algorithm_not_allowed"),
            (es_mint, other, None),
        ):
            assert judge(server, issuer.token(iss=url)).code == code

    @line("R8725B-04", "Ed25519 is accepted by its full name, and can be the only name")
    def test_fully_specified(self, clock):
        full, short = (FakeIssuer(network=False, algorithm=name, clock=clock) for name in ("Ed25519", "EdDSA"))
        assert judge(server_for(full, clock=clock), full.token())
        server = server_for(short, clock=clock, algorithms=("Ed25519",))
        assert judge(server, short.token()).code == "algorithm_not_allowed"


class TestCryptography:
    @line("R8725-05", "whatever good stands in a token, a bad signature refuses it")
    def test_one_failure_refuses_all(self, server, mint):
        for token in (mint.forged_token(scope="admin"), f"{mint.token(scope='admin')[:-4]}AAAA"):
            verdict = judge(server, token, "admin")
            assert (verdict.status, verdict.error) == (401, "invalid_token")

    @pytest.mark.parametrize(
        "jwk",
        [
            row(
                "R8725-06",
                "a point that is not on its curve is no key",
                {"kty": "EC", "crv": "P-256", "x": b64url(b"\1" * 32), "y": b64url(b"\1" * 32)},
            ),
            row(
                "R8725-06",
                "the point zero is no key",
                {"kty": "EC", "crv": "P-256", "x": b64url(bytes(32)), "y": b64url(bytes(32))},
            ),
            row(
                "R8725-06",
                "a coordinate of another length is no key",
                {"kty": "EC", "crv": "P-256", "x": b64url(b"\1" * 31), "y": b64url(b"\1" * 32)},
            ),
            row(
                "R8725-06",
                "a point of small order on Ed25519 is no key",
                {"kty": "OKP", "crv": "Ed25519", "x": b64url(b"\1" + bytes(31))},
            ),
            row(
                "R8725-06",
                "a point for key exchange is no key",
                {"kty": "OKP", "crv": "X25519", "x": b64url(b"\1" * 32)},
            ),
            row("R8725-06", "an RSA key with the exponent 1 is no key", rsa_jwk(GOOD_N, 1)),
        ],
    )
    def test_inputs_are_validated(self, jwk):
        with pytest.raises(ConfigurationError, match="no usable key"):
            KeySet.from_jwks({"keys": [jwk]})

    @pytest.mark.parametrize(
        "algorithm",
        [
            row("R8725B-10", f"{name} is refused, however many rounds it asks for", name)
            for name in ("PBES2-HS256+A128KW", "PBES2-HS512+A256KW")
        ],
    )
    def test_passwords(self, server, mint, algorithm):
        with pytest.raises(ConfigurationError):
            Issuer("https://issuer.test/", algorithms=(algorithm,))
        header = {"alg": algorithm, "enc": "A128GCM", "p2s": "c2FsdA", "p2c": 2_000_000_000}
        assert judge(server, raw_token(mint, header=header)).status == 401
        encrypted = f"{b64url(json.dumps(header).encode())}.AA.AA.AA.AA"
        assert judge(server, encrypted).code == "encrypted_token"


class TestEncodings:
    @pytest.mark.parametrize(
        "encode",
        [
            row("R8725-07", "UTF-8 is read", lambda text: text.encode()),
            row("R8725-07", "UTF-16 is refused", lambda text: text.encode("utf-16")),
            row("R8725-07", "UTF-16 without a mark is refused", lambda text: text.encode("utf-16-le")),
            row("R8725-07", "a byte order mark is refused", lambda text: text.encode("utf-8-sig")),
            row("R8725-07", "Latin-1 is refused", lambda text: text.encode("latin-1")),
        ],
    )
    def test_of_json(self, server, mint, encode):
        claims = encode(json.dumps(good_claims(mint, name="José"), ensure_ascii=False))
        header = encode(json.dumps(good_header(mint, name="José"), ensure_ascii=False))
        good = encode("é") == "é".encode()
        assert bool(judge(server, raw_token(mint, payload=claims))) is good
        assert bool(judge(server, raw_token(mint, header=header))) is good

    @pytest.mark.parametrize(
        "spoil",
        [
            row("R8725B-11", "a token in braces is refused", "{{{}}}".format),
            row("R8725B-11", "a token in quotation marks is refused", '"{}"'.format),
            row("R8725B-11", "a token with a line break is refused", lambda token: f"{token[:40]}\n{token[40:]}"),
            row("R8725B-11", "a token with a tab is refused", lambda token: f"{token[:40]}\t{token[40:]}"),
            row("R8725B-11", "a token with a NUL is refused", lambda token: f"{token[:40]}\0{token[40:]}"),
            row("R8725B-11", "a token with percent encoding is refused", lambda token: token.replace(".", "%2E")),
            row(
                "R8725B-11",
                "the JSON form of a token is refused",
                lambda token: json.dumps(
                    dict(zip(("protected", "payload", "signature"), token.split("."), strict=True)),
                    separators=(",", ":"),
                ),
            ),
        ],
    )
    def test_of_the_token(self, server, mint, spoil):
        verdict = judge(server, f"Bearer {spoil(mint.token())}")
        assert verdict.status in {400, 401}
        assert verdict.error in {"invalid_request", "invalid_token"}


class TestConfusion:
    @line(
        "R8725-08", "a token is verified by the keys of its own issuer, and not by those of another one we trust"
    )
    def test_keys_of_another_issuer(self, mint, clock):
        other = FakeIssuer(network=False, clock=clock)
        url = "https://other.test/"
        server = ResourceServer(
            [Issuer(mint.url, key_set=mint.key_set), Issuer(url, key_set=other.key_set)], AUDIENCE, clock=clock
        )
        assert judge(server, mint.token())
        assert judge(server, other.token(iss=url))
        assert judge(server, other.token(iss=mint.url)).code == "key_unknown"
        assert judge(server, mint.token(iss=url)).code == "key_unknown"

    @line("R8725-09", "the application sees issuer and subject, and tells equal subjects apart")
    def test_subject_and_issuer(self, mint, es_mint, clock):
        url = "https://other.test/"
        server = ResourceServer(
            [Issuer(mint.url, key_set=mint.key_set), Issuer(url, key_set=es_mint.key_set, algorithms="ES256")],
            AUDIENCE,
            clock=clock,
        )
        known = {(mint.url, "user-1")}

        def is_known(token, request):
            return (token.issuer, token.subject) in known

        assert judge(server, mint.token(subject="user-1"), is_known)
        assert judge(server, es_mint.token(subject="user-1", iss=url), is_known).status == 403

    @pytest.mark.parametrize(
        "aud",
        [
            row("R8725-10", "a token for another API of the same issuer is refused", ELSEWHERE),
            row("R8725-10", "a token for no API is refused", ...),
            row("R8725-10", "a token for every API is refused", "*"),
        ],
    )
    def test_audience(self, server, mint, aud):
        assert judge(server, plain_token(mint, aud=aud)).status == 401

    @line("R8725-10", "a server without an audience can't be built")
    def test_server_without_audience(self, mint, clock):
        for audience in (None, "", [], ["", "x"], " "):
            with pytest.raises(ConfigurationError, match="udience"):
                server_for(mint, clock=clock, audience=audience)

    @pytest.mark.parametrize(
        ("kid", "code"),
        [
            row("R8725-11", "a kid that would be a path names no key", "../../etc/passwd", "key_unknown"),
            row("R8725-11", "one that would be SQL names no key", "' OR 1=1 --", "key_unknown"),
            row("R8725-11", "one of 256 characters is looked for", "k" * 256, "key_unknown"),
            row("R8725-11", "one of 257 is not", "k" * 257, "malformed_token"),
            row("R8725-11", "one with a line break is not", "k\nERROR forged line", "malformed_token"),
            row("R8725-11", "one with an escape sequence is not", "\x1b[2J", "malformed_token"),
            row("R8725-11", "one that turns the writing round is not", "\u202eevil", "malformed_token"),
        ],
    )
    def test_hostile_kid(self, server, mint, caplog, kid, code):
        with caplog.at_level(logging.DEBUG):
            verdict = judge(server, mint.token(kid=kid))
        assert verdict.code == code
        assert all(record.getMessage().isprintable() for record in caplog.records)
        assert all(len(record.getMessage()) < 500 for record in caplog.records)


_ACME = ("acme.example.com", b"acme.example.com")


class TestFetching:
    @pytest.mark.parametrize(
        "member", [row("R8725-12", f"what {name} points to is not fetched", name) for name in ("jku", "x5u")]
    )
    def test_urls_of_the_token(self, clock, member):
        issuer, attacker = FakeIssuer(algorithm="ES256", clock=clock), SigningKey("ES256", name="attacker")
        with issuer, Origin({"/keys": Reply({"keys": [attacker.jwk]})}) as evil:
            with ResourceServer(Issuer(issuer.url, algorithms="ES256"), AUDIENCE, clock=clock) as server:
                header = {"alg": "ES256", "typ": "JWT", "kid": attacker.kid, member: f"{evil.url}/keys"}
                assert judge(server, issuer.token())
                assert judge(server, compact(header, good_claims(issuer), attacker)).code == "key_unknown"
            assert evil.asked == []

    @line("R8725B-06", "a host that a token named is not asked if it resolves to loopback")
    def test_hosts_of_tokens(self, es_mint, clock, monkeypatch):
        with Origin() as origin:
            port, real = int(origin.url.rpartition(":")[2]), socket.getaddrinfo
            monkeypatch.setattr(
                socket,
                "getaddrinfo",
                lambda host, *rest, **more: real("127.0.0.1" if host in _ACME else host, port, *rest[1:], **more),
            )

            def tenant(iss):
                return Issuer(iss, algorithms="ES256")

            with ResourceServer(IssuerResolver(tenant), AUDIENCE, clock=clock) as server:
                verdict = judge(server, es_mint.token(iss="https://acme.example.com/"))
            assert verdict.code == "keys_unavailable"
            assert "not public" in verdict.denied.finding.detail
            assert origin.asked == []

    @pytest.mark.parametrize(
        "iss",
        [
            row("R8725B-06", "an address is no host of a token", "https://127.0.0.1/"),
            row("R8725B-06", "nor is this machine", "http://localhost/"),
        ],
    )
    def test_addresses_of_tokens(self, es_mint, clock, iss):
        with ResourceServer(IssuerResolver(Issuer), AUDIENCE, clock=clock) as server:
            assert judge(server, es_mint.token(iss=iss)).code == "wrong_issuer"

    @line("R8725-12", "cookies that an issuer sets are not sent back")
    def test_cookies(self, es_mint, clock):
        cookie = {"Set-Cookie": "session=1; Path=/", "Cache-Control": "max-age=60"}
        with Origin() as origin:
            origin.replies["/.well-known/openid-configuration"] = Reply(
                {"issuer": origin.url, "jwks_uri": f"{origin.url}/keys"}, headers=cookie
            )
            origin.replies["/keys"] = Reply(es_mint.jwks(), headers=cookie)
            with ResourceServer(Issuer(origin.url, algorithms="ES256"), AUDIENCE, clock=clock) as server:
                assert judge(server, es_mint.token(iss=origin.url))
                assert judge(server, es_mint.token(iss=origin.url, kid="unknown")).status == 401
            assert len(origin.asked) >= 2
            assert not any("cookie" in asked.headers for asked in origin.asked)


class TestKindsOfTokens:
    KINDS = ("dpop+jwt", "logout+jwt", "token-introspection+jwt", "secevent+jwt", "JOSE", "id_token", "")

    @pytest.mark.parametrize(
        "typ", [row("R8725-13", f"{typ or 'an empty type'} is no access token", typ) for typ in KINDS]
    )
    def test_explicit_type(self, strict, server, mint, typ):
        for resource_server in (strict, server):
            assert judge(resource_server, strict_token(mint, typ=typ)).code == "wrong_type"

    @line("R8725-14", "what passes for an access token is no ID token, and the other way round")
    def test_exclusive_rules(self, strict, server, mint):
        claims = good_claims(mint, nonce="n", at_hash="h", scope=...)
        for typ, in_default, in_strict in (("JWT", False, False), ("at+jwt", True, True), (..., False, False)):
            token = raw_token(mint, header=good_header(mint, typ=typ), payload=claims)
            assert bool(judge(server, token)) is in_default
            assert bool(judge(strict, token)) is in_strict

    @pytest.mark.parametrize(
        ("typ", "in_default", "in_strict"),
        [
            row("R8725B-07", "a short type means the long one", "at+jwt", True, True),
            row("R8725B-07", "the long one is good", "application/at+jwt", True, True),
            row("R8725B-07", "prepending it twice is not", "application/application/at+jwt", False, False),
            row("R8725B-07", "another tree is another type", "text/at+jwt", False, False),
            row("R8725B-08", "no type is tolerated where none is asked for", ..., True, False),
            row("R8725B-08", "JWT is tolerated there too, and is no explicit type", "JWT", True, False),
            row("R8725B-08", "any other is refused in both profiles", "jose", False, False),
            row("R8725B-08", "so is null", None, False, False),
            row("R8725B-08", "so is a number", 1, False, False),
        ],
    )
    def test_type(self, strict, server, mint, typ, in_default, in_strict):
        token = strict_token(mint, typ=typ)
        assert bool(judge(server, token)) is in_default
        assert bool(judge(strict, token)) is in_strict

    @line("R8725B-05", "an encrypted token is told from a signed one, and refused whatever it holds")
    def test_encrypted(self, server, mint):
        header = b64url(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": mint.kid}).encode())
        assert judge(server, f"{header}.AAAA.AAAA.AAAA.AAAA").code == "encrypted_token"
        assert judge(server, raw_token(mint, header=good_header(mint, enc="A256GCM"))).status == 401

    @line("R8725B-12", "a compressed token is refused before anything is decompressed")
    def test_compressed(self, server, mint):
        import zlib

        bomb = zlib.compress(json.dumps(good_claims(mint, x="0" * 1_000_000)).encode(), 9)[2:-4]
        token = raw_token(mint, header=good_header(mint, zip="DEF"), payload=bomb)
        assert len(token) < 16_384
        assert judge(server, token).status == 401
        token = raw_token(mint, header=good_header(mint, zip="DEF"))
        assert judge(server, token).code == "unsupported_header"
