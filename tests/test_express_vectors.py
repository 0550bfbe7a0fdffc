"""1,229 decisions that were recorded from the real Express stack, replayed against the library.

`tests/vectors/README.md` says what a row is. A row passes if the library answers what the row wants. Where it
answers otherwise, the row stands in `DISAGREEMENTS` with our answer and the reason, and that list is checked
against the rows: it can't go stale or grow in silence.
"""

from __future__ import annotations

import importlib.util
import json
import re
import threading
from fnmatch import fnmatchcase
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jwtauthz import (
    AccessDenied,
    ConfigurationError,
    Issuer,
    KeySet,
    RemoteKeySet,
    Request,
    ResourceServer,
    authenticated,
)
from jwtauthz.compat import jwt_authz
from jwtauthz.credentials import header, query
from jwtauthz.keys.jwk import KeyUnknown

VECTORS = Path(__file__).parent / "vectors"
ROWS: list[dict[str, Any]] = json.loads((VECTORS / "express_cases.json").read_text())
NOW = 1_790_000_000.0
WANTS = {row["id"]: row["want"] for row in ROWS}

_EMPTY = """a requirement that asks for nothing lets every token through: jwt_authz([]) can't be built, and a
route for any valid token says authenticated()"""
_UNDEFINED = """Node builds audience: [undefined] and then refuses every token; the setting is refused here, so
that it is seen when the API starts"""
_NO_HMAC = """the configuration is refused when it is built, as the other rows of it want, so no token can be
judged under it"""
_TWO_HEADERS = """two Authorization headers are refused as such, whichever comes first; Node reads the first one
only, and the rows with the good one first leave the same 400 open"""
_NO_SWITCH = """exp and nbf are always checked: there is no ignoreExpiration, onExpired or ignoreNotBefore here"""
_FROM_THE_FUTURE = """a token issued an hour from now means that a clock is wrong or that it is forged; Node does
not look at iat"""
_KID_NULL = """kid is a string where it is there (RFC 7515 section 4.1.4); such a token is refused before any key
is looked for, so it does not matter whether there are keys"""
_SAME_KID = """the set lists two keys under one kid, and one of them signed the token: both are the issuer's, so
both are tried (RFC 7517 section 4.5 says SHOULD, not MUST, of distinct key IDs); Node knows only the first"""
_AMBIGUOUS = """the token names no key and several would do: refused here as everywhere (authn/kid-absent-second
wants the same), while jwks-rsa's interceptor takes the first key of its list"""
_OUTAGE = """handleSigningKeyError can turn an outage into a 401; there is no such hook here, because a client that
is told that its good token is bad throws it away"""

# Rows by pattern: what we answer instead of what the row wants, and why.
DISAGREEMENTS = {
    "*/aud-list-mixed": (
        "401",
        "RFC 7519 section 4.1.3: aud is a string or a list of strings; PyJWT refuses it too",
    ),
    "scope-none/*": ("config error", _EMPTY),
    "scope-none-all/*": ("config error", _EMPTY),
    "audience-undefined-list/*": ("config error", _UNDEFINED),
    "alg-with-hs/rs256-ps-key": ("config error", _NO_HMAC),
    "alg-with-hs/kid-1024": ("config error", _NO_HMAC),
    "*/valid/bad-then-good": ("400", _TWO_HEADERS),
    "ignore-expiration/exp-long-past": ("401", _NO_SWITCH),
    "on-expired-ignore/exp-past": ("401", _NO_SWITCH),
    "on-expired-ignore/exp-long-past": ("401", _NO_SWITCH),
    "ignore-nbf/nbf-future": ("401", _NO_SWITCH),
    "ignore-nbf/nbf-near-future": ("401", _NO_SWITCH),
    "max-age-300/iat-future": ("401", _FROM_THE_FUTURE),
    "ignore-nbf/iat-future": ("401", _FROM_THE_FUTURE),
    "on-expired-ignore/iat-future": ("401", _FROM_THE_FUTURE),
    "jwks-single-nokid/kid-null": ("401", _KID_NULL),
    "jwks-nokeys/kid-null": ("401", _KID_NULL),
    "jwks-null/kid-null": ("401", _KID_NULL),
    "jwks-notfound/kid-null": ("401", _KID_NULL),
    "jwks-redirect/kid-null": ("401", _KID_NULL),
    "jwks-emptybody/kid-null": ("401", _KID_NULL),
    "jwks-same-kid/valid": ("accept", _SAME_KID),
    "interceptor-multi/kid-absent": ("401", _AMBIGUOUS),
    "jwks-down-handled/valid": ("503", _OUTAGE),
}


def _load_mint() -> Any:
    spec = importlib.util.spec_from_file_location("express_mint", VECTORS / "mint.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mint = _load_mint()


@cache
def ring() -> Any:
    """The private keys of the rows; made once, for RSA keys take their time."""
    return mint.Keyring()


@cache
def jwks() -> dict[str, Any]:
    return ring().jwks()


# ── the key sets that only an HTTP server can serve ──


class _KeyServer(BaseHTTPRequestHandler):
    """`/multi.json` and so on: a JWKS, or one of the ways in which an endpoint has none."""

    def do_GET(self) -> None:
        answer = jwks()[self.path.removeprefix("/").removesuffix(".json")]
        special = answer if isinstance(answer, dict) and "$status" in answer else {}
        body = special["$body"] if "$body" in special else "" if special else json.dumps(answer)
        self.send_response(special.get("$status", 200))
        self.send_header("Content-Type", special.get("$type", "application/json"))
        if "$location" in special:
            self.send_header("Location", special["$location"])
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture(scope="module", autouse=True)
def key_server():
    jwks()  # before the first request waits for it
    with ThreadingHTTPServer(("127.0.0.1", 0), _KeyServer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        _servers["url"] = f"http://127.0.0.1:{server.server_port}"
        yield
        for built in _servers.values():
            if isinstance(built, ResourceServer):
                built.close()
        server.shutdown()
    _servers.clear()


class _LocalFirst:
    """jwks-rsa's `interceptor`: keys at hand go first, the network answers for the others."""

    def __init__(self, local: KeySet, remote: RemoteKeySet) -> None:
        self.local = local
        self.remote = remote

    def find(self, kid, alg, *, after=None):
        try:
            return self.local.find(kid, alg)
        except KeyUnknown as unknown:
            if unknown.ambiguous:
                raise
            return self.remote.find(kid, alg, after=after)

    def recheck(self, found) -> None:
        self.remote.recheck(found)

    @property
    def ready(self) -> bool:
        return True

    def close(self) -> None:
        self.remote.close()


# ── from a row's configuration to a server and a requirement ──

# One server per configuration, as an application has one; and where the key server is.
_servers: dict[str, Any] = {}


def server_for(config: dict[str, Any]) -> ResourceServer:
    built = _servers.get(config["id"])
    if built is None:
        try:
            built = _build(config)
        except ConfigurationError as refusal:
            built = refusal
        _servers[config["id"]] = built
    if isinstance(built, ConfigurationError):
        raise built
    return built


def _build(config: dict[str, Any]) -> ResourceServer:
    extra = config.get("extra", {})
    algorithms = config["algorithms"]
    if extra.get("secret") == "by-issuer":
        issuers: Any = [
            Issuer(config["issuerA"], key_set=KeySet.from_jwks(jwks()["multi"]), algorithms=algorithms),
            Issuer(config["issuerB"], key_set=KeySet.from_jwks(jwks()["other"]), algorithms=algorithms),
        ]
    elif isinstance(config["issuer"], list):
        issuers = [Issuer(url, key_set=_key_set(config, url), algorithms=algorithms) for url in config["issuer"]]
    else:
        url = _python(config["issuer"])
        issuers = Issuer(
            url,
            key_set=_key_set(config, url),
            algorithms=algorithms,
            max_token_age=300 if "maxAge" in extra else None,  # 300, or "5m" in the notation of Node
            subject=extra.get("subject"),
        )
    return ResourceServer(
        issuers,
        audience=_python(config["audience"]),
        token_from=query("token") if extra.get("getToken") == "query" else header(),
        # express-jwt's clockTolerance is 0 where nothing is said; so are its rows.
        leeway=extra.get("clockTolerance", 0),
        revoked=(lambda token: token.claims.get("jti") == "revoked") if "isRevoked" in extra else None,
        clock=lambda: NOW,
    )


def _key_set(config: dict[str, Any], issuer: Any) -> Any:
    extra, name = config.get("extra", {}), config["jwks"]
    if extra.get("secret") == "pem":
        return KeySet.from_pem(ring().public_pem("rsa-1"))
    interceptor = extra.get("jwksOptions", {}).get("interceptor")
    if interceptor:
        return _LocalFirst(KeySet.from_jwks(jwks()[interceptor]), _remote(name, issuer))
    if name in {"multi", "single", "single-nokid", "two-nokid", "same-kid", "other"}:
        return KeySet.from_jwks(jwks()[name])
    return _remote(name, issuer)


def _remote(name: str, issuer: Any) -> RemoteKeySet:
    return RemoteKeySet(f"{_servers['url']}/{name}.json", issuer=issuer)


def _python(value: Any) -> Any:
    """What a setting is in Python: a row writes what JSON can't say as `"$undefined"` and `{"$regex": …}`."""
    if isinstance(value, list):
        return [_python(element) for element in value]
    if isinstance(value, dict):
        return re.compile(value["$regex"])
    return None if value == "$undefined" else value


def requirement_for(config: dict[str, Any]) -> Any:
    if config["required"] is None:
        return authenticated()
    return jwt_authz(
        config["required"],
        check_all_scopes=config["mode"] == "all",
        custom_scope_key=config["claim"],
    )


def request_for(row: dict[str, Any]) -> Request:
    """The row's request as a door would hand it on: whitespace around values stripped, bytes as Latin-1."""
    made = mint.request_of(ring(), row, "https://api.example.test/items", NOW)
    headers: dict[str, list[str]] = {}
    for name, value in made["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip(" \t"))
    return Request(
        headers.get("authorization"),
        method=made["method"],
        headers={name: ", ".join(values) for name, values in headers.items() if name != "authorization"},
        query=made["query"],
    )


# ── the decision ──


def decide(row: dict[str, Any]) -> str:
    """What the library answers: accept, pass through, a status, or config error."""
    config = row["config"]
    try:
        server, requirement = server_for(config), requirement_for(config)
    except ConfigurationError:
        return "config error"
    request = request_for(row)
    if server.preflight and request.is_preflight:  # what every door does first
        return "pass through"
    optional = config.get("extra", {}).get("credentialsRequired") is False
    try:
        server.authorize(request, requirement, optional=optional)
    except AccessDenied as denied:
        return str(denied.status)
    return "accept"


def wanted(row: dict[str, Any]) -> set[str]:
    want = row["want"]
    if want == "as scope-one":
        want = WANTS.get(f"scope-one/{row['token_id']}") or AS_SCOPE_ONE[row["token_id"]]
    answers = set(re.split(", | or ", want))
    if "accept" in answers and row["request"].get("method") == "OPTIONS":
        answers.add("pass through")  # Node's word for it, where no scope is checked
    return answers


# What scope-one (any of ["read:items"], by `scope`) answers to tokens that it has no row of its own for.
AS_SCOPE_ONE = {
    "s-list-joined": "403",  # a list element is one scope: "read:items write:items" is not "read:items"
    "s-quote": "403",
    "both-perm-only": "403",
    "tier-gold": "accept",  # scope is read:items
    "tier-silver": "accept",
    "tier-list": "accept",
}


def disagreement(row_id: str) -> tuple[str, str] | None:
    found = [answer for pattern, answer in DISAGREEMENTS.items() if fnmatchcase(row_id, pattern)]
    assert len(found) <= 1, f"{row_id} stands in DISAGREEMENTS twice"
    return found[0] if found else None


@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_the_decision_is_the_one_the_row_wants(row):
    answer, wants = decide(row), wanted(row)
    disagrees = disagreement(row["id"])
    if disagrees is None:
        assert answer in wants, f"{row['what']}: {row['advice']}"
    else:
        ours, reason = disagrees
        assert answer == ours, f"{ours} because {reason}"
        assert answer not in wants, f"no disagreement any more: take {row['id']} from the list"


def test_every_row_is_replayed():
    assert len(ROWS) == len(WANTS) == 1229


@pytest.mark.parametrize("pattern", DISAGREEMENTS)
def test_every_disagreement_is_about_rows_that_are_replayed(pattern):
    assert any(fnmatchcase(row["id"], pattern) for row in ROWS)
