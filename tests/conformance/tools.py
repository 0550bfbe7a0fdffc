"""What the rows are written with: tokens of any bytes, verdicts, and a reader of challenges."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from jwtauthz import AccessDenied, Issuer, ResourceServer, VerifiedToken, authenticated

if TYPE_CHECKING:
    from jwtauthz import KeySet
    from jwtauthz.testing import FakeIssuer

NOW = 1_800_000_000  # when a FakeClock begins
AUDIENCE = "https://api.example.com"
ELSEWHERE = "https://other.example.com"
ALLOWED_ERRORS = {"invalid_request", "invalid_token", "insufficient_scope"}

# RFC 6750 section 3: %x20-21 / %x23-5B / %x5D-7E; a scope value is the same without the space.
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+")
SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")


def row(lines: str, sentence: str, *values: Any):
    """One row of a table: the IDs of its lines, what it shows, and its values."""
    return pytest.param(*values, id=f"{lines} {sentence}")


def line(lines: str, sentence: str):
    """The same for a test that is no table."""
    return pytest.mark.parametrize((), [pytest.param(id=f"{lines} {sentence}")])


# ── servers and verdicts ──


def server_for(issuer: FakeIssuer, *, clock, leeway: float = 0, audience=AUDIENCE, server=None, **settings):
    """A resource server that trusts this issuer; `settings` are those of `Issuer`."""
    settings = {"key_set": _keys_of(issuer, issuer.kid), "algorithms": (issuer.algorithm,), **settings}
    return ResourceServer(Issuer(issuer.url, **settings), audience, leeway=leeway, clock=clock, **(server or {}))


@cache
def _keys_of(issuer: FakeIssuer, kid: str) -> KeySet:  # reading an RSA key takes its time
    key_set = issuer.key_set
    assert kid in {key.kid for key in key_set.keys}
    return key_set


@dataclass(frozen=True)
class Verdict:
    """What became of a request: 200, or what the client of a denied one is told."""

    status: int
    error: str | None = None
    code: str | None = None
    challenge: str | None = None
    token: VerifiedToken | None = None
    denied: AccessDenied | None = None

    def __bool__(self) -> bool:
        return self.status == 200


def judge(server: ResourceServer, credentials: Any, *needs: Any, **options: Any) -> Verdict:
    """Ask the server; a lone compact token gets the word Bearer put before it."""
    if isinstance(credentials, str) and " " not in credentials and credentials.count(".") >= 2:
        credentials = f"Bearer {credentials}"
    return asked(server, credentials, *needs, **options)


def asked(server: ResourceServer, credentials: Any, *needs: Any, **options: Any) -> Verdict:
    """Ask the server with these very credentials."""
    try:
        token = server.authorize(credentials, *(needs or [authenticated()]), **options)
    except AccessDenied as denied:
        return Verdict(
            denied.status,
            denied.error,
            denied.finding.code,
            denied.headers.get("WWW-Authenticate"),
            denied=denied,
        )
    return Verdict(200, token=token)


# ── tokens of any bytes ──


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def good_header(issuer: FakeIssuer, **members: Any) -> dict[str, Any]:
    """The header of a token that is let in; a member given as `...` is left out."""
    return _without_dots({"alg": issuer.algorithm, "typ": "JWT", "kid": issuer.kid, **members})


def good_claims(issuer: FakeIssuer, **claims: Any) -> dict[str, Any]:
    """The claims of a token that is let in by either profile; a claim given as `...` is left out."""
    return _without_dots(
        {
            "iss": issuer.url,
            "sub": "user-1",
            "aud": AUDIENCE,
            "client_id": "client-1",
            "jti": "token-1",
            "iat": NOW,
            "exp": NOW + 600,
            "scope": "read:users",
            **claims,
        }
    )


def strict_token(issuer: FakeIssuer, *, typ: Any = "at+jwt", headers=None, **claims: Any) -> str:
    """A token of the strict profile, but for what is given."""
    return raw_token(
        issuer, header=good_header(issuer, typ=typ, **(headers or {})), payload=good_claims(issuer, **claims)
    )


def plain_token(issuer: FakeIssuer, *, headers=None, **claims: Any) -> str:
    """A token of the default profile, but for what is given."""
    return raw_token(issuer, header=good_header(issuer, **(headers or {})), payload=good_claims(issuer, **claims))


def raw_token(issuer: FakeIssuer, *, header: Any = None, payload: Any = None, kid: Any = ...) -> str:
    """A token with exactly these bytes as header and payload, under a good signature of the issuer."""
    header = good_header(issuer) if header is None else header
    payload = good_claims(issuer) if payload is None else payload
    return signed(issuer, f"{b64url(_bytes(header))}.{b64url(_bytes(payload))}", kid=kid)


def signed(issuer: FakeIssuer, signing_input: str, *, kid: Any = ...) -> str:
    """The signing input with the issuer's signature over its very characters."""
    return f"{signing_input}.{b64url(issuer._signing_key(kid).sign(signing_input.encode()))}"


def _bytes(part: Any) -> bytes:
    return part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()


def _without_dots(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ...}


# ── challenges, read as RFC 9110 section 11.6.1 has them ──

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHALLENGE = re.compile(rf"({_TOKEN})(?: +(.*))?", re.DOTALL)
_PARAMETER = re.compile(rf'({_TOKEN})=(?:({_TOKEN})|"((?:[\t \x21\x23-\x5B\x5D-\x7E]|\\[\t \x21-\x7E])*)")')


@dataclass(frozen=True)
class ParsedChallenge:
    """A challenge as a client reads it: its parameters in order, repetitions included."""

    scheme: str
    parameters: tuple[tuple[str, str], ...]
    unquoted: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.parameters]

    def __getitem__(self, name: str) -> str:
        (value,) = [value for other, value in self.parameters if other == name]
        return value


def parse_challenge(text: str) -> ParsedChallenge:
    """Read one challenge by the grammar; anything that does not belong there fails the test."""
    match = _CHALLENGE.fullmatch(text)
    assert match, f"no challenge: {text!r}"
    scheme, rest = match[1], match[2] or ""
    parameters, unquoted = [], []
    while rest:
        parameter = _PARAMETER.match(rest)
        assert parameter, f"no auth-param at {rest!r}"
        name, token, quoted = parameter.groups()
        if token is not None:
            unquoted.append(name)
        parameters.append((name, token if token is not None else re.sub(r"\\(.)", r"\1", quoted)))
        rest = rest[parameter.end() :]
        comma = re.match(r"[ \t]*,[ \t]*(?=.)", rest)
        assert comma or not rest, f"no comma at {rest!r}"
        rest = rest[comma.end() :] if comma else ""
    return ParsedChallenge(scheme, tuple(parameters), tuple(unquoted))
