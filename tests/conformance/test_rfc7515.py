"""RFC 7515: a JSON Web Signature, received."""

from __future__ import annotations

import json

import pytest

from jwtauthz.testing import FakeIssuer
from jwtauthz.testing._signing import SigningKey, compact

from .tools import (
    AUDIENCE,
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
    signed,
)

_GOOD_HEADER = object()


def header_bytes(mint, text: str) -> bytes:
    """The header with the mint's key ID where the text says KID."""
    return text.replace("KID", mint.kid).encode()


class TestTheHeader:
    @pytest.mark.parametrize(
        ("text", "let_in"),
        [
            row("R7515-01", "names that differ are fine", '{"alg":"RS256","kid":"KID","typ":"JWT"}', True),
            row("R7515-01", "a second alg is refused", '{"alg":"RS256","alg":"RS256","kid":"KID"}', False),
            row("R7515-01", "a second kid is refused", '{"alg":"RS256","kid":"KID","kid":"KID"}', False),
            row(
                "R7515-01",
                "a second name in escapes is refused",
                '{"alg":"RS256","\\u0061lg":"RS256","kid":"KID"}',
                False,
            ),
            row(
                "R7515-01",
                "a second name within a member is refused",
                '{"alg":"RS256","kid":"KID","x":{"a":1,"a":1}}',
                False,
            ),
            row("R7515-02", "a header without alg is refused", '{"kid":"KID"}', False),
            row("R7515-02", "a null alg is refused", '{"alg":null,"kid":"KID"}', False),
            row("R7515-02", "an alg in a list is refused", '{"alg":["RS256"],"kid":"KID"}', False),
            row("R7515-02", "a lower-case alg is refused", '{"alg":"rs256","kid":"KID"}', False),
            row("R7515-02", "an alg with a space is refused", '{"alg":"RS256 ","kid":"KID"}', False),
            row("R7515-03", "a number as kid is refused", '{"alg":"RS256","kid":1}', False),
            row("R7515-03", "a null kid is refused", '{"alg":"RS256","kid":null}', False),
            row("R7515-03", "a kid in a list is refused", '{"alg":"RS256","kid":["KID"]}', False),
            row("R7515-08", "white space in the JSON is fine", ' {"alg": "RS256",\n "kid": "KID"}\t', True),
            row("R7515-08", "a list is no header", '["alg","RS256"]', False),
            row("R7515-08", "a string is no header", '"RS256"', False),
            row("R7515-08", "nothing is no header", "", False),
            row("R7515-08", "half an object is no header", '{"alg":"RS256","kid":"KID"', False),
            row("R7515-08", "an object and something more are no header", '{"alg":"RS256","kid":"KID"}{}', False),
            row("R7515-08", "a comma too many makes it no JSON", '{"alg":"RS256","kid":"KID",}', False),
            row("R7515-08", "single quotes make it no JSON", "{'alg':'RS256','kid':'KID'}", False),
            row("R7515-08", "NaN makes it no JSON", '{"alg":"RS256","kid":"KID","x":NaN}', False),
        ],
    )
    def test_of_these_characters(self, server, mint, text, let_in):
        verdict = judge(server, raw_token(mint, header=header_bytes(mint, text)))
        assert verdict.status == (200 if let_in else 401)
        assert let_in or verdict.error == "invalid_token"

    @line("R7515-03", "a kid in other letters is another kid")
    def test_kid_in_other_letters(self, server, mint):
        assert mint.kid != mint.kid.swapcase()
        assert judge(server, mint.token(kid=mint.kid))
        assert judge(server, mint.token(kid=mint.kid.swapcase())).code == "key_unknown"

    @pytest.mark.parametrize(
        "header",
        [
            row("R7515-08", "UTF-16 is no header", '{"alg":"RS256"}'.encode("utf-16")),
            row("R7515-08", "a byte order mark makes it none", b'\xef\xbb\xbf{"alg":"RS256"}'),
            row("R7515-08", "a byte that is no UTF-8 makes it none", b'{"alg":"RS256","x":"\xff"}'),
            row("R7515-08", "an overlong NUL makes it none", b'{"alg":"RS256","x":"\xc0\x80"}'),
        ],
    )
    def test_of_these_bytes(self, server, mint, header):
        assert judge(server, raw_token(mint, header=header)).code == "malformed_token"

    @pytest.mark.parametrize(
        "members",
        [
            row("R7515-04", "a critical name that we don't know is refused", {"crit": ["exp"], "exp": NOW}),
            row("R7515-04", "an empty list is refused", {"crit": []}),
            row("R7515-04", "a name twice is refused", {"crit": ["x", "x"], "x": 1}),
            row("R7515-04", "a name of the standard is refused", {"crit": ["alg"]}),
            row("R7515-04", "a name that is not in the header is refused", {"crit": ["x"]}),
            row("R7515-04", "a crit that is no list is refused", {"crit": "x", "x": 1}),
            row("R7515-04", "a null crit is refused", {"crit": None}),
            row("R7515-05", "an unencoded payload is refused", {"crit": ["b64"], "b64": False}),
            row("R7515-05", "so is one that nobody calls critical", {"b64": False}),
            row(
                "R7515-09",
                "an extension that must be understood is refused",
                {"crit": ["http://e.test/x"], "http://e.test/x": 1},
            ),
        ],
    )
    def test_extensions(self, server, mint, members):
        verdict = judge(server, raw_token(mint, header=good_header(mint, **members)))
        assert (verdict.status, verdict.code) == (401, "unsupported_header")

    @line("R7515-09", "a member that we don't know and that is not critical is ignored")
    def test_unknown_member(self, server, mint):
        assert judge(server, raw_token(mint, header=good_header(mint, x={"y": 1})))


class TestTheParts:
    @pytest.mark.parametrize(
        "spoil",
        [
            row("R7515-06", "a token of one part is refused", lambda h, p, s: h),
            row("R7515-06", "a token of two parts is refused", lambda h, p, s: f"{h}.{p}"),
            row("R7515-06", "a token of four parts is refused", lambda h, p, s: f"{h}.{p}.{s}.{s}"),
            row("R7515-06", "a period at the end is refused", lambda h, p, s: f"{h}.{p}.{s}."),
            row("R7515-06", "a period in front is refused", lambda h, p, s: f".{h}.{p}.{s}"),
            row("R7515-07", "padding in the header is refused", lambda h, p, s: f"{h}=.{p}.{s}"),
            row("R7515-07", "padding in the payload is refused", lambda h, p, s: f"{h}.{p}==.{s}"),
            row("R7515-07", "padding after the signature is refused", lambda h, p, s: f"{h}.{p}.{s}=="),
            row("R7515-07", "the plus of the other alphabet is refused", lambda h, p, s: f"{h}.{p}.+{s[1:]}"),
            row("R7515-07", "the slash of the other alphabet is refused", lambda h, p, s: f"{h}.{p}./{s[1:]}"),
            row("R7515-07", "a line break in the payload is refused", lambda h, p, s: f"{h}.{p[:4]}\n{p[4:]}.{s}"),
            row("R7515-07", "a line break after the signature is refused", lambda h, p, s: f"{h}.{p}.{s}\n"),
            row("R7515-07", "a letter beyond ASCII is refused", lambda h, p, s: f"{h}.{p}.{s[:-1]}ａ"),
            row(
                "R7515-07",
                "one character that is no octet is refused",
                lambda h, p, s: f"{h}.{p}.{s[:-2] + 'AAA'}",
            ),
        ],
    )
    def test_are_three_of_base64url(self, server, mint, spoil):
        token = mint.token()
        assert len(token.split(".")[2]) % 4 == 2  # 256 octets: the rows above rest on it
        assert judge(server, token)
        verdict = judge(server, f"Bearer {spoil(*token.split('.'))}")
        assert (verdict.status, verdict.error) == (401, "invalid_token")

    @line("R7515-07", "bits that the last character has too many are refused, wherever they stand")
    def test_stray_bits(self, server, mint):
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        # White space makes header and payload of every length, so that both end in 2, 3 and 4 characters.
        seen = set()
        for spaces in range(3):
            header = b64url(json.dumps(good_header(mint)).encode() + b" " * spaces)
            payload = b64url(json.dumps(good_claims(mint)).encode() + b" " * spaces)
            token = signed(mint, f"{header}.{payload}")
            assert judge(server, token)
            for index in range(3):
                parts = token.split(".")
                if (length := len(parts[index]) % 4) == 0:
                    continue
                stray = alphabet[alphabet.index(parts[index][-1]) + 1]
                parts[index] = parts[index][:-1] + stray
                # Signed as it stands, so that nothing but the encoding is wrong.
                spoilt = ".".join(parts) if index == 2 else signed(mint, ".".join(parts[:2]))
                assert judge(server, spoilt).code == "malformed_token"
                seen.add((index, length))
        assert seen >= {(0, 2), (0, 3), (1, 2), (1, 3), (2, 2)}


class TestTheSignature:
    @line("R7515-10", "the signature is over the characters that came, not over the same JSON written anew")
    def test_is_over_what_came(self, server, mint):
        spaced = [b64url(json.dumps(part, indent=3).encode()) for part in (good_header(mint), good_claims(mint))]
        token = signed(mint, ".".join(spaced))
        assert judge(server, token)
        rewritten = f"{b64url(json.dumps(good_header(mint)).encode())}.{spaced[1]}.{token.rpartition('.')[2]}"
        assert judge(server, rewritten).code == "bad_signature"

    @pytest.mark.parametrize(
        "algorithm",
        [
            row("R7515-11", f"a good signature by {name} is refused where it is not allowed", name)
            for name in ("RS384", "PS256")
        ],
    )
    def test_by_an_algorithm_that_is_not_allowed(self, clock, algorithm):
        issuer = FakeIssuer(network=False, algorithm=algorithm, clock=clock)
        assert judge(server_for(issuer, clock=clock), issuer.token())
        verdict = judge(server_for(issuer, clock=clock, algorithms=("RS256",)), issuer.token())
        assert (verdict.status, verdict.code) == (401, "algorithm_not_allowed")

    @pytest.mark.parametrize(
        "member",
        [
            row("R7515-12", f"a good key in {name} does not verify a forged token", name)
            for name in ("jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256")
        ],
    )
    def test_by_a_key_that_the_token_brings(self, server, mint, member):
        attacker = SigningKey("RS256", name="attacker")
        value = {"jwk": attacker.jwk, "x5c": ["MIIB"], "jku": "https://a.test/jwks"}.get(member, "aGFzaA")
        header = good_header(mint, **{member: value})
        assert judge(server, compact(header, good_claims(mint), attacker)).code == "bad_signature"
        # And it does a good one no harm.
        assert judge(server, plain_token(mint, headers={member: value}))

    @pytest.mark.parametrize(
        "secret",
        [
            row("R7515-13", "the modulus is no shared secret", lambda jwk, pem: jwk["n"].encode()),
            row("R7515-13", "the PEM is no shared secret", lambda jwk, pem: pem),
            row("R7515-13", "the JWK is no shared secret", lambda jwk, pem: json.dumps(jwk).encode()),
            row("R7515-13", "nothing is no shared secret", lambda jwk, pem: b""),
        ],
    )
    def test_by_a_public_key_taken_for_a_secret(self, server, mint, secret):
        import hashlib
        import hmac

        import jwt
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        jwk = mint.jwks()["keys"][0]
        pem = jwt.PyJWK(jwk).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for alg in ("HS256", "RS256"):
            header = b64url(json.dumps(good_header(mint, alg=alg)).encode())
            signing_input = f"{header}.{b64url(json.dumps(good_claims(mint)).encode())}"
            mac = hmac.new(secret(jwk, pem), signing_input.encode(), hashlib.sha256).digest()
            verdict = judge(server, f"{signing_input}.{b64url(mac)}")
            assert (verdict.status, verdict.error) == (401, "invalid_token")
            assert AUDIENCE  # the token is good in all but its signature
