"""The decision and its explanation never disagree, and an explanation takes whatever it is given.

Hypothesis makes headers, tokens that are signed whatever they hold, tokens that were damaged afterwards, and
settings; each is decided and explained.
"""

from __future__ import annotations

import json
import os
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from jwtauthz import (
    AccessDenied,
    Code,
    Issuer,
    KeySet,
    RemoteKeySet,
    ResourceServer,
    all_of,
    any_of,
    authenticated,
)
from jwtauthz.testing import FakeClock, FakeIssuer
from jwtauthz.testing._signing import compact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jwtauthz.explain import Explanation

URL, AUDIENCE, NOW = "https://issuer.test/", "https://api.example.com", 1_800_000_000
SCRIPT = "</td><script src='https://example.com/x.js'>alert(1)</script>"
IN_CI = os.environ.get("CI") == "true"  # there every run draws the same examples, so that none fails by chance


def often(examples: int) -> Any:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=IN_CI,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.fixture(scope="module")
def mint() -> FakeIssuer:
    return FakeIssuer(network=False, algorithm="ES256", clock=FakeClock(NOW))


@pytest.fixture(scope="module")
def keys(mint) -> KeySet:
    return mint.key_set


# ── what is sent, and to whom ──

TEXTS = st.sampled_from(
    [
        *("read:users", "read:users write:users", "READ:USERS", "read", "read:*", "read:users,write:users"),
        *("openid profile email", "", " ", "admin", "\x1b[31mred", "line\nbreak", "\u202ex", SCRIPT, "a" * 500),
        *(URL, URL.rstrip("/"), "http://issuer.test/", "https://acme.eu.auth0.com/", "https://sts.windows.net/1/"),
        *("https://[bad", "api://x", AUDIENCE, f"{AUDIENCE}/", "account", "https://acme.eu.auth0.com/api/v2/"),
    ]
) | st.text(max_size=20)
NUMBERS = (
    st.sampled_from([0, -1, NOW, NOW - 60, NOW + 600, NOW * 1000, 10**30, 10**400, -(10**20), 1.5, 1e308])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
CLAIM_NAMES = (
    st.sampled_from(
        [
            *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp", "cnf", "nonce", "token_use"),
            *("scope", "scp", "permissions", "roles", "realm_access", "https://example.com/roles", SCRIPT),
        ]
    )
    | TEXTS
)
HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "b64", "zip", "enc", "cty", "jwk", "x"]) | TEXTS
HEADER_VALUES = (
    st.sampled_from(["ES256", "RS256", "HS256", "none", "JWT", "at+jwt", "AT+JWT", "dpop+jwt", "k" * 300]) | VALUES
)
DAMAGES = st.sampled_from(
    [
        *["{0}"] * 24,
        *("{0}=", "{0}\n", '"{0}"', "{0}%0A", "{0}.x", "x{0}", "{0}x", "{0} {0}", "{0},{0}"),
        *("{1}", "{1}.", "Bearer {0}", "{0}, Bearer {0}"),
    ]
)
SCHEMES = st.sampled_from([*["Bearer "] * 12, "bearer  ", "BEARER ", "Bearer", "Token ", ""])
NEEDS = st.sampled_from(
    [
        ("read:users",),
        ("read:users", "write:users"),
        (any_of("read:users", "admin", claim="permissions"),),
        (all_of("read:users", any_of("a", "b", claim=("realm_access", "roles"))),),
        (authenticated(),),
        (lambda token, request: False,),
        (lambda token, request: token.subject == "user-1",),
        ("read:users", lambda token, request: 1 / 0),
    ]
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["default", "rfc9068"]),
        "scopes_from": st.sampled_from(["scp", ("scope", "permissions"), [("realm_access", "roles"), "scope"]]),
    },
)


@st.composite
def headers(draw, mint: FakeIssuer) -> str:
    claims: dict[str, Any] = {"iss": URL, "sub": "user-1", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 600}
    jose: dict[str, Any] = {"alg": "ES256", "typ": "JWT", "kid": mint.kid}
    claims.update(draw(st.dictionaries(CLAIM_NAMES, VALUES, max_size=4)))
    jose.update(draw(st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=2)) if draw(st.booleans()) else {})
    claims.pop(draw(st.sampled_from(["", "", "", "", "", "", "iss", "sub", "aud", "exp", "iat"])), None)
    try:
        token = compact(jose, claims, mint._signing_key())
    except UnicodeEncodeError:  # a lone surrogate, which no JSON text can carry
        token = "e30.e30.e30"
    return draw(SCHEMES) + draw(DAMAGES).format(token, token.rpartition(".")[0])


def servers(mint: FakeIssuer, keys: KeySet, options: dict[str, Any], several: bool) -> ResourceServer:
    issuers = [Issuer(URL, key_set=keys, algorithms="ES256", **options)]
    if several:
        issuers.append(Issuer("https://acme.eu.auth0.com/", key_set=keys, algorithms="ES256"))
    return ResourceServer(issuers, AUDIENCE, clock=FakeClock(NOW))


# ── what is asserted of each ──


def decide(server: ResourceServer, header: str, needs: tuple[Any, ...]) -> AccessDenied | None:
    try:
        server.authorize(header, *needs)
    except AccessDenied as denied:
        return denied
    return None


def check_agreement(server: ResourceServer, header: str, needs: tuple[Any, ...]) -> Explanation:
    explained = server.explain(header, *needs)
    denied = decide(server, header, needs)
    if denied is None:
        assert (explained.allowed, explained.status, explained.finding) == (True, 200, None)
        assert {step.verdict for step in explained.steps} == {"passed"}
        assert explained.verified
        return explained
    assert (explained.allowed, explained.status) == (False, denied.status)
    assert explained.finding == explained.findings[0] == denied.finding
    assert denied.explanation is not None
    assert denied.explanation.to_dict() == explained.to_dict()
    check_reason(explained)
    return explained


def check_reason(explained: Explanation) -> None:
    """The first failed step is what decided, or it is one of two steps that decide later than they stand."""
    failed = [step for step in explained.steps if step.verdict == "failed"]
    assert failed
    assert all(step.finding is not None for step in failed)
    decided = explained.finding
    if failed[0].finding.code == decided.code:
        return
    deciding = [step.name for step in failed if step.finding.code == decided.code]
    # An issuer that is not accepted is refused before anything else is looked at; and a token that its claims
    # refuse is refused by them, whether or not its key is known: it is worth no fetch.
    assert "issuer" in deciding or failed[0].name == "key", (decided, failed)


class Tags(HTMLParser):
    """Collects the tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


TAGS = {
    *("details", "summary"),
    *("html", "head", "meta", "title", "style", "body", "main", "section", "p", "h1", "h2", "a", "code", "span"),
    *("ul", "li", "dl", "dt", "dd", "table", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "id", "aria-labelledby", "open", "scope"}


def check_forms(explained: Explanation, header: str) -> None:
    text, document, page = explained.to_text(), explained.to_json(), explained.to_html()
    assert json.loads(document) == explained.to_dict()
    found = Tags(page)
    assert found.tags <= TAGS, found.tags - TAGS
    assert found.attributes <= ATTRIBUTES, found.attributes - ATTRIBUTES
    page.encode()
    text.encode()
    for secret in secrets(header):
        assert secret not in text
        assert secret not in document
        assert secret not in page


def secrets(header: str) -> Iterator[str]:
    """What of a header must be shown nowhere: the parts of a token."""
    yield from (part for part in re.split(r"[^A-Za-z0-9_-]+", header) if len(part) > 40)


@often(400)
@given(data=st.data(), needs=NEEDS, options=SETTINGS, several=st.booleans())
def test_of_any_token(mint, keys, data, needs, options, several):
    header = data.draw(headers(mint))
    server = servers(mint, keys, options, several)
    explained = check_agreement(server, header, needs)
    check_forms(explained, header)
    event(str(explained.finding.code) if explained.finding else "allowed")


@often(300)
@given(
    header=st.text(max_size=60)
    | st.builds("Bearer {}".format, st.text(max_size=60))
    | st.builds("{}.{}.{}".format, *[st.text("eyJ0-_=. \n\"'%", max_size=20)] * 3)
    | st.binary(max_size=60).map(lambda data: "Bearer " + data.decode("latin-1"))
)
@example("Bearer " + "[" * 100_000)
@example("Bearer " + "." * 20_000)
@example("Bearer \ud800.x.y")
@example("\ud800")
@example("Bearer " + SCRIPT)
def test_of_any_header(mint, keys, header):
    explained = check_agreement(servers(mint, keys, {}, several=False), header, ("read:users",))
    assert explained.status in {400, 401}
    check_forms(explained, "")


@often(150)
@given(scope=TEXTS, permissions=st.lists(TEXTS, max_size=3), name=TEXTS, needs=NEEDS)
@example("x", ["\x1b[2J", "\nALLOWED"], "x", (any_of("read:users", "admin", claim="permissions"),))
def test_no_form_holds_a_control_character(mint, keys, scope, permissions, name, needs):
    claims = {"iss": URL, "aud": AUDIENCE, "exp": NOW + 60, "scope": scope, "permissions": permissions}
    try:
        token = compact({"alg": "ES256", "kid": mint.kid}, {name: name, **claims}, mint._signing_key())
    except UnicodeEncodeError:
        return
    explained = servers(mint, keys, {}, several=False).explain(f"Bearer {token}", *needs)
    for line in explained.to_text().split("\n"):
        assert line.isprintable()
    assert explained.to_json().isascii()
    assert not set(explained.to_html()) & {chr(code) for code in range(32) if chr(code) != "\n"}


@pytest.mark.parametrize("deciding", [Code.WRONG_ISSUER, Code.WRONG_AUDIENCE])
def test_what_decides_need_not_be_the_first_failure(mint, keys, deciding):
    """The two cases that `check_reason` lets pass are real."""
    server = servers(mint, keys, {}, several=False)
    if deciding is Code.WRONG_ISSUER:
        token, first = mint.token(iss="https://other.example/", headers={"alg": "RS256"}), "algorithm"
    else:
        token, first = mint.token(audience="https://other.example.com", kid="another"), "key"
    explained = check_agreement(server, f"Bearer {token}", ("read:users",))
    assert explained.finding.code is deciding
    assert next(step.name for step in explained.steps if step.verdict == "failed") == first


@pytest.fixture
def unreachable() -> Iterator[FakeIssuer]:
    """An issuer that is down, and may come back."""
    with FakeIssuer(algorithm="ES256", clock=FakeClock(NOW)) as issuer:
        issuer.stop()
        yield issuer


def test_keys_that_are_out_of_reach_are_no_verdict_on_the_token(unreachable):
    server = ResourceServer(Issuer(unreachable.url, algorithms="ES256"), AUDIENCE, clock=unreachable.clock)
    token = unreachable.token(scope="read:users")
    explained = check_agreement(server, f"Bearer {token}", ("read:users",))
    assert (explained.status, explained.finding.code) == (503, Code.KEYS_UNAVAILABLE)
    assert [step.name for step in explained.steps if step.verdict == "failed"] == ["key"]
    assert [step.name for step in explained.steps if step.verdict == "not reached"] == ["signature"]
    assert not explained.verified


def test_an_explanation_that_is_asked_for_late_still_says_what_failed(unreachable):
    key_set = RemoteKeySet(issuer=unreachable.url)
    server = ResourceServer(
        Issuer(unreachable.url, algorithms="ES256", key_set=key_set), AUDIENCE, clock=unreachable.clock
    )
    denied = decide(server, f"Bearer {unreachable.token(scope='read:users')}", ("read:users",))
    unreachable.start()
    key_set.refresh()
    assert denied.finding.code is Code.KEYS_UNAVAILABLE
    assert any(step.verdict == "failed" for step in denied.explanation.steps)


@pytest.mark.parametrize(("answer", "code"), [(True, Code.REVOKED), (None, Code.REVOCATION_UNAVAILABLE)])
def test_a_revoked_token_has_a_step_that_failed(mint, keys, answer, code):
    def revoked(token):
        return answer if answer is not None else 1 / 0

    issuer = Issuer(URL, key_set=keys, algorithms="ES256")
    server = ResourceServer(issuer, AUDIENCE, clock=FakeClock(NOW), revoked=revoked)
    explained = server.explain(f"Bearer {mint.token(scope='read:users')}", "read:users")
    assert explained.finding.code is code
    assert any(step.verdict == "failed" for step in explained.steps)
