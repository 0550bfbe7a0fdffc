"""What must hold for every input: found by Hypothesis, with real keys and real signatures.

Whatever we accept, PyJWT accepts with the same settings. Whatever anybody sends, `authorize` gives a token or
raises `AccessDenied`, whose answer is 400, 401, 403 or 503, is safe to send, and holds nothing of the token.
"""

from __future__ import annotations

import base64
import json
import os
import time
import unicodedata
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm

from jwtauthz import (
    AccessDenied,
    Issuer,
    KeySet,
    Request,
    ResourceServer,
    VerifiedToken,
    all_of,
    any_of,
    authenticated,
)
from jwtauthz.claims import MAX_SCOPES, read_scopes
from jwtauthz.testing import FakeIssuer

URL, AUDIENCE, LEEWAY = "https://issuer.test/", "https://api.example.com", 5
ALGORITHMS = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519"),
)
IN_CI = os.environ.get("CI") == "true"  # there every run draws the same examples, so that none fails by chance


def often(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=IN_CI,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


# ── issuers that sign with each algorithm, and servers that know all of their keys ──

ISSUERS = {algorithm: FakeIssuer(algorithm=algorithm, network=False) for algorithm in ALGORITHMS}
JWKS = {"keys": [key for issuer in ISSUERS.values() for key in issuer.jwks()["keys"]]}
KEY_SET = KeySet.from_jwks(JWKS)
PUBLIC_KEYS = {
    jwk["kid"]: jwt.PyJWK({**jwk, "alg": "EdDSA" if jwk["alg"] == "Ed25519" else jwk["alg"]}).key
    for jwk in JWKS["keys"]
}
PYJWT = jwt.PyJWT()
PYJWT._jws.register_algorithm("Ed25519", OKPAlgorithm())  # the name that RFC 9864 gives to EdDSA over Ed25519


def server(**settings: Any) -> ResourceServer:
    issuer = Issuer(URL, key_set=KEY_SET, algorithms=ALGORITHMS, **settings)
    return ResourceServer(issuer, AUDIENCE, leeway=LEEWAY)


SERVER = server()
SERVERS = [
    SERVER,
    server(profile="rfc9068"),
    server(scopes_from=("scope", "scp", ("realm_access", "roles"))),
    ResourceServer(
        [Issuer(URL, key_set=KEY_SET), Issuer("https://other.test/", key_set=KEY_SET)], AUDIENCE, token_cache=None
    ),
]
NEEDS = [
    authenticated(),
    any_of("read:users", "admin"),
    all_of("read:users", any_of("a", "b", claim="permissions")),
    any_of("read:users", claim=("realm_access", "roles")),
    all_of("a", lambda token, request: bool(token.subject)),
]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def as_bytes(part: Any) -> bytes:
    """A part of a token: bytes as they are, text as UTF-8, anything else as JSON."""
    if isinstance(part, bytes):
        return part
    return (part if isinstance(part, str) else json.dumps(part)).encode("utf-8", "surrogatepass")


def sign(header: Any, claims: Any, algorithm: str = "EdDSA") -> str:
    """A token with a real signature of the issuer of that algorithm, whatever its header and claims say."""
    signing_input = f"{b64(as_bytes(header))}.{b64(as_bytes(claims))}"
    return f"{signing_input}.{b64(signature(signing_input, algorithm))}"


def signature(signing_input: str, algorithm: str) -> bytes:
    return ISSUERS[algorithm]._signing_key().sign(signing_input.encode())


def good_header(algorithm: str = "EdDSA") -> dict[str, Any]:
    return {"alg": algorithm, "typ": "at+jwt", "kid": ISSUERS[algorithm].kid}


def good_claims() -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": URL,
        "aud": AUDIENCE,
        "sub": "user-1",
        "client_id": "client-1",
        "jti": "1",
        "iat": now - 60,
        "exp": now + 600,
        "scope": "read:users",
    }


# ── (a) whatever we accept, PyJWT accepts ──


class Moment(int):
    """Seconds from now; becomes a time when the token is made."""


# Not within the leeway of now: PyJWT cuts times to whole seconds, and some time passes between the two.
moments = st.sampled_from([-(10**9), -3600, -60, -10, 10, 60, 3600, 10**9]).map(Moment)
odd_numbers = st.sampled_from(
    [0, -1, 1e20, 1e300, 10**18, 2**63, 10**400, 0.5, -0.0, True, False, None, "1", "", [], {}]
)
audiences = st.one_of(
    st.sampled_from([AUDIENCE, AUDIENCE + "/", AUDIENCE.upper(), "", [], [AUDIENCE], None, 1, {AUDIENCE: 1}]),
    st.lists(st.sampled_from([AUDIENCE, "https://other.test", "", None, 1, [AUDIENCE]]), max_size=4),
)
strings_and_not = st.one_of(st.text(max_size=8), st.sampled_from([None, 1, 1.5, True, [], ["x"], {}]))
claim_changes = st.fixed_dictionaries(
    {},
    optional={
        "iss": st.sampled_from([URL, URL.rstrip("/"), URL.upper(), "", None, [URL], "https://other.test/"]),
        "aud": audiences,
        "exp": moments | odd_numbers,
        "nbf": moments | odd_numbers,
        "iat": moments | odd_numbers,
        "sub": strings_and_not,
        "jti": strings_and_not,
        "client_id": strings_and_not,
        "scope": strings_and_not,
        "nonce": st.just("n"),
        "cnf": st.just({"jkt": "x"}),
        "token_use": st.sampled_from(["access", "id"]),
    },
)
header_changes = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from([*ALGORITHMS, "none", "HS256", "eddsa", "", None, 1, ["EdDSA"]]),
        "typ": st.sampled_from(["JWT", "jwt", "at+jwt", "application/at+jwt", "id+jwt", "", None, 1]),
        "kid": st.sampled_from([*(issuer.kid for issuer in ISSUERS.values()), "", "unknown", None, 1, []]),
        "crit": st.sampled_from([[], ["exp"], ["b64"], "b64", None]),
        "b64": st.booleans(),
        "zip": st.just("DEF"),
        "cty": st.sampled_from(["JWT", "json", 1]),
        "jwk": st.just(JWKS["keys"][0]),
        "x": st.recursive(
            st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=2), max_leaves=4
        ),
    },
)
dropped = st.sets(
    st.sampled_from(["iss", "aud", "sub", "jti", "iat", "exp", "scope", "alg", "typ", "kid"]), max_size=2
)
spellings = st.sampled_from(["", "twice", "indented", "bom", "trailing", "latin-1"])


def spell(members: dict[str, Any], how: str) -> bytes:
    if how == "twice":
        return (json.dumps(members)[:-1] + ', "exp": 99999999999, "alg": "EdDSA"}').encode()
    if how == "indented":
        return json.dumps(members, indent=1).encode()
    if how == "latin-1":
        return json.dumps({**members, "name": "é"}, ensure_ascii=False).encode("latin-1", "replace")
    return (b"\xef\xbb\xbf" if how == "bom" else b"") + json.dumps(members).encode() + b" " * (how == "trailing")


@st.composite
def near_misses(draw: Any) -> str:
    """Tokens around a good one: some are good, most are not; most are really signed."""
    algorithm = draw(st.sampled_from(ALGORITHMS))
    header, claims = good_header(algorithm), good_claims()
    now = int(time.time())
    wrong = draw(
        st.sets(st.sampled_from(["claims", "header", "dropped", "spelling", "signer", "damage"]), max_size=2)
    )
    if "claims" in wrong:
        for name, value in draw(claim_changes).items():
            claims[name] = now + value if isinstance(value, Moment) else value
    if "header" in wrong:
        header |= draw(header_changes)
    if "dropped" in wrong:
        for name in draw(dropped):
            header.pop(name, None)
            claims.pop(name, None)
    how = draw(st.tuples(spellings, spellings)) if "spelling" in wrong else ("", "")
    parts = [b64(spell(header, how[0])), b64(spell(claims, how[1]))]
    signer = draw(st.sampled_from(ALGORITHMS)) if "signer" in wrong else algorithm
    parts.append(b64(signature(".".join(parts), signer)))
    if "damage" in wrong:
        which = draw(st.integers(0, 2))
        parts[which] = draw(damaged(parts[which]))
    return ".".join(parts)


@st.composite
def damaged(draw: Any, part: str) -> str:
    damage = draw(st.sampled_from(["flip", "insert", "cut", "pad", "tail", "swap"]))
    place = draw(st.integers(0, len(part) - 1))
    if damage == "flip":
        part = part[:place] + draw(st.sampled_from("AZaz09-_+/=")) + part[place + 1 :]
    elif damage == "insert":
        part = part[:place] + draw(st.sampled_from("A=+/ \n.")) + part[place:]
    elif damage == "cut":
        part = part[:place]
    elif damage == "pad":
        part += "=" * (-len(part) % 4)
    elif damage == "tail":  # the last character, whose lowest bits say nothing
        part = part[:-1] + chr(ord(part[-1]) + 1)
    elif damage == "swap":
        part = part.replace("-", "+").replace("_", "/")
    return part


def pyjwt_accepts(token: str) -> None:
    """Raises what PyJWT has against a token, with the settings of `SERVER`."""
    header = jwt.get_unverified_header(token)
    PYJWT.decode(
        token,
        PUBLIC_KEYS[header["kid"]] if "kid" in header else _only_key(header["alg"]),
        algorithms=list(ALGORITHMS),
        issuer=URL,
        audience=AUDIENCE,
        leeway=LEEWAY,
        options={"require": ["exp", "iss", "aud"]},
    )


def _only_key(algorithm: str) -> Any:
    fitting = [key for key in KEY_SET.keys if key.fits(algorithm)]
    assert len(fitting) == 1
    return PUBLIC_KEYS[fitting[0].kid]


@often(1500)
@given(near_misses())
def test_whatever_we_accept_pyjwt_accepts(token):
    try:
        SERVER.authorize(f"Bearer {token}", authenticated())
    except AccessDenied as denied:
        event(str(denied.finding.code))
    else:
        event("accepted")
        pyjwt_accepts(token.strip(" "))  # spaces around it are those of the header, not the token's


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_of_each_algorithm_is_accepted_by_both(algorithm):
    token = sign(good_header(algorithm), good_claims(), algorithm)
    assert SERVER.authorize(f"Bearer {token}", "read:users")
    pyjwt_accepts(token)


# ── (b) whatever anybody sends, the answer is a token or a denial ──

any_text = st.text(st.characters(), max_size=60)  # lone surrogates included
raw_numbers = st.sampled_from(
    [
        "1e400",
        "-1e400",
        "9" * 400,
        "9" * 5000,
        "-0",
        "-0.0",
        "1e-400",
        "true",
        "null",
        "NaN",
        "Infinity",
        "1E5",
        "01",
        "1.",
    ]
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),  # json.dumps writes NaN and Infinity as such
    any_text,
    st.sampled_from(
        ["read:users", "read:users admin", " ", "a\nb", "a\r\nX: y", '"', "\\", "\0", "\u2028", "a" * 300]
    ),
)
any_json = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)
nested = st.builds(
    lambda depth, pair: pair[0] * depth + "1" + pair[1] * depth,
    st.integers(1, 6000),
    st.sampled_from([("[", "]"), ('{"a":', "}"), ("[", "")]),
)
names = st.one_of(
    st.sampled_from(
        [
            *("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "client_id", "azp", "scope", "scp", "permissions"),
            *("realm_access", "cnf", "nonce", "token_use", "acr", "auth_time", "org_id", ""),
        ]
    ),
    any_text,
)
header_names = st.sampled_from(
    ["alg", "kid", "typ", "crit", "b64", "zip", "enc", "cty", "jwk", "jku", "x5u", "x5c", "x5t", "epk", ""]
)


def raw(members: dict[str, Any], extra: list[tuple[str, str]]) -> str:
    """A JSON object with members whose values are given as text, names repeated as they come."""
    written = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in members.items()]
    written += [f"{json.dumps(name)}: {value}" for name, value in extra]
    return "{" + ", ".join(written) + "}"


def answer_of(
    request: Any, needs: Any, *, server: ResourceServer = SERVER, optional: bool = False, secret: str = ""
) -> str:
    """Authorize, and look at the denial from all sides."""
    try:
        token = server.authorize(request, needs, optional=optional)
    except AccessDenied as denied:
        _inspect(denied, secret)
        return str(denied.finding.code)
    assert token is None or isinstance(token, VerifiedToken)
    if token is not None:
        # What an application may look at never raises either.
        repr(token), token.subject, token.issuer, token.audience, token.client_id, token.expires_at
        assert all(isinstance(scope, str) for scope in token.scopes)
        json.dumps(token.claims, allow_nan=False)  # as Starlette writes a response
    return "let in"


CONTROLS = {"Cc", "Zl", "Zp", "Cs"}  # control characters, line and paragraph separators, lone surrogates


def _inspect(denied: AccessDenied, secret: str) -> None:
    assert denied.status in {400, 401, 403, 503}
    assert (denied.challenge is None) == (denied.status == 503)
    body = json.dumps(denied.body)
    for name, value in denied.headers.items():
        line = f"{name}: {value}"
        line.encode("latin-1")
        assert line.isprintable(), "a header that a client wrote into"
    log = str(denied)
    log.encode()
    for line in [log, *map(str, denied.findings)]:
        assert not CONTROLS.intersection(map(unicodedata.category, line)), "a log that a client can write into"
        assert len(line) < 20_000
    for part in secret.split("."):
        if len(part) >= 16:
            told = [body, log, *denied.headers.values(), repr(denied)]
            assert not any(part in text for text in told), "a part of the token is told"


@often(500)
@given(st.one_of(any_text, st.binary(max_size=60).map(lambda data: data.decode("latin-1"))), st.booleans())
@example("Bearer", False)
@example("Bearer " + "a" * 20_000, False)
@example("Bearer ..", False)
@example("Bearer \ud800.\ud800.\ud800", False)
@example("Bearer a,Bearer b", False)
@example("\0", True)
def test_any_header_text_is_answered(header, optional):
    event(answer_of(header, authenticated(), optional=optional))
    event(answer_of("Bearer " + header, authenticated(), optional=optional))


@often(200)
@given(
    st.lists(any_text, max_size=3), st.dictionaries(st.sampled_from(["origin", "Authorization", "host"]), any_text)
)
def test_any_request_is_answered(authorization, headers):
    event(answer_of(Request(authorization, headers=headers), authenticated()))
    event(answer_of(Request(headers=headers), authenticated()))


@often(400)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.booleans())
def test_any_parts_are_answered(parts, signed):
    """Well-encoded parts of anything, in any number, with a real signature or without."""
    token = ".".join(map(b64, parts))
    if signed:
        token += "." + b64(signature(token, "EdDSA"))
    event(answer_of(f"Bearer {token}", authenticated(), secret=token))


@often(800)
@given(
    st.dictionaries(names, any_json, max_size=4),
    st.lists(st.tuples(names, raw_numbers | nested), max_size=1),
    st.sampled_from(SERVERS),
    st.sampled_from(NEEDS),
)
def test_any_claims_under_a_real_signature_are_answered(claims, extra, server, needs):
    algorithm = "EdDSA" if server is not SERVERS[-1] else "RS256"
    token = sign(good_header(algorithm), raw({**good_claims(), **claims}, extra), algorithm)
    event(answer_of(f"Bearer {token}", needs, server=server, secret=token))
    event(answer_of(f"Bearer {token}", needs, server=server, secret=token))  # from the token cache, if it is there


@often(400)
@given(
    st.dictionaries(header_names | names, any_json, max_size=3),
    st.lists(st.tuples(header_names, raw_numbers | nested), max_size=1),
)
def test_any_header_members_under_a_real_signature_are_answered(members, extra):
    token = sign(raw({**good_header(), **members}, extra), good_claims())
    event(answer_of(f"Bearer {token}", "read:users", secret=token))


@often(200)
@given(any_json, any_json)
def test_any_json_as_header_and_claims_is_answered(header, claims):
    token = sign(header, claims)
    event(answer_of(f"Bearer {token}", authenticated(), secret=token))


TIMES = [
    "9" * 400,
    "9" * 5000,
    "1e400",
    "-1e400",
    "1e308",
    "-1e308",
    "-0",
    "-0.0",
    "true",
    "null",
    '"1"',
    "[]",
    "{}",
    "NaN",
]


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", TIMES, ids=[value[:8] for value in TIMES])
def test_a_time_of_any_size_and_type_is_answered(name, value):
    claims = {key: member for key, member in good_claims().items() if key != name}
    token = sign(good_header(), raw(claims, [(name, value)]))
    assert answer_of(f"Bearer {token}", authenticated(), secret=token) in {
        *("let in", "expired", "not_yet_valid", "bad_claim", "malformed_token")
    }


@pytest.mark.parametrize("claim", ["scope", "permissions", "roles"])
def test_a_line_break_in_a_claim_writes_no_line_into_the_log(claim):
    token = sign(good_header(), {**good_claims(), "scope": "x", claim: "a\nERROR all is lost\r\x1b[2J"})
    assert answer_of(f"Bearer {token}", "read:users", secret=token).startswith("scope")


def test_a_line_break_in_the_name_of_a_claim_writes_no_line_into_the_log():
    token = sign(good_header(), {**good_claims(), "scope": "x", "a\nERROR all is lost": "read:users"})
    assert answer_of(f"Bearer {token}", "read:users", secret=token).startswith("scope")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity"])
def test_a_number_that_json_cannot_say_never_reaches_the_claims(number):
    """An API that answers with a claim would fail to write it: a 500 that a token caused."""
    token = sign(good_header(), raw(good_claims(), [("level", f'{{"of": [{number}]}}')]))
    assert answer_of(f"Bearer {token}", authenticated(), secret=token) in {"malformed_token", "bad_claim"}


@often(200)
@given(
    st.dictionaries(names, any_json, max_size=4),
    st.dictionaries(header_names, any_json, max_size=1),
    st.sampled_from(SERVERS),
    st.sampled_from(NEEDS),
)
def test_an_explanation_never_raises_and_says_what_authorize_does(claims, members, server, needs):
    algorithm = "EdDSA" if server is not SERVERS[-1] else "RS256"
    token = sign({**good_header(algorithm), **members}, {**good_claims(), **claims}, algorithm)
    _explain(server, f"Bearer {token}", needs, secret=token)


@often(200)
@given(any_text)
def test_any_header_text_is_explained(header):
    _explain(SERVER, header, authenticated())
    _explain(SERVER, "Bearer " + header, authenticated())


def _explain(server: ResourceServer, header: str, needs: Any, *, secret: str = "") -> None:
    explanation = server.explain(header, needs)
    assert explanation.allowed is (answer_of(header, needs, server=server) == "let in")
    told = [explanation.to_text(), explanation.to_json(), explanation.to_html(), repr(explanation)]
    json.loads(told[1])
    for text in told:
        text.encode()
    for part in secret.split("."):
        assert len(part) < 16 or not any(part in text for text in told), "a part of the token is told"


# ── scopes: what stands there, and nothing else ──


@often(800)
@given(st.dictionaries(names, any_json, max_size=4), names | st.lists(names, min_size=2, max_size=3).map(tuple))
def test_a_claim_grants_only_what_stands_there_literally(claims, claim):
    reading = read_scopes(claims, claim)
    value: Any = claims
    for name in (claim,) if isinstance(claim, str) else claim:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        literal = set(value.split(" ")) - {""}
    elif isinstance(value, list):
        literal = {element for element in value if isinstance(element, str) and element}
    else:
        literal = set()
    assert reading.granted == literal
    assert "" not in reading.granted
    assert reading.problem is None or isinstance(reading.problem, str)


@pytest.mark.parametrize("spelled", [" ".join, list], ids=["a string", "a list"])
def test_a_claim_of_too_many_scopes_grants_none_of_them(spelled):
    names = [f"s{number}" for number in range(MAX_SCOPES + 1)]
    assert read_scopes({"scope": spelled(names)}, "scope").granted == frozenset()
    assert len(read_scopes({"scope": spelled(names[:-1])}, "scope").granted) == MAX_SCOPES


@often(300)
@given(any_json, st.sampled_from(["read:users", "READ:USERS", "read:user"]))
def test_a_scope_is_granted_if_and_only_if_it_stands_in_the_claim(value, scope):
    """Through the whole server, with a real signature."""
    token = sign(good_header(), {**good_claims(), "scope": value})
    answer = answer_of(f"Bearer {token}", scope, secret=token)
    event(answer)
    if answer == "let in":
        assert scope in (value.split(" ") if isinstance(value, str) else value)
