"""What reads words of strangers: each target takes any bytes, and asserts what must hold whatever they are.

A parser gives a value or the one refusal that it is documented to give, in bounded time; what we accept,
PyJWT accepts too.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jwtauthz import AccessDenied, Finding, Issuer, KeySet, Request, ResourceServer, VerifiedToken, authenticated
from jwtauthz.claims import Claim, find_scope, read_scopes
from jwtauthz.credentials import cookie, form, header, query, subprotocol
from jwtauthz.errors import ConfigurationError
from jwtauthz.keys.discovery import jwks_uri
from jwtauthz.keys.fetch import FetchFailed
from jwtauthz.keys.freshness import freshness, retry_after
from jwtauthz.keys.urls import problem_with
from jwtauthz.token import MAX_TOKEN, UnverifiedToken, json_object, parse

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW: Final = 1.0  # seconds of processor time, for a few KiB: some hundred times of what any of it takes
NOW: Final = 1_800_000_000
URL, AUDIENCE = "https://issuer.test/", "https://api.example.com"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key()
_X = urlsafe_b64encode(PUBLIC.public_bytes_raw()).decode().rstrip("=")
KEYS = KeySet.from_jwks({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": _X}]})
SERVER = ResourceServer(
    Issuer(
        URL, key_set=KEYS, algorithms=("EdDSA",), scopes_from=("scope", "permissions", ("realm_access", "roles"))
    ),
    AUDIENCE,
    clock=lambda: NOW,
)
EVERYWHERE = ResourceServer(
    Issuer(URL, key_set=KEYS, algorithms=("EdDSA",)),
    AUDIENCE,
    clock=lambda: NOW,
    token_from=[
        header(bare_token=True),
        cookie("session", origins=["https://app.example.com"]),
        form(),
        query("token"),
        subprotocol(),
    ],
)
UNCHECKED: Final = {"verify_signature": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}


def token(data: bytes) -> None:
    """The compact form of a token."""
    text = data.decode("latin-1")
    parsed = parse(text, {})
    if isinstance(parsed, Finding):
        assert parsed.detail.isprintable()
        return
    assert isinstance(parsed, UnverifiedToken)
    assert len(text) <= MAX_TOKEN
    if isinstance(parsed.header.key_id, str) and parsed.header.members.get("b64", True):
        # PyJWT takes no other kind of key ID, which a check of ours refuses later, and no detached payload.
        assert same(jwt.decode_complete(text, options=UNCHECKED)["payload"], parsed.claims)


def credentials(data: bytes) -> None:
    """The Authorization header."""
    answered(SERVER, Request(data.decode("latin-1")))


def signed(data: bytes) -> None:
    """Header and payload of a token, one on each line, under a real signature."""
    first, _, second = data.partition(b"\n")
    signing_input = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in (first, second))
    signature = urlsafe_b64encode(SECRET.sign(signing_input)).rstrip(b"=")
    text = (signing_input + b"." + signature).decode()
    if answered(SERVER, Request(f"Bearer {text}")):
        found = jwt.decode(
            text,
            PUBLIC,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=URL,
            options={**UNCHECKED, "verify_signature": True},
        )
        assert found["exp"] > NOW - 10


def request(data: bytes) -> None:
    """A request whose token may stand anywhere: one header on each line, `:query` and `:form` among them."""
    headers = {}
    for line in data.decode("latin-1").split("\n"):
        name, _, value = line.partition("=" if line.startswith(":") else ": ")
        headers[name.lower()] = value
    scheme, text, body = (headers.pop(name, "") for name in (":scheme", ":query", ":form"))
    answered(
        EVERYWHERE,
        Request(
            method=headers.pop(":method", "POST"),
            headers=headers,
            query=text,
            form=body.encode("latin-1"),
            scheme=scheme or "https",
        ),
    )


def answered(server: ResourceServer, sent: Request) -> bool:
    """Whether it is let in; if not, the answer is one that may be sent, and can be explained."""
    try:
        assert isinstance(server.authorize(sent, authenticated()), VerifiedToken)
    except AccessDenied as denied:
        assert denied.status in {400, 401, 403, 503}
        assert all(value.isascii() and value.isprintable() for value in denied.headers.values())
        assert str(denied).isprintable()
        json.dumps(denied.body)
        assert denied.explanation.status == denied.status
        return False
    return True


def claims(data: bytes) -> None:
    """Claims that grant scopes, whatever they are."""
    found = json_object(data)
    if found is None:
        return
    for claim in (*found, *((first, second) for first in found for second in ("roles", "a"))):
        if claim and all(claim):
            for source in (
                claim,
                Claim(claim, read="keys"),
                Claim(claim, read="objects"),
                Claim(claim, separator=","),
            ):
                granted = read_scopes(found, source).granted
                assert all(isinstance(scope, str) and scope for scope in granted)
    find_scope(found, "read:users", ["scope"])


def jwks(data: bytes) -> None:
    """A set of keys, as a server or a file gives it."""
    try:
        found = KeySet.from_jwks(data)
    except ConfigurationError as refused:
        assert str(refused).isprintable()
        return
    for key in found.keys:
        assert key.algorithms
    for skipped in found.skipped:
        assert skipped.reason.isprintable()
    unused = {each.index for each in found.skipped}
    for index, entry in enumerate(json.loads(data)["keys"]):
        if index not in unused and entry.get("alg") != "Ed25519":  # a name that PyJWT does not know
            jwt.PyJWK(entry)


def metadata(data: bytes) -> None:
    """What an issuer says of itself."""
    try:
        found = jwks_uri(data, URL, URL)
    except FetchFailed as refused:
        assert str(refused).isprintable()
        return
    assert json.loads(data)["issuer"] == URL
    assert problem_with(found) is None


def answer(data: bytes) -> None:
    """The headers of an answer with keys, one on each line."""
    headers = {}
    for line in data.decode("latin-1").split("\n"):
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    said = freshness(headers, wall=float(NOW))
    assert said.lifetime is None or 0 <= said.lifetime < float("inf")
    assert said.stale_if_error is None or 0 <= said.stale_if_error < float("inf")
    pause = retry_after(headers.get("retry-after"), wall=float(NOW))
    assert pause is None or 0 <= pause < float("inf")


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, NaN aside, which is none."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    each.__name__: each for each in (token, credentials, signed, request, claims, jwks, metadata, answer)
}


def run(name: str, data: bytes) -> None:
    """One input for one target, in bounded time."""
    begin = time.process_time()
    TARGETS[name](data)
    took = time.process_time() - begin
    assert took < SLOW, f"{name} took {took:.1f} s"
