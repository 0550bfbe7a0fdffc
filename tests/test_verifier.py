"""The verifier: several issuers side by side, and the memory of verified tokens that never decides anything."""

from __future__ import annotations

import gc
import sys
from types import FunctionType, ModuleType

import pytest

from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    Finding,
    Issuer,
    KeySet,
    KeySetUnavailable,
    ResourceServer,
    VerifiedToken,
    Verifier,
    authenticated,
)
from jwtauthz.keys.jwk import Found
from jwtauthz.keys.key import Key
from jwtauthz.testing import FakeClock, FakeIssuer
from jwtauthz.testing._signing import SigningKey, compact
from jwtauthz.token_cache import TokenCache

AUDIENCE = "https://api.example.com"
NOW = int(FakeClock().now)


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


@pytest.fixture(scope="module")
def mint() -> FakeIssuer:
    """An issuer without a network under a clock that stands still."""
    return FakeIssuer(network=False, algorithm="ES256", clock=FakeClock())


class Shelf:
    """A key source whose keys can be changed, and that can be out of order; says what it was asked."""

    ready = True

    def __init__(self, key_set: KeySet) -> None:
        self.key_set = key_set
        self.unavailable = False
        self.stale = False
        self.asked = []
        self.rechecked = 0

    def find(self, kid, alg, *, after=None):
        self.asked.append((kid, alg, after))
        if self.unavailable:
            raise KeySetUnavailable("the issuer is on holiday", retry_after=9)
        return Found(self.key_set.find(kid, alg).keys, stale=self.stale)

    def recheck(self, found):
        self.rechecked += 1


@pytest.fixture
def shelf(mint):
    return Shelf(mint.key_set)


@pytest.fixture
def checks(monkeypatch):
    """Counts the signatures that are checked."""
    counted = []
    verify = Key.verify

    def count(self, alg, signing_input, signature):
        counted.append(self.kid)
        return verify(self, alg, signing_input, signature)

    monkeypatch.setattr(Key, "verify", count)
    return counted


def verifier_of(mint, key_set, *, token_cache=100, leeway=0.0, **settings) -> Verifier:
    issuer = Issuer(mint.url, key_set=key_set, algorithms=(mint.algorithm,), **settings)
    return Verifier([issuer], audience=frozenset({AUDIENCE}), leeway=leeway, token_cache=token_cache)


def code(result) -> str | None:
    """The code of a finding, or None for a verified token."""
    if isinstance(result, Finding):
        return result.code
    assert isinstance(result, VerifiedToken)
    return None


def known(verifier: Verifier, token: str, now: float = NOW) -> str:
    """The token, when it has come often enough to be remembered, if it ever is."""
    for _ in range(2):
        assert code(verifier.verify(token, now)) is None
    return token


def marks(verifier: Verifier) -> int:
    return sum(mark != 0 for mark in verifier._marks)


def place(verifier: Verifier, token: str) -> int:
    """Where a token leaves its mark."""
    return hash(token[-40:]) % len(verifier._marks)


class TestTheCache:
    def test_a_token_is_remembered_from_its_second_time_on(self, mint, shelf, checks):
        verifier, token = verifier_of(mint, shelf), mint.token(scope="a")
        seen = [verifier.verify(token, NOW) for _ in range(5)]
        assert [code(each) for each in seen] == [None] * 5
        assert seen[0].claims == seen[4].claims
        assert seen[1] is seen[4]
        assert checks == [mint.kid] * 2

    def test_a_token_that_comes_once_leaves_nothing_but_a_mark(self, mint, shelf):
        verifier, tokens = verifier_of(mint, shelf), [mint.token(jti=str(number)) for number in range(50)]
        for token in tokens:
            assert code(verifier.verify(token, NOW)) is None
        assert len(verifier._cache) == 0
        assert marks(verifier)
        assert set(verifier._marks) <= {0, *(hash(token[-40:]) for token in tokens)}

    def test_none_means_that_every_look_costs_one(self, mint, shelf, checks):
        verifier, token = verifier_of(mint, shelf, token_cache=None), mint.token()
        assert code(verifier.verify(token, NOW)) is code(verifier.verify(token, NOW)) is None
        assert len(checks) == 2

    def test_two_tokens_are_two(self, mint, shelf):
        verifier = verifier_of(mint, shelf)
        first, second = mint.token(subject="a"), mint.token(subject="b")
        for _ in range(2):
            assert verifier.verify(first, NOW).subject == "a"
            assert verifier.verify(second, NOW).subject == "b"

    @pytest.mark.parametrize("token_cache", [case("with the cache", 100), case("without the cache", None)])
    class TestForgetsWhatNoLongerHolds:
        def test_a_removed_key_is_refused_on_the_next_look(self, mint, shelf, token_cache):
            verifier, token = verifier_of(mint, shelf, token_cache=token_cache), mint.token()
            known(verifier, token)
            shelf.key_set = KeySet.from_jwks({"keys": [SigningKey("ES256").jwk]})
            assert code(verifier.verify(token, NOW)) == Code.KEY_UNKNOWN
            shelf.key_set = mint.key_set
            assert code(verifier.verify(token, NOW)) is None

        def test_a_key_replaced_under_its_own_id_too(self, mint, shelf, token_cache):
            verifier, token = verifier_of(mint, shelf, token_cache=token_cache), mint.token()
            known(verifier, token)
            shelf.key_set = KeySet.from_jwks({"keys": [{**SigningKey("ES256").jwk, "kid": mint.kid}]})
            assert code(verifier.verify(token, NOW)) == Code.BAD_SIGNATURE

        def test_a_key_that_joins_others_under_one_id_does_no_harm(self, mint, shelf, token_cache):
            verifier, token = verifier_of(mint, shelf, token_cache=token_cache), mint.token()
            known(verifier, token)
            other = {**SigningKey("ES256").jwk, "kid": mint.kid}
            shelf.key_set = KeySet.from_jwks({"keys": [other, *mint.jwks()["keys"]]})
            assert code(verifier.verify(token, NOW)) is None

        @pytest.mark.parametrize(
            ("leeway", "claims", "good_at", "bad_at", "why"),
            [
                case("its expiry comes", 0, {"exp": NOW + 10}, NOW + 9.9, NOW + 10, Code.EXPIRED),
                case("its expiry comes, leeway over", 5, {"exp": NOW + 10}, NOW + 14.9, NOW + 15, Code.EXPIRED),
                case("the clock is set back before nbf", 0, {"nbf": NOW}, NOW, NOW - 1, Code.NOT_YET_VALID),
                case("the clock is set back before iat", 0, {"iat": NOW}, NOW, NOW - 1, Code.NOT_YET_VALID),
                case("further back than the leeway", 5, {"nbf": NOW}, NOW - 5, NOW - 5.5, Code.NOT_YET_VALID),
            ],
        )
        def test_time_is_looked_at_each_time(self, mint, shelf, token_cache, leeway, claims, good_at, bad_at, why):
            verifier = verifier_of(mint, shelf, token_cache=token_cache, leeway=float(leeway))
            token = mint.token(**{"iat": NOW - 100, "exp": NOW + 1000, **claims})
            known(verifier, token, good_at)
            assert code(verifier.verify(token, good_at)) is None
            assert code(verifier.verify(token, bad_at)) == why
            assert code(verifier.verify(token, good_at)) is None

        def test_an_outage_is_no_reason_to_let_in(self, mint, shelf, token_cache):
            verifier, token = verifier_of(mint, shelf, token_cache=token_cache), mint.token()
            known(verifier, token)
            shelf.unavailable = True
            with pytest.raises(KeySetUnavailable):
                verifier.verify(token, NOW)

        def test_keys_that_are_stale_show_in_the_token(self, mint, shelf, token_cache):
            verifier, token = verifier_of(mint, shelf, token_cache=token_cache), mint.token()
            seen = []
            for stale in (False, False, False, True, True, True, False, False):
                shelf.stale = stale
                seen.append(verifier.verify(token, NOW).stale)
            assert seen == [False, False, False, True, True, True, False, False]

    def test_a_key_of_another_issuer_with_the_same_id_is_no_substitute(self, mint):
        ours, theirs = SigningKey("ES256"), SigningKey("ES256")
        shelves = [Shelf(KeySet.from_jwks({"keys": [{**key.jwk, "kid": "k"}]})) for key in (ours, theirs)]
        urls = "https://one.test/", "https://two.test/"
        verifier = Verifier(
            [Issuer(url, key_set=shelf, algorithms="ES256") for url, shelf in zip(urls, shelves, strict=True)],
            audience=frozenset({AUDIENCE}),
            leeway=0.0,
            token_cache=100,
        )
        header = {"alg": "ES256", "typ": "JWT", "kid": "k"}
        tokens = [
            compact(header, {"iss": url, "aud": AUDIENCE, "exp": NOW + 60}, key)
            for url in urls
            for key in (ours, theirs)
        ]
        for _ in range(3):
            expected = [None, Code.BAD_SIGNATURE, Code.BAD_SIGNATURE, None]
            assert [code(verifier.verify(token, NOW)) for token in tokens] == expected
        # The first issuer drops its key and the second one publishes that very key: still no reason.
        shelves[0].key_set, shelves[1].key_set = shelves[1].key_set, shelves[0].key_set
        assert code(verifier.verify(tokens[0], NOW)) == Code.BAD_SIGNATURE

    def test_remembers_only_what_was_good(self, mint, shelf):
        verifier = verifier_of(mint, shelf)
        for token in (mint.forged_token(), mint.unsigned_token(), mint.token(expires_in=-1), "a.b.c", "x"):
            for _ in range(3):
                assert isinstance(verifier.verify(token, NOW), Finding)
        assert len(verifier._cache) == marks(verifier) == 0
        known(verifier, mint.token())
        assert len(verifier._cache) == 1

    def test_remembers_no_more_than_it_is_told_to(self, mint, shelf):
        verifier = verifier_of(mint, shelf, token_cache=10)
        for number in range(50):
            known(verifier, mint.token(jti=str(number)))
            assert len(verifier._cache) <= 10
            assert len(verifier._marks) == 40
        assert len(verifier._cache) >= 5

    def test_keeps_what_is_used_while_others_come_and_go(self, mint, shelf, checks):
        verifier, hot = verifier_of(mint, shelf, token_cache=10), mint.token(jti="hot")
        others = [mint.token(jti=str(number)) for number in range(100)]
        # Those whose mark would push its own away stay away; the next test has one.
        places, own = len(verifier._marks), place(verifier, hot)
        others = [other for other in others if place(verifier, other) not in (own, (own + 1) % places)][:50]
        for other in others:
            verifier.verify(hot, NOW)
            known(verifier, other)
        assert len(checks) == 2 * len(others) + 2

    def test_half_as_many_as_are_remembered_hardly_ever_lose_their_marks(self, mint, shelf, checks):
        verifier, tokens = verifier_of(mint, shelf, token_cache=64), [mint.token(jti=str(n)) for n in range(16)]
        for _ in range(50):
            for token in tokens:
                assert code(verifier.verify(token, NOW)) is None
        assert len(checks) < 0.1 * 50 * len(tokens)

    def test_a_cache_of_any_size_is_built_at_once(self, mint, shelf):
        assert len(verifier_of(mint, shelf, token_cache=sys.maxsize)._marks) == 64 * 1024

    def test_whose_mark_another_one_took_is_checked_once_more_and_still_remembered(self, mint, shelf, checks):
        verifier, token = verifier_of(mint, shelf, token_cache=10), mint.token(jti="hot")
        known(verifier, token)
        verifier._marks = [0] * len(verifier._marks)
        seen = [code(verifier.verify(token, NOW)) for _ in range(3)]
        assert (seen, len(checks)) == ([None] * 3, 3)

    def test_remembers_no_token_of_more_than_4_kib(self, mint, shelf, checks):
        verifier, large = verifier_of(mint, shelf), mint.token(x="x" * 4000)
        for _ in range(3):
            assert code(verifier.verify(large, NOW)) is None
        assert len(verifier._cache) == 0
        assert len(checks) == 3

    def test_keeps_no_token_that_could_be_sent(self, mint, shelf):
        verifier, token = verifier_of(mint, shelf), mint.token(scope="a")
        known(verifier, token)
        _, payload, signature = token.split(".")
        assert len(verifier._cache) == 1
        texts = list(held_by(verifier))
        assert any(len(text) == 32 for text in texts if isinstance(text, bytes))  # the digest
        for text in texts:
            shown = text if isinstance(text, str) else text.decode("latin-1")
            assert payload not in shown
            assert signature not in shown

    def test_who_has_waited_for_keys_waits_no_second_time(self, mint, shelf):
        verifier, token, flight = verifier_of(mint, shelf), mint.token(), object()
        known(verifier, token)
        verifier.verify(token, NOW, flight)
        assert [after for _, _, after in shelf.asked] == [None, None, flight]

    def test_headers_are_remembered_of_good_tokens_alone_and_not_without_end(self, mint, shelf):
        verifier = verifier_of(mint, shelf)
        for number in range(100):
            headers = {"x": number}
            assert code(verifier.verify(mint.forged_token(headers=headers), NOW)) == Code.BAD_SIGNATURE
        assert len(verifier._headers) == 0
        for number in range(100):
            assert code(verifier.verify(mint.token(headers={"x": number}), NOW)) is None
            assert len(verifier._headers) <= 64
            assert all(len(trusted.good_headers) <= 64 for trusted in verifier._trusted.values())

    def test_a_header_that_repeats_a_claim_is_held_against_every_token(self, mint, shelf):
        verifier, headers = verifier_of(mint, shelf), {"sub": "ada"}
        for _ in range(3):
            assert code(verifier.verify(mint.token(subject="ada", headers=headers), NOW)) is None
            assert code(verifier.verify(mint.token(subject="eve", headers=headers), NOW)) == Code.MALFORMED_TOKEN

    def test_a_header_that_one_issuer_may_use_says_nothing_of_another(self, mint, shelf):
        strict = Issuer("https://strict.test/", key_set=shelf, algorithms="RS256")
        loose = Issuer(mint.url, key_set=shelf, algorithms=(mint.algorithm,))
        verifier = Verifier([loose, strict], audience=frozenset({AUDIENCE}), leeway=0.0, token_cache=100)
        for _ in range(3):
            assert code(verifier.verify(mint.token(), NOW)) is None
            refused = verifier.verify(mint.token(iss="https://strict.test/"), NOW)
            assert code(refused) == Code.ALGORITHM_NOT_ALLOWED


def held_by(thing):
    """Every string and every bytes object that is reachable from it, modules and functions aside."""
    seen, waiting = set(), [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(each))
        if isinstance(each, (str, bytes)):
            yield each
        waiting.extend(gc.get_referents(each))


class TestTokenCache:
    @pytest.mark.parametrize(
        "size",
        [
            *(1, 2, 3, 10, 1024),
        ],
    )
    def test_is_bounded(self, size):
        cache = TokenCache(size)
        for number in range(3 * size):
            cache.put(str(number).encode(), number)
            assert len(cache) <= size
            assert cache.get(str(number).encode()) == number

    def test_forgets(self):
        cache = TokenCache(4)
        for number in range(4):
            cache.put(bytes([number]), number)
        for number in range(4):
            cache.forget(bytes([number]))
            cache.forget(b"never seen")
        assert len(cache) == 0


class TestTheOrderOfThings:
    @pytest.mark.parametrize(
        "token",
        [
            case("an expired one", lambda mint: mint.token(expires_in=-1)),
            case("one for another API", lambda mint: mint.token(audience="https://x.test")),
            case("an ID token", lambda mint: mint.token(nonce="n")),
            case("one that is bound to a key", lambda mint: mint.token(cnf={"jkt": "x"})),
        ],
    )
    def test_a_token_that_is_refused_anyway_is_refused_without_keys_too(self, mint, shelf, token):
        shelf.unavailable = True
        verifier = verifier_of(mint, shelf)
        assert isinstance(verifier.verify(token(mint), NOW), Finding)
        with pytest.raises(KeySetUnavailable):
            verifier.verify(mint.token(), NOW)

    @pytest.mark.parametrize(
        "token",
        [
            case("a malformed one", lambda mint: "a.b.c"),
            case("one of another issuer", lambda mint: mint.token(iss="https://x.test/")),
            case("one of another algorithm", lambda mint: mint.token(headers={"alg": "RS256"})),
            case("an unsigned one", lambda mint: mint.unsigned_token()),
            case("one with an odd key ID", lambda mint: mint.token(kid="k" * 257)),
            case("one with a critical extension", lambda mint: mint.token(headers={"crit": ["x"]})),
        ],
    )
    def test_a_token_that_no_key_could_save_asks_for_none(self, mint, shelf, token):
        assert isinstance(verifier_of(mint, shelf).verify(token(mint), NOW), Finding)
        assert shelf.asked == []

    def test_a_forged_token_is_told_to_be_forged_whatever_else_is_wrong(self, mint, shelf):
        verifier = verifier_of(mint, shelf)
        assert code(verifier.verify(mint.forged_token(expires_in=-1), NOW)) == Code.BAD_SIGNATURE

    def test_a_bad_signature_makes_the_keys_be_looked_at_again_once(self, mint, shelf):
        verifier = verifier_of(mint, shelf)
        verifier.verify(mint.forged_token(), NOW)
        assert shelf.rechecked == 1
        verifier.verify(mint.forged_token(expires_in=-1), NOW)  # refused anyway: not worth a fetch
        verifier.verify(mint.forged_token(), NOW, after=object())  # they have just been looked at
        assert shelf.rechecked == 1

    def test_a_slash_too_many_is_pointed_out(self, mint, shelf):
        finding = verifier_of(mint, shelf).verify(mint.token(iss=mint.url.rstrip("/")), NOW)
        assert finding.code == Code.WRONG_ISSUER
        assert "slash" in finding.hint


class TestSeveralIssuers:
    ONE, TWO = "https://one.test/", "https://two.test/"

    @pytest.fixture
    def keys(self):
        return {self.ONE: SigningKey("ES256", name="one"), self.TWO: SigningKey("Ed25519", name="two")}

    @pytest.fixture
    def server(self, keys):
        def issuer(url, **settings):
            key_set = KeySet.from_jwks({"keys": [keys[url].jwk]})
            return Issuer(url, key_set=key_set, algorithms=keys[url].algorithm, **settings)

        return ResourceServer(
            [issuer(self.ONE), issuer(self.TWO, audience="two-api", scopes_from=("scp",), profile="rfc9068")],
            audience=AUDIENCE,
            leeway=0,
            clock=FakeClock(),
        )

    def token(self, key, url, aud, *, typ="at+jwt", **claims):
        header = {"alg": key.algorithm, "typ": typ, "kid": key.kid}
        base = {"sub": "s", "client_id": "c", "jti": "j", "iat": NOW, "exp": NOW + 60}
        return "Bearer " + compact(header, {"iss": url, "aud": aud, **base, **claims}, key)

    @pytest.mark.parametrize(
        ("signer", "url", "aud", "typ", "status", "why"),
        [
            case("the first one's own token", ONE, ONE, AUDIENCE, "JWT", 200, None),
            case("the second one's own token", TWO, TWO, "two-api", "at+jwt", 200, None),
            case(
                "the first one's key under the second one's name",
                ONE,
                TWO,
                "two-api",
                "at+jwt",
                401,
                Code.ALGORITHM_NOT_ALLOWED,
            ),
            case(
                "the second one's key under the first one's name",
                TWO,
                ONE,
                AUDIENCE,
                "JWT",
                401,
                Code.ALGORITHM_NOT_ALLOWED,
            ),
            case(
                "the second one's token for the server's audience",
                TWO,
                TWO,
                AUDIENCE,
                "at+jwt",
                401,
                Code.WRONG_AUDIENCE,
            ),
            case(
                "the first one's token for the second one's audience",
                ONE,
                ONE,
                "two-api",
                "JWT",
                401,
                Code.WRONG_AUDIENCE,
            ),
            case(
                "the second one's token by the first one's profile",
                TWO,
                TWO,
                "two-api",
                "JWT",
                401,
                Code.WRONG_TYPE,
            ),
            case("a third one's name", ONE, "https://three.test/", AUDIENCE, "JWT", 401, Code.WRONG_ISSUER),
        ],
    )
    def test_each_has_its_own_rules(self, server, keys, signer, url, aud, typ, status, why):
        token = self.token(keys[signer], url, aud, typ=typ)
        for _ in range(2):
            if why is None:
                assert server.authorize(token, authenticated()).issuer == url
                continue
            with pytest.raises(AccessDenied) as denied:
                server.authorize(token, authenticated())
            assert (denied.value.status, denied.value.finding.code) == (status, why)

    def test_each_has_its_own_scopes(self, server, keys):
        scopes = {"scope": "from-scope", "scp": ["from-scp"]}
        one = server.authorize(self.token(keys[self.ONE], self.ONE, AUDIENCE, **scopes), authenticated())
        two = server.authorize(self.token(keys[self.TWO], self.TWO, "two-api", **scopes), authenticated())
        assert (one.scopes, two.scopes) == ({"from-scope"}, {"from-scp"})

    @pytest.mark.parametrize(
        ("issuers", "audience", "says"),
        [
            case("none at all", [], AUDIENCE, "names no issuer"),
            case("the same one twice", [ONE, ONE], AUDIENCE, "given twice"),
            case(
                "the same one twice in two forms", [ONE, Issuer(ONE, algorithms="ES256")], AUDIENCE, "given twice"
            ),
            case("no audience anywhere", [ONE], None, "No audience for"),
            case(
                "no audience for one of them",
                [Issuer(ONE, audience="a"), TWO],
                None,
                "No audience for 'https://two.test/'|No audience for https://two.test/",
            ),
        ],
    )
    def test_that_make_no_sense_are_refused(self, issuers, audience, says):
        with pytest.raises(ConfigurationError, match=says):
            ResourceServer(issuers, audience)

    def test_that_differ_by_a_slash_are_two(self):
        server = ResourceServer([self.ONE, self.ONE.rstrip("/")], AUDIENCE)
        assert [issuer.url for issuer in server.issuers] == [self.ONE, self.ONE.rstrip("/")]

    def test_that_bring_their_own_audience_need_none_of_the_server(self):
        assert ResourceServer([Issuer(self.ONE, audience="a"), Issuer(self.TWO, audience=["b", "c"])])
