"""The resource server: settings, the forms of a question, revocation, life, log, and the token that it gives."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import json
import logging
import pickle
import threading
import weakref

import pytest

from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    InsufficientScope,
    InvalidToken,
    Issuer,
    KeySet,
    KeySetUnavailable,
    NoCredentials,
    RemoteKeySet,
    Request,
    ResourceServer,
    ServiceUnavailable,
    VerifiedToken,
    all_of,
    any_of,
    authenticated,
)
from jwtauthz.events import Allowed, Denied
from jwtauthz.resource_server import LATER
from jwtauthz.testing import FakeClock, FakeIssuer

AUDIENCE = "https://api.example.com"
URL = "https://issuer.test/"


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


@pytest.fixture(scope="module")
def mint() -> FakeIssuer:
    """An issuer without a network under a clock that stands still."""
    return FakeIssuer(network=False, algorithm="ES256", clock=FakeClock())


@pytest.fixture
def make(mint, clock):
    """Makes a server that trusts `mint`."""

    def build(**settings):
        issuer = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
        return ResourceServer(issuer, AUDIENCE, **{"clock": clock, **settings})

    return build


@pytest.fixture
def bearer(mint):
    """Makes the Authorization header of a token of `mint`."""
    return lambda **claims: f"Bearer {mint.token(**claims)}"


def sync(server, *arguments, **settings):
    return server.authorize(*arguments, **settings)


def in_asyncio(server, *arguments, **settings):
    return asyncio.run(server.aauthorize(*arguments, **settings))


def in_trio(server, *arguments, **settings):
    import trio

    return trio.run(functools.partial(server.aauthorize, *arguments, **settings))


WAYS = [case("threads", sync), case("asyncio", in_asyncio), case("trio", in_trio)]


@pytest.mark.parametrize("ask", WAYS)
class TestAuthorize:
    @pytest.mark.parametrize(
        ("claims", "needs", "options", "status"),
        [
            case("a scope that is there", {"scope": "a"}, ["a"], {}, 200),
            case("a scope that is not", {"scope": "b"}, ["a"], {}, 403),
            case("all of several", {"scope": "a b"}, ["a", "b"], {}, 200),
            case("all of several, one missing", {"scope": "a"}, ["a", "b"], {}, 403),
            case("one of several", {"scope": "b"}, [any_of("a", "b")], {}, 200),
            case("another claim", {"permissions": ["a"]}, ["a"], {"claim": "permissions"}, 200),
            case("a path", {"x": {"y": ["a"]}}, ["a"], {"claim": ("x", "y")}, 200),
            case("a path as a list", {"x": {"y": ["a"]}}, ["a"], {"claim": ["x", "y"]}, 200),
            case("any valid token", {}, [authenticated()], {}, 200),
            case("a function", {"subject": "me"}, [lambda token, request: token.subject == "me"], {}, 200),
            case("a scope and a function", {"scope": "a"}, ["a", lambda token, request: False], {}, 403),
            case("a nested requirement", {"scope": "a c"}, [all_of("a", any_of("b", "c"))], {}, 200),
            case("a function that raises", {}, [lambda token, request: 1 / 0], {}, 503),
            case("an expired token", {"expires_in": -60}, [authenticated()], {}, 401),
        ],
    )
    def test_of_a_token(self, make, bearer, ask, claims, needs, options, status):
        server, header = make(), bearer(**claims)
        for request in (header, Request(header), Request(headers={"Authorization": header}), Request([header])):
            try:
                token = ask(server, request, *needs, **options)
            except AccessDenied as denied:
                assert denied.status == status  # noqa: PT017
            else:
                assert status == 200
                assert isinstance(token, VerifiedToken)

    @pytest.mark.parametrize(
        ("credentials", "outcome"),
        [
            case("no credentials are anonymous", None, None),
            case("an empty request is anonymous", Request(), None),
            case("an empty header is anonymous", "", None),
            case("another scheme is anonymous", "Basic dXNlcjpwYXNz", None),
            case("a malformed header is refused", "Bearer", 400),
            case("a token without a scheme is refused", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", 401),
            case("two tokens are refused", "Bearer a b", 400),
            case("a malformed token is refused", "Bearer a.b.c", 401),
            case("two headers are refused", Request(["Basic a", "Basic b"]), 400),
        ],
    )
    def test_where_a_token_is_optional(self, make, ask, credentials, outcome):
        if outcome is None:
            assert ask(make(), credentials, "a", optional=True) is None
            with pytest.raises(NoCredentials):
                ask(make(), credentials, "a")
            return
        with pytest.raises(AccessDenied) as denied:
            ask(make(), credentials, "a", optional=True)
        assert denied.value.status == outcome

    def test_where_a_token_is_optional_a_short_one_is_refused_and_a_good_one_is_seen(self, make, bearer, ask):
        with pytest.raises(InvalidToken):
            ask(make(), bearer(expires_in=-60), "a", optional=True)
        with pytest.raises(InsufficientScope):
            ask(make(), bearer(scope="b"), "a", optional=True)
        assert ask(make(), bearer(scope="a"), "a", optional=True).scopes == {"a"}

    @pytest.mark.parametrize(
        ("needs", "options", "says"),
        [
            case("nothing", [], {}, r"authenticated\(\)"),
            case("an empty scope", [""], {}, r"authenticated\(\)"),
            case("two scopes in one string", ["a b"], {}, r"all_of\('a', 'b'\)"),
            case("a list", [["a", "b"]], {}, r"any_of\('a', 'b'\)"),
            case("None", [None], {}, "can't ask for None"),
            case("a claim for a function", [lambda token, request: True], {"claim": "c"}, "claim="),
        ],
    )
    def test_of_what_makes_no_sense(self, make, bearer, ask, needs, options, says):
        for credentials in (None, "Bearer a.b.c", bearer(scope="a b")):
            with pytest.raises(ConfigurationError, match=says):
                ask(make(), credentials, *needs, **options)

    def test_a_denial_says_what_would_be_required(self, make, bearer, ask):
        with pytest.raises(InsufficientScope) as denied:
            ask(make(realm="users"), bearer(scope="a"), "a", any_of("b", "c"))
        assert denied.value.required == ("a", {"any_of": ["b", "c"]})
        assert denied.value.challenge["scope"] == "a b"
        assert denied.value.challenge["realm"] == "users"
        assert [finding.expected for finding in denied.value.findings] == ["b", "c"]


class TestADenial:
    @pytest.mark.parametrize("needs", [case("for a scope", "b"), case("for its key", None)])
    @pytest.mark.parametrize(
        "ask",
        [
            case("by authorize", lambda server, *asked: server.authorize(*asked)),
            # No loop: one keeps the exceptions of its tasks for a while.
            case("by aauthorize", lambda server, *asked: server.aauthorize(*asked).send(None)),
            case("at once", lambda server, header, need: server.authorize_at_once(Request(header), all_of(need))),
        ],
    )
    def test_leaves_nothing_to_the_garbage_collector(self, make, mint, ask, needs, monkeypatch):
        monkeypatch.setattr(logging.getLogger("jwtauthz"), "disabled", True)  # pytest keeps the records
        server, header = make(), f"Bearer {mint.token(scope='a') if needs else mint.forged_token()}"

        def denied():
            try:
                ask(server, header, needs or "a")
            except AccessDenied as denial:
                return denial.headers and weakref.ref(denial)

        gc.disable()
        try:
            assert denied()() is None
        finally:
            gc.enable()


class TestPermit:
    def test_asks_one_thing_more(self, make, bearer):
        server, request = make(), Request(bearer(scope="a b", permissions=["p"]), path_params={"id": "1"})
        token = server.authorize(request, "a")
        assert server.permit(token, request, "b") is token
        assert server.permit(token, request, "p", claim="permissions") is token
        assert server.permit(token, request, lambda token, request: request.path_params["id"] == "1") is token
        assert asyncio.run(server.apermit(token, request, "b")) is token

    def test_refuses(self, make, bearer):
        server, request = make(), Request(bearer(scope="a"))
        token = server.authorize(request, "a")
        with pytest.raises(InsufficientScope) as denied:
            server.permit(token, request, "b")
        assert denied.value.challenge["scope"] == "b"
        with pytest.raises(InsufficientScope):
            asyncio.run(server.apermit(token, request, "b"))
        with pytest.raises(ConfigurationError):
            server.permit(token, request)


class TestRevocation:
    def test_is_asked_each_time_of_good_tokens_alone(self, make, bearer):
        asked = []
        server = make(revoked=lambda token: bool(asked.append(token.claims["jti"])))
        for claims in ({"expires_in": -60}, {"audience": "x"}):
            with pytest.raises(InvalidToken):
                server.authorize(bearer(**claims, jti="bad"), "a")
        with pytest.raises(NoCredentials):
            server.authorize(None, "a")
        assert server.authorize(None, "a", optional=True) is None
        assert asked == []
        header = bearer(scope="a", jti="good")
        server.authorize(header, "a")
        server.authorize(header, "a")
        assert asked == ["good", "good"]

    def test_of_a_token_that_was_good_a_moment_ago(self, make, bearer):
        gone = set()
        server, header = make(revoked=lambda token: token.claims["jti"] in gone), bearer(jti="1", scope="a")
        assert server.authorize(header, "a")
        gone.add("1")
        with pytest.raises(InvalidToken) as denied:
            server.authorize(header, "a")
        assert denied.value.finding.code is Code.REVOKED

    def test_goes_before_the_scope(self, make, bearer):
        with pytest.raises(InvalidToken):
            make(revoked=lambda token: True).authorize(bearer(scope="b"), "a")

    @pytest.mark.parametrize("asynchronous", [case("by a function", False), case("by an async function", True)])
    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            case("False lets in", False, 200),
            case("True refuses", True, 401),
            case("None is no answer", None, 503),
            case("0 is no answer", 0, 503),
            case("1 is no answer", 1, 503),
            case("a word is no answer", "no", 503),
            case("an exception is no answer", ValueError("away"), 503),
        ],
    )
    def test_answers(self, make, bearer, caplog, asynchronous, answer, status):
        def revoked(token):
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def arevoked(token):
            await asyncio.sleep(0)
            return revoked(token)

        server = make(revoked=arevoked if asynchronous else revoked)
        ways = [in_asyncio] if asynchronous else [sync, in_asyncio, in_trio]
        for ask in ways:
            caplog.clear()
            if status == 200:
                assert ask(server, bearer(scope="a"), "a")
                continue
            with pytest.raises(AccessDenied) as denied:
                ask(server, bearer(scope="a"), "a")
            assert denied.value.status == status
            assert (denied.value.challenge is None) is (status == 503)
            if status == 503:
                assert int(denied.value.headers["Retry-After"]) >= 1
                assert denied.value.finding.code is Code.REVOCATION_UNAVAILABLE
            if isinstance(answer, Exception):
                assert "away" in caplog.text  # with its traceback
                assert "away" not in str(denied.value)

    def test_that_is_async_needs_an_async_caller(self, make, bearer):
        async def revoked(token):
            return False

        class Revoked:
            async def __call__(self, token):
                return False

        for each in (revoked, Revoked(), functools.partial(revoked)):
            server = make(revoked=each)
            assert server.needs_async
            with pytest.raises(ConfigurationError, match=r"await server.aauthorize\(\.\.\.\)"):
                server.authorize(bearer(scope="a"), "a")
            assert in_asyncio(server, bearer(scope="a"), "a")

    def test_that_turns_out_to_be_async_is_no_answer(self, make, bearer):
        async def revoked(token):
            return False

        server = make(revoked=lambda token: revoked(token))  # noqa: PLW0108  # it hides the async one
        assert not server.needs_async
        with pytest.raises(ServiceUnavailable):
            server.authorize(bearer(scope="a"), "a")
        assert in_asyncio(server, bearer(scope="a"), "a")

    def test_is_not_needed(self, make):
        assert not make().needs_async
        assert not make(revoked=lambda token: False).needs_async

    def test_that_is_cancelled_is_cancelled(self, make, bearer):
        async def revoked(token):
            await asyncio.sleep(60)

        async def give_up():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(make(revoked=revoked).aauthorize(bearer(scope="a"), "a"), 0.02)

        asyncio.run(give_up())


async def _says_yes(token, request=None):
    return True


class TestAtOnce:
    """What doors ask first: a decision, unless something has to be awaited for it."""

    def test_it_is_the_decision(self, make, bearer):
        told = []
        server, needed = make(hooks=told.append), all_of("a")
        request = Request(bearer(scope="a"))
        token = server.authorize_at_once(request, needed)
        assert token.scopes == {"a"}
        assert server.authorize_at_once(Request(None), needed, optional=True) is None
        for denial, headers in ((NoCredentials, None), (InsufficientScope, bearer(scope="b"))):
            with pytest.raises(denial):
                server.authorize_at_once(Request(headers), needed)
        assert [type(event) for event in told] == [Allowed, Allowed, Denied, Denied]
        assert told[0].request is request

    @pytest.mark.parametrize(
        ("settings", "needed"),
        [
            case("an async function of the policy has to be awaited", {}, all_of("a", _says_yes)),
            case("an async revoked= has to be awaited", {"revoked": _says_yes}, all_of("a")),
            case("what any other revoked= returns may have to be", {"revoked": lambda token: False}, all_of("a")),
        ],
    )
    def test_what_has_to_be_awaited_comes_later_and_nobody_is_told(self, make, bearer, settings, needed):
        told = []
        server = make(hooks=told.append, **settings)
        assert server.authorize_at_once(Request(bearer(scope="a")), needed) is LATER
        assert server.authorize_at_once(Request(None), needed) is LATER
        assert told == []

    def test_keys_that_have_to_be_fetched_come_later(self):
        with FakeIssuer(audience=AUDIENCE) as issuer, ResourceServer(issuer.url, AUDIENCE) as server:
            request = Request(f"Bearer {issuer.token(scope='a')}")
            assert server.authorize_at_once(request, all_of("a")) is LATER
            assert asyncio.run(server.aauthorize(request, "a")).scopes == {"a"}
            assert server.authorize_at_once(request, all_of("a")).scopes == {"a"}
            assert issuer.fetches("/.well-known/jwks.json") == 1


ENVIRONMENT = {"JWTAUTHZ_ISSUER": URL, "JWTAUTHZ_AUDIENCE": AUDIENCE}


class TestFromTheEnvironment:
    def test_two_variables_are_enough(self):
        server = ResourceServer.from_env({**ENVIRONMENT, "PATH": "/bin", "jwtauthz_x": "?", "JWTAUTHZ": "?"})
        (issuer,) = server.issuers
        assert (issuer.url, issuer.algorithms, issuer.scopes_from) == (URL, {"RS256"}, ("scope",))
        assert server.realm == "api"

    def test_all_of_them(self, mint, clock):
        with FakeIssuer(algorithm="ES256", clock=clock) as issuer:
            server = ResourceServer.from_env(
                {
                    "JWTAUTHZ_ISSUER": URL,
                    "JWTAUTHZ_AUDIENCE": f"other {AUDIENCE}",
                    "JWTAUTHZ_ALGORITHMS": "RS256 ES256",
                    "JWTAUTHZ_SCOPES_FROM": "scope permissions",
                    "JWTAUTHZ_JWKS_URL": issuer.jwks_url,
                    "JWTAUTHZ_PROFILE": "rfc9068",
                    "JWTAUTHZ_LEEWAY": "30",
                    "JWTAUTHZ_REALM": "users",
                },
                clock=clock,
            )
            claims = {"iss": URL, "client_id": "c", "jti": "j", "permissions": ["a"]}
            strict = {"typ": "at+jwt"}
            token = server.authorize(f"Bearer {issuer.token(**claims, headers=strict, expires_in=-29)}", "a")
            assert token.scopes == {"a"}
            assert issuer.requests == ("/.well-known/jwks.json",)  # nothing was discovered
            for late in ({"expires_in": -31, "headers": strict}, {"headers": {"typ": "JWT"}}):
                with pytest.raises(InvalidToken) as denied:
                    server.authorize(f"Bearer {issuer.token(**{**claims, **late})}", "a")
                assert denied.value.challenge["realm"] == "users"

    def test_the_process_s_own_is_read_where_none_is_given(self, monkeypatch):
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
        assert ResourceServer.from_env().issuers[0].url == URL
        monkeypatch.delenv("JWTAUTHZ_AUDIENCE")
        with pytest.raises(ConfigurationError, match="JWTAUTHZ_AUDIENCE is not set"):
            ResourceServer.from_env()

    def test_other_settings_come_by_argument(self):
        server = ResourceServer.from_env(ENVIRONMENT, realm="users", token_cache=None)
        assert server.realm == "users"

    @pytest.mark.parametrize(
        ("name", "settings"),
        [
            case("the audience", "JWTAUTHZ_AUDIENCE", {"audience": "other"}),
            case("the issuer", "JWTAUTHZ_ISSUER", {"issuer": "https://other.test/"}),
            case("the leeway", "JWTAUTHZ_LEEWAY", {"leeway": 10}),
        ],
    )
    def test_a_setting_that_is_given_twice_is_no_type_error(self, name, settings):
        with pytest.raises(ConfigurationError, match=name):
            ResourceServer.from_env({**ENVIRONMENT, "JWTAUTHZ_LEEWAY": "5"}, **settings)

    @pytest.mark.parametrize(
        ("variables", "says"),
        [
            case("no issuer", {"JWTAUTHZ_ISSUER": None}, "JWTAUTHZ_ISSUER is not set"),
            case("no audience", {"JWTAUTHZ_AUDIENCE": None}, "JWTAUTHZ_AUDIENCE is not set"),
            case("an empty issuer", {"JWTAUTHZ_ISSUER": ""}, "JWTAUTHZ_ISSUER is empty"),
            case("a blank audience", {"JWTAUTHZ_AUDIENCE": "  "}, "JWTAUTHZ_AUDIENCE is empty"),
            case("an empty list of algorithms", {"JWTAUTHZ_ALGORITHMS": ""}, "JWTAUTHZ_ALGORITHMS is empty"),
            case(
                "a slip of the pen",
                {"JWTAUTHZ_AUDIENCES": "a"},
                "JWTAUTHZ_AUDIENCES is no variable.*JWTAUTHZ_AUDIENCE",
            ),
            case("an issuer that is not https", {"JWTAUTHZ_ISSUER": "http://issuer.test/"}, "https"),
            case("two issuers", {"JWTAUTHZ_ISSUER": f"{URL} {URL}"}, "issuer="),
            case("an algorithm that nobody signs with", {"JWTAUTHZ_ALGORITHMS": "none"}, "nobody signed"),
            case("a shared secret", {"JWTAUTHZ_ALGORITHMS": "RS256 HS256"}, "shared secret"),
            case("an unknown profile", {"JWTAUTHZ_PROFILE": "strict"}, "profile='rfc9068'"),
            case("a leeway that is no number", {"JWTAUTHZ_LEEWAY": "a lot"}, "JWTAUTHZ_LEEWAY"),
            case("a leeway that is too large", {"JWTAUTHZ_LEEWAY": "301"}, "0 to 300"),
            case("a leeway below zero", {"JWTAUTHZ_LEEWAY": "-1"}, "0 to 300"),
            case("a leeway of NaN", {"JWTAUTHZ_LEEWAY": "nan"}, "0 to 300"),
            case("a key URL that is not https", {"JWTAUTHZ_JWKS_URL": "http://issuer.test/keys"}, "https"),
            case("a realm that no header carries", {"JWTAUTHZ_REALM": "büro"}, "realm="),
        ],
    )
    def test_that_makes_no_sense(self, variables, says):
        environ = {name: value for name, value in {**ENVIRONMENT, **variables}.items() if value is not None}
        with pytest.raises(ConfigurationError, match=says):
            ResourceServer.from_env(environ)


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            case("no audience", {"audience": None}, "audience='https://api.example.com'"),
            case("an empty audience", {"audience": ""}, "audience='https://api.example.com'"),
            case("a blank audience", {"audience": " "}, "audience='https://api.example.com'"),
            case("an empty list of audiences", {"audience": []}, "audience='https://api.example.com'"),
            case(
                "an empty one among the audiences", {"audience": ["a", ""]}, "audience='https://api.example.com'"
            ),
            case("an audience that is a number", {"audience": 5}, "audience='https://api.example.com'"),
            case("an audience of bytes", {"audience": b"a"}, "audience='https://api.example.com'"),
            case("no issuer", {"issuer": None}, "issuer='https://"),
            case("an empty issuer", {"issuer": ""}, "issuer='https://"),
            case("an empty list of issuers", {"issuer": []}, "issuer='https://"),
            case("an issuer that is a number", {"issuer": 5}, "issuer='https://"),
            case("an issuer that is no URL", {"issuer": "tenant"}, "issuer='https://"),
            case("an issuer with a space", {"issuer": "https://issuer.test/ "}, "issuer='https://"),
            case("an issuer without https", {"issuer": "http://issuer.test/"}, "https"),
            case("an issuer by ftp", {"issuer": "ftp://issuer.test/"}, "https"),
            case("an issuer with a query", {"issuer": f"{URL}?a=b"}, "query"),
            case("an issuer with a fragment", {"issuer": f"{URL}#a"}, "fragment"),
            case("an issuer with a password", {"issuer": "https://u:p@issuer.test/"}, "password|credentials"),
            case("the same issuer twice", {"issuer": [URL, URL]}, "given twice"),
            case("a leeway of six minutes", {"leeway": 360}, "0 to 300"),
            case("a leeway below zero", {"leeway": -1}, "0 to 300"),
            case("a leeway of NaN", {"leeway": float("nan")}, "0 to 300"),
            case("an endless leeway", {"leeway": float("inf")}, "0 to 300"),
            case("a leeway of True", {"leeway": True}, "0 to 300"),
            case("a leeway in words", {"leeway": "5"}, "0 to 300"),
            case("no leeway by None", {"leeway": None}, "0 to 300"),
            case("a cache of no tokens", {"token_cache": 0}, "None for none"),
            case("a cache of less", {"token_cache": -1}, "None for none"),
            case("a cache of True", {"token_cache": True}, "None for none"),
            case("a cache in words", {"token_cache": "100"}, "None for none"),
            case("an empty realm", {"realm": ""}, "printable ASCII"),
            case("a realm with a line break", {"realm": "a\r\nb"}, "printable ASCII"),
            case("revoked= that is no function", {"revoked": {"jti"}}, r"\(token\) -> bool"),
            case("debug= in words", {"debug": "yes"}, "debug=True"),
        ],
    )
    def test_of_the_server(self, settings, says):
        given = {"issuer": URL, "audience": AUDIENCE, **settings}
        with pytest.raises(ConfigurationError, match=says):
            ResourceServer(given.pop("issuer"), given.pop("audience"), **given)

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            case("none", {"algorithms": ["none"]}, "nobody signed.*RS256"),
            case("none in capitals", {"algorithms": ["NONE"]}, "nobody signed"),
            case("a shared secret", {"algorithms": ["HS256"]}, "shared secret.*RS256"),
            case("a shared secret beside a key", {"algorithms": ["RS256", "HS512"]}, "shared secret"),
            case("an unknown algorithm", {"algorithms": ["RS257"]}, "no signature algorithm we know"),
            case("one in small letters", {"algorithms": ["rs256"]}, "no signature algorithm we know"),
            case("a number", {"algorithms": [256]}, "no signature algorithm we know"),
            case(
                "no algorithms",
                {"algorithms": []},
                r"algorithms=\('RS256',\)",
            ),
            case("None", {"algorithms": None}, "algorithms="),
            case("an empty audience", {"audience": ""}, "audience='https://api.example.com'"),
            case("an empty list of audiences", {"audience": []}, "audience='https://api.example.com'"),
            case("no claims to read scopes from", {"scopes_from": []}, "scopes_from="),
            case("an empty claim", {"scopes_from": [""]}, "names no claim"),
            case("a claim that is a number", {"scopes_from": [5]}, "names no claim"),
            case("an unknown profile", {"profile": "strict"}, "profile='default' or profile='rfc9068'"),
            case("a profile of None", {"profile": None}, "profile='default' or profile='rfc9068'"),
            case("keys from two places", {"jwks_url": f"{URL}k", "key_set": KeySet([])}, "Leave one out"),
            case("a dict for a key set", {"key_set": {"keys": []}}, r"KeySet.from_jwks\(\{\.\.\.\}\)"),
            pytest.param(
                {"key_set": f"{URL}keys"},
                "KeySet.from_jwks",
                id="a URL for a key set",
            ),
            pytest.param(
                {"key_set": KeySet},
                "KeySet.from_jwks",
                id="the class for a key set",
            ),
            pytest.param(
                {"algorithms": [["RS256"]]},
                "no signature algorithm we know",
                id="a list within the algorithms",
            ),
            case("a key URL without https", {"jwks_url": "http://issuer.test/keys"}, "https"),
        ],
    )
    def test_of_an_issuer(self, settings, says):
        with pytest.raises(ConfigurationError, match=says):
            Issuer(URL, **settings)

    @pytest.mark.parametrize(
        "url", ["http://localhost:8000/", "http://127.0.0.1/", "http://[::1]:9/", "https://issuer.test:8443/a/b"]
    )
    def test_does_not_go_too_far(self, url):
        assert ResourceServer(url, AUDIENCE).issuers[0].url == url


class TestLife:
    @pytest.fixture
    def online(self):
        """An issuer on loopback, of this test alone."""
        with FakeIssuer(algorithm="ES256") as issuer:
            yield issuer

    @staticmethod
    def of(issuer, **settings) -> ResourceServer:
        return ResourceServer(Issuer(issuer.url, algorithms="ES256"), AUDIENCE, **settings)

    def test_nothing_is_fetched_before_it_is_needed(self, online):
        server = self.of(online)
        assert not server.ready
        for credentials in (None, "Bearer x", f"Bearer {online.token(expires_in=-60)}"):
            with pytest.raises(AccessDenied):
                server.authorize(credentials, "a")
        assert online.requests == ()
        server.authorize(f"Bearer {online.token(scope='a')}", "a")
        assert server.ready
        assert online.fetches("/.well-known/jwks.json") == 1

    @pytest.mark.parametrize("ask", WAYS)
    def test_the_first_request_waits_for_the_keys(self, online, ask):
        assert ask(self.of(online), f"Bearer {online.token(scope='a')}", "a").subject == "user-1"

    def test_warm_up(self, online):
        server = self.of(online)
        server.warm_up()
        assert server.ready
        before = online.requests
        server.authorize(f"Bearer {online.token(scope='a')}", "a")
        assert online.requests == before

    def test_warm_up_in_asyncio(self, online):
        server = self.of(online)
        asyncio.run(server.awarm_up())
        assert server.ready

    def test_warm_up_of_an_issuer_that_is_away(self, online):
        server = self.of(online)
        online.stop()
        with pytest.raises(KeySetUnavailable):
            server.warm_up()
        with pytest.raises(KeySetUnavailable):
            asyncio.run(self.of(online).awarm_up())
        assert not server.ready

    def test_of_several_issuers_all_must_be_ready(self, online, mint):
        fixed = Issuer(mint.url, key_set=mint.key_set)
        assert ResourceServer(fixed, AUDIENCE).ready
        server = ResourceServer([fixed, Issuer(online.url, algorithms="ES256")], AUDIENCE)
        assert not server.ready
        server.warm_up()
        assert server.ready

    def test_with(self, online):
        with self.of(online) as server:
            server.authorize(f"Bearer {online.token(scope='a')}", "a")

        async def main():
            async with self.of(online) as server:
                await server.aauthorize(f"Bearer {online.token(scope='a')}", "a")

        asyncio.run(main())

    def test_closing_twice_and_forgetting_to_are_both_fine(self, online):
        server = self.of(online)
        server.warm_up()
        server.close()
        server.close()
        asyncio.run(server.aclose())
        self.of(online).warm_up()
        assert not any("jwtauthz" in thread.name.lower() for thread in threading.enumerate())

    def test_lifespan(self, online):
        server = self.of(online)

        async def main():
            async with server.lifespan("the app"):
                assert server.ready

        asyncio.run(main())
        assert online.fetches("/.well-known/jwks.json") == 1

    def test_lifespan_starts_without_an_issuer_and_says_so(self, online, caplog):
        server = self.of(online)
        online.stop()

        async def main():
            async with server.lifespan():
                assert not server.ready
                with pytest.raises(ServiceUnavailable):
                    await server.aauthorize(f"Bearer {online.token(scope='a')}", "a")

        asyncio.run(main())
        assert "Starting without keys" in caplog.text

    def test_lifespan_closes_when_the_app_fails(self, online):
        closed = []

        class Watched(ResourceServer):
            async def aclose(self):
                closed.append(True)

        async def main():
            async with Watched(Issuer(online.url), AUDIENCE).lifespan():
                raise RuntimeError("the app")

        with pytest.raises(RuntimeError, match="the app"):
            asyncio.run(main())
        assert closed == [True]

    def test_an_outage_is_answered_503_until_it_is_over(self, online, clock):
        online.stop()
        keys = RemoteKeySet(issuer=online.url, clock=clock)
        server = ResourceServer(Issuer(online.url, key_set=keys, algorithms="ES256"), AUDIENCE)
        header = f"Bearer {online.token(scope='a')}"
        with pytest.raises(ServiceUnavailable) as denied:
            server.authorize(header, "a")
        assert denied.value.finding.code is Code.KEYS_UNAVAILABLE
        assert denied.value.retry_after >= 0
        online.start()
        clock.advance(60)
        assert server.authorize(header, "a")

    @pytest.mark.parametrize("name", ["authorize", "aauthorize", "authorize_at_once", "permit", "apermit"])
    def test_a_subclass_that_decides_otherwise_is_refused_for_doors_would_go_around_it(self, name):
        with pytest.raises(TypeError, match=rf"Mine\.{name} would be asked by some requests .* revoked="):
            type("Mine", (ResourceServer,), {name: lambda self: None})
        mixin = type("Mixin", (), {name: lambda self: None})
        with pytest.raises(TypeError, match=rf"Mine\.{name} would be asked"):
            type("Mine", (mixin, ResourceServer), {})

    def test_it_shows_itself(self, make):
        assert repr(make(realm="users")) == "<ResourceServer issuers=['https://issuer.test/'] realm='users'>"


class TestTheLog:
    @pytest.mark.parametrize(
        ("credentials", "status", "code", "level"),
        [
            case("no token", lambda mint: None, 401, Code.NO_CREDENTIALS, logging.INFO),
            case(
                "a malformed header", lambda mint: "Bearer a b", 400, Code.MALFORMED_CREDENTIALS, logging.WARNING
            ),
            case(
                "a bad token",
                lambda mint: f"Bearer {mint.forged_token()}",
                401,
                Code.BAD_SIGNATURE,
                logging.WARNING,
            ),
            case(
                "a short scope",
                lambda mint: f"Bearer {mint.token(scope='b')}",
                403,
                Code.SCOPE_MISSING,
                logging.WARNING,
            ),
        ],
    )
    def test_has_one_record_for_a_denial(self, make, mint, caplog, credentials, status, code, level):
        header = credentials(mint)
        with caplog.at_level(logging.DEBUG), pytest.raises(AccessDenied) as denied:
            make().authorize(header, "a")
        (record,) = caplog.records
        assert record.name == "jwtauthz"
        assert (record.levelno, record.status, record.finding) == (level, status, code)
        assert record.getMessage() == f"denied {status} {denied.value}"
        for part in (header or "").removeprefix("Bearer ").split("."):
            assert len(part) < 8 or part not in caplog.text

    @pytest.mark.parametrize(
        "claims",
        [
            case("in a scope", {"scope": "b\nERROR forged"}),
            case("in a scope that resembles the needed one", {"scope": "a:\nERROR"}),
            case("in the name of a claim", {"x\nERROR forged": ["a"]}),
            case("in the name of a claim, as an escape sequence", {"\x1b[2J": ["a"]}),
            case("in an audience", {"aud": "x\nERROR forged"}),
            case("in an issuer", {"iss": "https://x/\nERROR forged"}),
        ],
    )
    def test_lets_no_claim_write_a_line_of_its_own(self, make, bearer, caplog, claims):
        with pytest.raises(AccessDenied):
            make().authorize(bearer(**claims), "a")
        (record,) = caplog.records
        assert record.getMessage().replace("→", "").isprintable()

    @pytest.mark.parametrize(
        "claims",
        [
            case("a scope", {"scope": "b" * 8000}),
            case("the name of a claim", {"b" * 8000: ["a"]}),
            case("an audience", {"aud": "b" * 8000}),
            case("a time long past", {"exp": -1.5e308}),
            case("a time far off", {"nbf": 1.5e308}),
        ],
    )
    def test_cuts_what_is_long(self, make, bearer, caplog, claims):
        with pytest.raises(AccessDenied):
            make().authorize(bearer(**claims), "a")
        assert len(caplog.records[0].getMessage()) < 700

    def test_has_one_record_for_an_outage(self, clock, mint, caplog):
        class Away:
            ready = False

            def find(self, kid, alg, *, after=None):
                raise KeySetUnavailable("gone fishing", retry_after=4)

        server = ResourceServer(Issuer(mint.url, key_set=Away(), algorithms="ES256"), AUDIENCE, clock=clock)
        with pytest.raises(ServiceUnavailable) as denied:
            server.authorize(f"Bearer {mint.token()}", "a")
        (record,) = caplog.records
        assert (record.levelno, record.status) == (logging.ERROR, 503)
        assert "Gone fishing" in record.getMessage()
        assert denied.value.headers["Retry-After"] == "4"
        assert "fishing" not in str(denied.value.body)

    def test_says_nothing_of_who_is_let_in(self, make, bearer, caplog):
        with caplog.at_level(logging.DEBUG):
            server = make()
            server.authorize(bearer(scope="a"), "a")
            server.authorize(None, "a", optional=True)
        assert caplog.records == []

    def test_of_an_async_denial_is_the_same(self, make, bearer, caplog):
        for ask in (sync, in_asyncio, in_trio):
            caplog.clear()
            with caplog.at_level(logging.DEBUG, logger="jwtauthz"), pytest.raises(InsufficientScope) as denied:
                ask(make(), bearer(scope="b"), "a")
            assert [record.getMessage() for record in caplog.records if record.name == "jwtauthz"] == [
                f"denied 403 {denied.value}"
            ]


class TestTheVerifiedToken:
    CLAIMS = {  # noqa: RUF012
        "scope": "a b",
        "client_id": "client-1",
        "address": {"city": "Köln", "lines": ["a", {"b": "c"}]},
        "roles": ["r"],
    }

    @pytest.fixture
    def token(self, make, bearer):
        return make().authorize(bearer(**self.CLAIMS), authenticated())

    def test_has_what_people_ask_for(self, token, mint, clock):
        assert token.issuer == mint.url
        assert token.subject == "user-1"
        assert token.audience == (AUDIENCE,)
        assert token.client_id == "client-1"
        assert token.scopes == {"a", "b"}
        assert token.granted("roles") == {"r"}
        assert token.expires_at == clock() + 600
        assert token.key_id == mint.kid
        assert token.stale is False

    def test_has_none_where_the_token_says_nothing(self, make, bearer):
        token = make().authorize(bearer(subject=None, aud=["x", AUDIENCE]), authenticated())
        assert token.subject is None
        assert token.client_id is None
        assert token.scopes == set()
        assert token.audience == ("x", AUDIENCE)

    def test_takes_azp_for_the_client_where_there_is_no_client_id(self, make, bearer):
        assert make().authorize(bearer(azp="spa"), authenticated()).client_id == "spa"
        assert make().authorize(bearer(azp=["spa"]), authenticated()).client_id is None
        assert make().authorize(bearer(azp="spa", client_id="c"), authenticated()).client_id == "c"

    @pytest.mark.parametrize(
        "change",
        [
            case("setting a claim", lambda claims: claims.__setitem__("scope", "admin")),
            case("deleting one", lambda claims: claims.__delitem__("scope")),
            case("popping one", lambda claims: claims.pop("scope")),
            case("popping any", lambda claims: claims.popitem()),
            case("clearing", lambda claims: claims.clear()),
            case("updating", lambda claims: claims.update(scope="admin")),
            case("merging in place", lambda claims: claims.__ior__({"scope": "admin"})),
            case("setting a default", lambda claims: claims.setdefault("x", 1)),
            case("changing an object within", lambda claims: claims["address"].__setitem__("city", "x")),
            case("changing a list within", lambda claims: claims["address"]["lines"].__setitem__(0, "x")),
            case("changing an object within a list", lambda claims: claims["address"]["lines"][1].update(b=1)),
            case("appending", lambda claims: claims["roles"].append("admin")),
            case("extending", lambda claims: claims["roles"].extend(["admin"])),
            case("inserting", lambda claims: claims["roles"].insert(0, "admin")),
            case("adding in place", lambda claims: claims["roles"].__iadd__(["admin"])),
            case("multiplying in place", lambda claims: claims["roles"].__imul__(2)),
            case("removing", lambda claims: claims["roles"].remove("r")),
            case("popping from a list", lambda claims: claims["roles"].pop()),
            case("sorting", lambda claims: claims["roles"].sort()),
            case("reversing", lambda claims: claims["roles"].reverse()),
            case("clearing a list", lambda claims: claims["roles"].clear()),
            case("deleting from a list", lambda claims: claims["roles"].__delitem__(0)),
        ],
    )
    def test_claims_are_read_only(self, token, change):
        before = json.dumps(token.claims)
        with pytest.raises(TypeError, match="read-only"):
            change(token.claims)
        assert json.dumps(token.claims) == before

    def test_nothing_else_can_be_set_either(self, token):
        for name in ("claims", "scopes", "subject", "issuer", "extra"):
            with pytest.raises(AttributeError):
                setattr(token, name, "admin")

    def test_claims_are_plain_json_values(self, token):
        assert {name: token.claims[name] for name in self.CLAIMS} == self.CLAIMS
        assert json.loads(json.dumps(token.claims)) == token.claims
        assert isinstance(token.claims, dict)
        assert isinstance(token.claims["roles"], list)

    def test_copies_are_one_s_own(self, token):
        mine = dict(token.claims)
        mine["scope"] = "admin"
        assert token.claims["scope"] == "a b"
        for theirs in (copy.deepcopy(token.claims), pickle.loads(pickle.dumps(token.claims))):
            assert theirs == token.claims

    def test_its_repr_shows_neither_token_nor_claims(self, make, mint):
        text = mint.token(scope="a", email="user@example.com")
        token = make().authorize(f"Bearer {text}", authenticated())
        assert repr(token) == "<VerifiedToken subject='user-1' issuer='https://issuer.test/' scopes=['a']>"
        for part in text.split("."):
            assert part not in repr(token)

    def test_one_request_cannot_change_it_for_the_next(self, make, bearer):
        server, header = make(), bearer(scope="a", roles=["r"])
        first = server.authorize(header, "a")
        with pytest.raises(TypeError):
            first.claims["roles"].append("admin")
        assert server.authorize(header, "a").granted("roles") == {"r"}


class TestTheClock:
    def test_is_the_one_that_was_given(self, make, bearer, clock):
        server, header = make(leeway=0), bearer(scope="a")
        assert server.authorize(header, "a")
        clock.advance(599)
        assert server.authorize(header, "a")
        clock.advance(1)
        with pytest.raises(InvalidToken) as denied:
            server.authorize(header, "a")
        assert denied.value.finding.code is Code.EXPIRED
        clock.advance(-1000)
        with pytest.raises(InvalidToken) as denied:
            server.authorize(header, "a")
        assert denied.value.finding.code is Code.NOT_YET_VALID

    def test_is_that_of_the_machine_otherwise(self):
        issuer = FakeIssuer(network=False, algorithm="ES256")
        server = ResourceServer(Issuer(issuer.url, key_set=issuer.key_set, algorithms="ES256"), AUDIENCE)
        assert server.authorize(f"Bearer {issuer.token(scope='a')}", "a")
        with pytest.raises(InvalidToken):
            server.authorize(f"Bearer {issuer.token(scope='a', expires_in=-10)}", "a")

    def test_five_seconds_of_leeway_are_the_default(self, make, bearer):
        assert make().authorize(bearer(scope="a", expires_in=-4), "a")
        with pytest.raises(InvalidToken):
            make().authorize(bearer(scope="a", expires_in=-5), "a")
