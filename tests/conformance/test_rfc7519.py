"""RFC 7519: the claims of a token, and how they are compared."""

from __future__ import annotations

import pytest

from jwtauthz import authenticated

from .tools import (
    AUDIENCE,
    ELSEWHERE,
    NOW,
    b64url,
    good_claims,
    judge,
    line,
    plain_token,
    raw_token,
    row,
    server_for,
)

BASE = f'"iss":"https://issuer.test/","aud":"{AUDIENCE}"'


def outcome(verdict):
    assert verdict.status == 200 or (verdict.status, verdict.error) == (401, "invalid_token")
    return bool(verdict)


class TestThePayload:
    @pytest.mark.parametrize(
        ("text", "let_in"),
        [
            row("R7519-01", "names that differ are fine", f'{{{BASE},"exp":{NOW + 60}}}', True),
            row("R7519-01", "a second aud is refused", f'{{{BASE},"exp":{NOW + 60},"aud":"{AUDIENCE}"}}', False),
            row("R7519-01", "a second exp is refused", f'{{{BASE},"exp":1,"exp":{NOW + 60}}}', False),
            row(
                "R7519-01",
                "a second name in escapes is refused",
                f'{{{BASE},"exp":{NOW + 60},"\\u0061ud":"x"}}',
                False,
            ),
            row(
                "R7519-01",
                "a second name within a claim is refused",
                f'{{{BASE},"exp":{NOW + 60},"x":[{{"a":1,"a":2}}]}}',
                False,
            ),
            row("R7519-12", "white space in the JSON is fine", f' {{ {BASE} ,\n"exp" : {NOW + 60} }}\r\n', True),
            row("R7519-12", "a list is no payload", "[]", False),
            row("R7519-12", "null is no payload", "null", False),
            row("R7519-12", "a string is no payload", '"claims"', False),
            row("R7519-12", "nothing is no payload", "", False),
            row("R7519-12", "half an object is no payload", f'{{{BASE},"exp":{NOW + 60}', False),
            row(
                "R7519-12", "an object and something more are no payload", f'{{{BASE},"exp":{NOW + 60}}}[]', False
            ),
            row(
                "R7519-12",
                "a lone surrogate makes it no Unicode",
                f'{{{BASE},"exp":{NOW + 60},"x":"\\ud800"}}',
                False,
            ),
            row("R7519-12", "a comment makes it no JSON", f'{{{BASE},"exp":{NOW + 60}/**/}}', False),
        ],
    )
    def test_of_these_characters(self, server, mint, text, let_in):
        assert outcome(judge(server, raw_token(mint, payload=text.encode()))) is let_in

    @pytest.mark.parametrize(
        "payload",
        [
            row("R7519-12", "UTF-16 is no payload", f'{{{BASE},"exp":{NOW + 60}}}'.encode("utf-16")),
            row("R7519-12", "UTF-32 is no payload", f'{{{BASE},"exp":{NOW + 60}}}'.encode("utf-32")),
            row(
                "R7519-12",
                "a byte order mark makes it none",
                b"\xef\xbb\xbf" + f'{{{BASE},"exp":{NOW + 60}}}'.encode(),
            ),
            row(
                "R7519-12",
                "a byte of Latin-1 makes it none",
                f'{{{BASE},"exp":{NOW + 60},"name":"é"}}'.encode("latin-1"),
            ),
            row(
                "R7519-12",
                "surrogates in UTF-8 make it none",
                f'{{{BASE},"exp":{NOW + 60},"x":"'.encode() + b'\xed\xa0\x80"}',
            ),
        ],
    )
    def test_of_these_bytes(self, server, mint, payload):
        assert judge(server, raw_token(mint, payload=payload)).code == "malformed_token"


class TestIssuer:
    @pytest.mark.parametrize(
        "iss",
        [
            row("R7519-02", "a list is no issuer", ["https://issuer.test/"]),
            row("R7519-02", "an object is no issuer", {"url": "https://issuer.test/"}),
            row("R7519-02", "a number is no issuer", 5),
            row("R7519-02", "null is no issuer", None),
            row("R7519-02", "none is no issuer", ...),
            row("R7519-02", "the same in capitals is another issuer", "HTTPS://ISSUER.TEST/"),
        ],
    )
    def test_is_one_string(self, server, mint, iss):
        assert not outcome(judge(server, plain_token(mint, iss=iss)))


class TestAudience:
    @pytest.mark.parametrize(
        ("aud", "let_in"),
        [
            row("R7519-03", "a string may be it", AUDIENCE, True),
            row("R7519-03", "a list may hold it", [ELSEWHERE, AUDIENCE], True),
            row("R7519-03", "a list of others does not", [ELSEWHERE], False),
            row("R7519-03", "a string that holds it does not", f"{ELSEWHERE} {AUDIENCE}", False),
            pytest.param(
                [AUDIENCE, 5],
                False,
                id="R7519-03 a list that holds something else beside it is no list of strings",
            ),
            row("R7519-03", "other capitals are another audience", AUDIENCE.upper(), False),
            row("R7519-03", "a slash more is another audience", f"{AUDIENCE}/", False),
        ],
    )
    def test_is_this_api(self, server, mint, aud, let_in):
        assert outcome(judge(server, plain_token(mint, aud=aud))) is let_in


class TestTime:
    @pytest.mark.parametrize(
        ("claims", "let_in"),
        [
            row("R7519-04", "a second before exp a token is good", {"exp": NOW + 1}, True),
            row("R7519-04", "half a second before it too", {"exp": NOW + 0.5}, True),
            row("R7519-04", "at exp it is not", {"exp": NOW}, False),
            row("R7519-04", "half a second after it neither", {"exp": NOW - 0.5}, False),
            row("R7519-05", "at nbf a token is good", {"nbf": NOW}, True),
            row("R7519-05", "half a second before it is not", {"nbf": NOW + 0.5}, False),
            row("R7519-05", "a second before it neither", {"nbf": NOW + 1}, False),
            row("R7519-08", "a token issued now is good", {"iat": NOW}, True),
            row("R7519-08", "one issued in the future is not", {"iat": NOW + 1}, False),
        ],
    )
    def test_without_leeway(self, server, mint, claims, let_in):
        assert outcome(judge(server, plain_token(mint, **claims))) is let_in

    @pytest.mark.parametrize(
        ("claims", "let_in"),
        [
            row("R7519-07", "within the leeway an expired token is good", {"exp": NOW - 9}, True),
            row("R7519-07", "at its end it is not", {"exp": NOW - 10}, False),
            row("R7519-07", "within the leeway a token for later is good", {"nbf": NOW + 10}, True),
            row("R7519-07", "past it it is not", {"nbf": NOW + 11}, False),
            row("R7519-08", "within the leeway a token of the future is good", {"iat": NOW + 10}, True),
            row("R7519-08", "past it it is not", {"iat": NOW + 11}, False),
        ],
    )
    def test_with_ten_seconds_of_leeway(self, mint, clock, claims, let_in):
        assert outcome(judge(server_for(mint, clock=clock, leeway=10), plain_token(mint, **claims))) is let_in

    @line("R7519-07", "the log of an expired token names the leeway")
    def test_leeway_is_shown(self, mint, clock):
        verdict = judge(server_for(mint, clock=clock, leeway=7), plain_token(mint, exp=NOW - 100))
        assert "leeway 7 s" in str(verdict.denied)

    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize(
        ("value", "let_in"),
        [
            row("R7519-06", "a whole number is a time", "{}", True),
            row("R7519-06", "a fraction is a time", "{}.25", True),
            row("R7519-06", "an exponent is a time", "{}e0", True),
            row("R7519-06", "a string is no time", '"{}"', False),
            row("R7519-06", "true is no time", "true", False),
            row("R7519-06", "false is no time", "false", False),
            row("R7519-06", "null is no time", "null", False),
            row("R7519-06", "a list is no time", "[{}]", False),
            row("R7519-06", "NaN is no time", "NaN", False),
            row("R7519-06", "Infinity is no time", "Infinity", False),
            row("R7519-06", "minus Infinity is no time", "-Infinity", False),
            row("R7519-06", "a number beyond all numbers is no time", "1e400", False),
            row("R7519-06", "nor is one below all numbers", "-1e400", False),
            row("R7519-06", "nor is one of five thousand digits", "9" * 5000, False),
            row("R7519-06", "nor is one of thirty digits", "9" * 30, False),
        ],
    )
    def test_is_a_number(self, server, mint, name, value, let_in):
        time = NOW + 60 if name == "exp" else NOW - 60
        others = {
            "exp": str(NOW + 60),
            "nbf": str(NOW - 60),
            "iat": str(NOW - 60),
            name: value.replace("{}", str(time)),
        }
        text = f"{{{BASE}," + ",".join(f'"{each}":{number}' for each, number in others.items()) + "}"
        assert outcome(judge(server, raw_token(mint, payload=text.encode()))) is let_in


class TestOtherClaims:
    @pytest.mark.parametrize(
        ("jti", "let_in"),
        [
            row("R7519-09", "a string is an ID", "token-1", True),
            row("R7519-09", "an ID may be missing", ..., True),
            row("R7519-09", "a number is no ID", 1, False),
            row("R7519-09", "null is no ID", None, False),
            row("R7519-09", "a list is no ID", ["token-1"], False),
        ],
    )
    def test_jti(self, server, mint, jti, let_in):
        assert outcome(judge(server, plain_token(mint, jti=jti))) is let_in

    @line("R7519-09", "two issuers may use one ID for two tokens")
    def test_jti_of_two_issuers(self, mint, es_mint, clock):
        from jwtauthz import Issuer, ResourceServer

        other = "https://other.test/"
        server = ResourceServer(
            [
                Issuer(mint.url, key_set=mint.key_set),
                Issuer(other, key_set=es_mint.key_set, algorithms="ES256"),
            ],
            AUDIENCE,
            clock=clock,
        )
        first = judge(server, mint.token(jti="1", sub="a")).token
        second = judge(server, es_mint.token(jti="1", sub="b", iss=other)).token
        assert (first.issuer, first.subject) == (mint.url, "a")
        assert (second.issuer, second.subject) == (other, "b")

    @pytest.mark.parametrize(
        "cty",
        [
            row("R7519-11", "a token within a token is refused", "JWT"),
            row("R7519-11", "in small letters too", "jwt"),
            row("R7519-11", "by its long name too", "application/jwt"),
        ],
    )
    def test_nested_token(self, server, mint, cty):
        inner = plain_token(mint)
        from .tools import good_header

        for payload in (inner.encode(), good_claims(mint)):
            token = raw_token(mint, header=good_header(mint, cty=cty), payload=payload)
            assert not outcome(judge(server, token))


class TestRepeatedInTheHeader:
    @pytest.mark.parametrize(
        ("members", "claims", "let_in"),
        [
            row("R7519-10", "the same issuer twice is one", {"iss": "https://issuer.test/"}, {}, True),
            row("R7519-10", "another issuer in the header is refused", {"iss": "https://other.test/"}, {}, False),
            row("R7519-10", "the same subject is good", {"sub": "user-1"}, {"sub": "user-1"}, True),
            row("R7519-10", "another subject is refused", {"sub": "admin"}, {"sub": "user-1"}, False),
            row("R7519-10", "a subject that the claims lack is refused", {"sub": "user-1"}, {"sub": ...}, False),
            row("R7519-10", "nor is null the same as none", {"sub": None}, {"sub": ...}, False),
            row("R7519-10", "the same audience is good", {"aud": AUDIENCE}, {}, True),
            row("R7519-10", "a list is not the text in it", {"aud": [AUDIENCE]}, {}, False),
            row("R7519-10", "another audience is refused", {"aud": ELSEWHERE}, {}, False),
            row("R7519-10", "the same expiry is good", {"exp": NOW + 600}, {"exp": NOW + 600}, True),
            row("R7519-10", "a later expiry is refused", {"exp": NOW + 601}, {"exp": NOW + 600}, False),
            row("R7519-10", "true is no time", {"nbf": True}, {"nbf": 1}, False),
            row("R7519-10", "a member that is no registered claim is another thing", {"tenant": "a"}, {}, True),
        ],
    )
    def test_claims_are_compared(self, server, mint, members, claims, let_in):
        token = plain_token(mint, headers=members, **claims)
        assert outcome(judge(server, token)) is let_in
        assert bool(server.explain(f"Bearer {token}", authenticated()).allowed) is let_in


class TestStrings:
    COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"

    @line("R7519-13", "a composed letter in an audience is not the decomposed one")
    def test_audience(self, mint, clock):
        server = server_for(mint, clock=clock, audience=self.COMPOSED)
        assert outcome(judge(server, plain_token(mint, aud=self.COMPOSED)))
        assert not outcome(judge(server, plain_token(mint, aud=self.DECOMPOSED)))

    @line("R7519-13", "a letter of another width in a scope is another scope")
    def test_scope(self, server, mint):
        assert judge(server, plain_token(mint, scope="admin"), "admin")
        assert judge(server, plain_token(mint, scope="\uff41dmin"), "admin").status == 403

    @line("R7519-13", "a composed letter in a claim's name is not the decomposed one")
    def test_claim_name(self, server, mint):
        token = plain_token(mint, **{self.COMPOSED: ["admin"]})
        assert judge(server, token, "admin", claim=self.COMPOSED)
        assert judge(server, token, "admin", claim=self.DECOMPOSED).status == 403

    @line("R7519-13", "an escaped letter is that letter")
    def test_escapes(self, server, mint):
        text = f'{{{BASE.replace("https", chr(92) + "u0068ttps")},"exp":{NOW + 60}}}'
        assert outcome(judge(server, raw_token(mint, payload=text.encode())))


class TestUnsecured:
    @pytest.mark.parametrize(
        "signature",
        [row("R7519-14", "no signature is none", ""), row("R7519-14", "nor is some text", b64url(b"signed"))],
    )
    def test_token_is_refused(self, server, mint, signature):
        unsigned = mint.unsigned_token()
        assert unsigned.endswith(".")
        assert not outcome(judge(server, unsigned + signature))
