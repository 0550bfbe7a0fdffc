"""`IssuerResolver`: which issuers a pattern or a function accepts, and that a crafted `iss` gets nowhere."""

from __future__ import annotations

import asyncio
import functools
import random
import re
from urllib.parse import urlsplit

import httpx
import pytest

from authorizing import AUDIENCE, CLOCK, MINT, case
from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    Issuer,
    IssuerResolver,
    KeySet,
    RemoteKeySet,
    ResourceServer,
    any_of,
    authenticated,
)
from jwtauthz.issuer_pattern import IssuerPattern
from jwtauthz.testing import FakeIssuer

KEYS = MINT.key_set
TENANTS = "https://*.auth.example.com/"
REALMS = "https://sso.example.com/realms/*"
ACME = "https://acme.auth.example.com/"


def make(iss: str, **settings) -> Issuer:
    return Issuer(iss, **{"key_set": KEYS, "algorithms": "ES256", **settings})


def server(*allow, **settings) -> ResourceServer:
    """A server whose issuers all sign with the key of `MINT`."""
    return ResourceServer(IssuerResolver(list(allow), make=make), AUDIENCE, clock=CLOCK, **settings)


def outcome(asked: ResourceServer, iss, *needs, **claims) -> Code | None:
    """The finding of a decision about a good token of this issuer; None if let in. The explanation agrees."""
    token, code, text = MINT.token(iss=iss, **claims), None, "let in"
    needs = needs or (authenticated(),)
    try:
        asked.authorize(f"Bearer {token}", *needs)
    except AccessDenied as denied:
        code, text = denied.finding.code, str(denied.explanation)
    assert text
    explained = asked.explain(f"Bearer {token}", *needs)
    assert (explained.finding and explained.finding.code) == code
    assert str(explained)
    return code


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "iss"),
        [
            case("an URL without a star means itself", ACME, ACME),
            case("a star is a label", TENANTS, ACME),
            case("a label of one letter", TENANTS, "https://a.auth.example.com/"),
            case("a label of digits", TENANTS, "https://42.auth.example.com/"),
            case("a label in punycode", TENANTS, "https://xn--mller-kva.auth.example.com/"),
            case("a label of 63 letters", TENANTS, f"https://{'a' * 63}.auth.example.com/"),
            case("two stars are two labels", "https://*.*.example.com/", "https://a.b.example.com/"),
            case("a star in the middle", "https://auth.*.example.com/", "https://auth.acme.example.com/"),
            case("a star before a port", "https://*.example.com:8443/", "https://acme.example.com:8443/"),
            case("a star is a segment of a path", REALMS, "https://sso.example.com/realms/acme"),
            case(
                "a segment is compared as it is written", REALMS, "https://sso.example.com/realms/Acme_Corp-1.eu~x"
            ),
            case(
                "a star between segments",
                "https://login.microsoftonline.com/*/v2.0",
                "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0",
            ),
            case("host and path", "https://*.example.com/realms/*", "https://eu.example.com/realms/acme"),
        ],
    )
    def test_that_match(self, pattern, iss):
        assert outcome(server(pattern), iss) is None

    @pytest.mark.parametrize(
        ("pattern", "iss"),
        [
            case("another host", TENANTS, "https://evil.com/"),
            case("no label at all", TENANTS, "https://auth.example.com/"),
            case("an empty label", TENANTS, "https://.auth.example.com/"),
            case("two labels for one star", TENANTS, "https://a.b.auth.example.com/"),
            case("the suffix within a longer name", TENANTS, "https://acme.auth.example.com.evil.com/"),
            case("the suffix glued to a name", TENANTS, "https://evilauth.example.com/"),
            case("the suffix in a path", TENANTS, "https://evil.com/.auth.example.com/"),
            case("the suffix in a fragment", TENANTS, "https://evil.com#.auth.example.com/"),
            case("the suffix in a query", TENANTS, "https://evil.com?.auth.example.com/"),
            case("the suffix behind a user", TENANTS, "https://evil.com@acme.auth.example.com/"),
            case("a user and a password", TENANTS, "https://u:p@acme.auth.example.com/"),
            case("the host as a user", TENANTS, "https://acme.auth.example.com@evil.com/"),
            case("a backslash", TENANTS, "https://evil.com\\.auth.example.com/"),
            case("a port", TENANTS, "https://acme.auth.example.com:8443/"),
            case("the port of https itself", TENANTS, "https://acme.auth.example.com:443/"),
            case("an empty port", TENANTS, "https://acme.auth.example.com:/"),
            case("another port", "https://*.example.com:8443/", "https://acme.example.com:8444/"),
            case("http", TENANTS, "http://acme.auth.example.com/"),
            case("the scheme in capitals", TENANTS, "HTTPS://acme.auth.example.com/"),
            case("the label in capitals", TENANTS, "https://ACME.auth.example.com/"),
            case("the suffix in capitals", TENANTS, "https://acme.AUTH.example.com/"),
            case("a trailing dot", TENANTS, "https://acme.auth.example.com./"),
            case("no slash at the end", TENANTS, "https://acme.auth.example.com"),
            case("two slashes at the end", TENANTS, "https://acme.auth.example.com//"),
            case("a path more", TENANTS, "https://acme.auth.example.com/x"),
            case("a query", TENANTS, "https://acme.auth.example.com/?x"),
            case("a fragment", TENANTS, "https://acme.auth.example.com/#"),
            case("a line break at the end", TENANTS, f"{ACME}\n"),
            case("a line break in the label", TENANTS, "https://ac\nme.auth.example.com/"),
            case("a tab in the label", TENANTS, "https://ac\tme.auth.example.com/"),
            case("a null in the label", TENANTS, "https://ac\0me.auth.example.com/"),
            case("space before it", TENANTS, f" {ACME}"),
            case("a letter of another alphabet", TENANTS, "https://асme.auth.example.com/"),
            case("a dot of another alphabet", TENANTS, "https://acme。auth.example.com/"),
            case("a letter of full width", TENANTS, "https://ａcme.auth.example.com/"),
            case("a digit of another alphabet", TENANTS, "https://٣.auth.example.com/"),
            case("percent encoding", TENANTS, "https://%61cme.auth.example.com/"),
            case("a percent-encoded dot", TENANTS, "https://a%2eb.auth.example.com/"),
            case("an underscore", TENANTS, "https://ac_me.auth.example.com/"),
            case("a hyphen at the beginning", TENANTS, "https://-acme.auth.example.com/"),
            case("a hyphen at the end", TENANTS, "https://acme-.auth.example.com/"),
            case("a label of 64 letters", TENANTS, f"https://{'a' * 64}.auth.example.com/"),
            case("a label of 9,000 letters", TENANTS, f"https://{'a' * 9_000}.auth.example.com/"),
            case("the star itself", TENANTS, TENANTS),
            case("an IPv6 literal", TENANTS, "https://[::1].auth.example.com/"),
            case("two segments for one star", REALMS, "https://sso.example.com/realms/a/b"),
            case("an empty segment", REALMS, "https://sso.example.com/realms/"),
            case("a dot", REALMS, "https://sso.example.com/realms/."),
            case("the way up", REALMS, "https://sso.example.com/realms/.."),
            case("the way up, percent-encoded", REALMS, "https://sso.example.com/realms/%2e%2e"),
            case("the place of the metadata", REALMS, "https://sso.example.com/realms/.well-known"),
            case("a parameter of a segment", REALMS, "https://sso.example.com/realms/a;x"),
            case("a query after the segment", REALMS, "https://sso.example.com/realms/a?b"),
            case("a backslash in the segment", REALMS, "https://sso.example.com/realms/a\\b"),
            case("a segment of 129 letters", REALMS, f"https://sso.example.com/realms/{'a' * 129}"),
            case("a dot of the pattern is a dot", "https://sso.example.com/", "https://ssoxexample.com/"),
            case("a list", TENANTS, [ACME]),
            case("a number", TENANTS, 5),
            case("an object", TENANTS, {"iss": ACME}),
            case("an empty text", TENANTS, ""),
        ],
    )
    def test_that_do_not(self, pattern, iss):
        def untouched(iss):
            raise AssertionError("nobody is to be asked about it")

        asked = ResourceServer(IssuerResolver(pattern, make=untouched), AUDIENCE, clock=CLOCK)
        assert outcome(asked, iss) is Code.WRONG_ISSUER
        assert len(asked.verifier.pool) == 0

    def test_a_token_without_an_issuer_has_none(self):
        assert outcome(server(TENANTS), None) is Code.MISSING_CLAIM

    @pytest.mark.parametrize(
        "pattern",
        [
            case("a star alone", "*"),
            case("any host", "https://*/"),
            case("any host of a top-level domain", "https://*.com/"),
            case("any host at all, by labels", "https://*.*.*/"),
            case("a star at the end of a host", "https://auth.*/"),
            case("a star as a part of a label", "https://tenant-*.example.com/"),
            case("two stars in a label", "https://**.example.com/"),
            case("a star as a part of a segment", "https://sso.example.com/realm-*"),
            case("two stars for any path", "https://sso.example.com/**"),
            case("a star for a port", "https://sso.example.com:*/"),
            case("a star for a scheme", "*://sso.example.com/"),
            case("a star within an address", "https://*.0.0.1/"),
            case("a star within an address of one number", "https://*.10.1/"),
            case("a star within an IPv6 address", "https://[*::1]/"),
            case("http with a star in the host", "http://*.localhost.test/"),
            case("http", "http://sso.example.com/realms/*"),
            case("a user", "https://*@sso.example.com/"),
            case("a query", "https://*.example.com/?x"),
            case("a fragment", "https://*.example.com/#x"),
            case("capitals beside the star", "https://*.Example.com/"),
            case("no scheme", "*.example.com"),
            case("a regular expression", "https://.*\\.example\\.com/"),
            case("nothing", ""),
            case("a number", 5),
            case("None", None),
            case("an empty list", []),
            case("a list with a number", [5]),
            case("an issuer", Issuer(ACME)),
        ],
    )
    def test_that_are_refused_when_built(self, pattern):
        with pytest.raises(ConfigurationError, match=r"allow=.*Write"):
            IssuerResolver(pattern)

    def test_whatever_is_changed_in_a_good_one(self):
        """What still matches is a host of one label more, for every reader of URLs."""
        chance, pattern, matched = random.Random(1), IssuerPattern.of(TENANTS), 0
        for _ in range(20_000):
            changed = list(ACME)
            for _ in range(chance.randint(1, 3)):
                place = chance.randrange(len(changed))
                changed[place : place + chance.randint(0, 1)] = chance.choice(
                    ["", *"ab.-:/@#?%\\[]*0_AZ\n\t\0é。"]
                )
            iss = "".join(changed)
            if pattern.matches(iss):
                matched += 1
                host = urlsplit(iss).hostname
                assert httpx.URL(iss).raw_host.decode() == host
                assert re.fullmatch(r"[a-z0-9-]+\.auth\.example\.com", host)
                assert iss == f"https://{host}/"
        assert 100 < matched < 10_000

    def test_several(self):
        asked = server(TENANTS, REALMS, "https://login.other.com/")
        for iss in (ACME, "https://sso.example.com/realms/a", "https://login.other.com/"):
            assert outcome(asked, iss) is None
        assert outcome(asked, "https://login.other.com") is Code.WRONG_ISSUER

    def test_a_slash_too_few_has_its_hint(self):
        with pytest.raises(AccessDenied) as denied:
            server(TENANTS).authorize(f"Bearer {MINT.token(iss=ACME[:-1])}", authenticated())
        assert denied.value.finding.expected == [TENANTS]
        assert "last slash" in denied.value.finding.hint

    def test_an_issuer_with_a_star_is_sent_here(self):
        with pytest.raises(ConfigurationError, match="IssuerResolver"):
            Issuer(TENANTS)


class TestFunctions:
    @pytest.mark.parametrize(
        "iss",
        [
            case("a host", "https://acme.example.com/"),
            case("without a slash", "https://acme.example.com"),
            case("with a port", "https://acme.example.com:8443/"),
            case("with a path", "https://acme.example.com/oauth2/default"),
            case("with a path that ends in a slash", "https://acme.example.com/oauth2/default/"),
        ],
    )
    def test_are_asked_about_https_urls(self, iss):
        assert outcome(ResourceServer(IssuerResolver(make), AUDIENCE, clock=CLOCK), iss) is None

    @pytest.mark.parametrize(
        "iss",
        [
            case("http", "http://acme.example.com/"),
            case("http on loopback", "http://127.0.0.1:8080/"),
            case("this machine by its name", "https://localhost/"),
            case("a host of one label", "https://intranet/"),
            case("an IPv4 address", "https://10.0.0.1/"),
            case("an IPv4 address with a dot more", "https://10.0.0.1./"),
            case("an address of one number", "https://2130706433/"),
            case("an address of two numbers", "https://127.1/"),
            case("an address in hexadecimal", "https://0x7f.0.0.0x1/"),
            case("an IPv6 address", "https://[::1]/"),
            case("an IPv4 address in an IPv6 one", "https://[::ffff:169.254.169.254]/"),
            case("a public address", "https://93.184.216.34/"),
            case("a user", "https://u@acme.example.com/"),
            case("a port that is none", "https://acme.example.com:99999/"),
            case("a port of zeros", "https://acme.example.com:0/"),
            case("a query", "https://acme.example.com/?x"),
            case("a fragment", "https://acme.example.com/#x"),
            case("the way up", "https://acme.example.com/../x"),
            case("an empty segment", "https://acme.example.com//x"),
            case("percent encoding", "https://acme.example.com/%2e%2e/x"),
            case("capitals", "https://ACME.example.com/"),
            case("another alphabet", "https://аcme.example.com/"),
            case("a control character", "https://acme.example.com/\x1b[2J"),
            case("600 characters", f"https://acme.example.com/{'/'.join('x' * 250)}"),
            case("another scheme", "file:///etc/passwd"),
            case("no URL", "acme"),
            case("a list", ["https://acme.example.com/"]),
        ],
    )
    def test_are_not_asked_about_anything_else(self, iss):
        asked_about = []
        asked = ResourceServer(IssuerResolver(asked_about.append), AUDIENCE, clock=CLOCK)
        assert outcome(asked, iss) is Code.WRONG_ISSUER
        assert asked_about == []

    def test_answer_none_for_what_is_not_accepted_and_may_change_their_mind(self):
        tenants = {}
        asked = ResourceServer(IssuerResolver(tenants.get), AUDIENCE, clock=CLOCK)
        assert outcome(asked, ACME) is Code.WRONG_ISSUER
        tenants[ACME] = make(ACME)
        assert outcome(asked, ACME) is None

    def test_are_asked_once_for_an_issuer_that_is_kept(self):
        asked_about = []

        def find(iss):
            asked_about.append(iss)
            return make(iss)

        asked = ResourceServer(IssuerResolver(find), AUDIENCE, clock=CLOCK)
        for _ in range(3):
            assert outcome(asked, ACME) is None
        assert asked_about == [ACME]
        assert asked.forget_issuer(ACME)
        assert outcome(asked, ACME) is None
        assert asked_about == [ACME, ACME]

    @pytest.mark.parametrize(
        "find",
        [
            case("raises", lambda iss: 1 / 0),
            case("returns a text", lambda iss: iss),
            case("returns True", lambda iss: True),
            case("returns another issuer", lambda iss: make("https://other.auth.example.com/")),
            case("returns the issuer less its slash", lambda iss: make(iss.rstrip("/"))),
            case("returns something to await", lambda iss: asyncio.sleep(0)),
            case("makes what can't be built", lambda iss: Issuer(iss, algorithms=())),
            case("returns the class", lambda iss: Issuer),
        ],
    )
    @pytest.mark.parametrize("as_make", [pytest.param(False, id="allow="), pytest.param(True, id="make=")])
    def test_that_give_no_answer_are_503(self, find, as_make, caplog):
        resolver = IssuerResolver(TENANTS, make=find) if as_make else IssuerResolver(find)
        asked = ResourceServer(resolver, AUDIENCE, clock=CLOCK)
        assert outcome(asked, ACME) is Code.ISSUER_UNRESOLVED
        with pytest.raises(AccessDenied) as denied:
            asked.authorize(f"Bearer {MINT.token(iss=ACME)}", authenticated())
        assert denied.value.headers["Retry-After"] == "1"
        assert denied.value.challenge is None
        assert "IssuerResolver" in denied.value.finding.hint
        assert asked.issuers == ()

    def test_that_raise_have_their_traceback_in_the_log(self, caplog):
        outcome(ResourceServer(IssuerResolver(lambda iss: 1 / 0), AUDIENCE, clock=CLOCK), ACME)
        assert "ZeroDivisionError" in caplog.text

    def test_a_pattern_that_is_made_nothing_of_is_503(self):
        asked = ResourceServer(IssuerResolver(TENANTS, make=lambda iss: None), AUDIENCE, clock=CLOCK)
        assert outcome(asked, ACME) is Code.ISSUER_UNRESOLVED


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            case("make= beside a function", {"allow": make, "make": make}, "make= is for patterns"),
            case("make= that is none", {"allow": TENANTS, "make": 5}, "can't be called"),
            case("no limit", {"allow": TENANTS, "limit": 0}, "limit=0"),
            case("a limit that is a truth", {"allow": TENANTS, "limit": True}, "limit=True"),
            case("a limit in words", {"allow": TENANTS, "limit": "many"}, "limit='many'"),
            case("no newcomers", {"allow": TENANTS, "newcomers": 0}, "newcomers=0"),
            case("addresses in words", {"allow": TENANTS, "private_addresses": "no"}, "private_addresses="),
        ],
    )
    def test_that_make_no_sense(self, settings, message):
        with pytest.raises(ConfigurationError, match=message):
            IssuerResolver(**settings)

    def test_async_functions_are_refused(self):
        async def find(iss):
            return make(iss)

        for settings in ({"allow": find}, {"allow": TENANTS, "make": find}):
            with pytest.raises(ConfigurationError, match="async"):
                IssuerResolver(**settings)

    def test_an_audience_that_nobody_names_is_found_when_the_server_is_built(self):
        with pytest.raises(ConfigurationError, match="audience"):
            ResourceServer(IssuerResolver(TENANTS))
        with pytest.raises(ConfigurationError, match="algorithms"):
            ResourceServer(IssuerResolver(TENANTS, make=functools.partial(Issuer, algorithms="none")), AUDIENCE)
        named = functools.partial(Issuer, audience=AUDIENCE)
        assert ResourceServer(IssuerResolver(TENANTS, make=named)).issuers == ()

    def test_an_audience_that_nobody_names_is_503_where_it_is_found_late(self, caplog):
        asked = ResourceServer(IssuerResolver(TENANTS, make=make), clock=CLOCK)
        assert outcome(asked, ACME) is Code.ISSUER_UNRESOLVED
        assert "No audience" in caplog.text

    def test_two_resolvers_are_refused(self):
        with pytest.raises(ConfigurationError, match="two resolvers"):
            ResourceServer([IssuerResolver(TENANTS), IssuerResolver(REALMS)], AUDIENCE)

    def test_it_shows_itself(self):
        assert repr(IssuerResolver([TENANTS, REALMS])) == f"<IssuerResolver '{TENANTS}', '{REALMS}' limit=100>"
        assert "make knows" in repr(IssuerResolver(make))
        assert TENANTS in repr(server(TENANTS))


class TestEachIssuerIsItsOwn:
    OTHER = FakeIssuer(network=False, algorithm="ES256", clock=CLOCK)

    def both(self) -> ResourceServer:
        mints = {"a": MINT, "b": self.OTHER}

        def make_of(iss):
            name = iss.removeprefix("https://").partition(".")[0]
            audience = {"a": AUDIENCE, "b": "https://b.example.com"}[name]
            settings = {"algorithms": "ES256" if name == "a" else ("ES256", "ES384"), "audience": audience}
            return Issuer(iss, key_set=mints[name].key_set, scopes_from=f"scope_{name}", **settings)

        return ResourceServer(IssuerResolver(TENANTS, make=make_of), clock=CLOCK)

    def ask(self, asked, name, mint, audience, *needs):
        iss = f"https://{name}.auth.example.com/"
        token = mint.token(iss=iss, aud=audience, scope_a="read", scope_b="write")
        try:
            asked.authorize(f"Bearer {token}", *(needs or (authenticated(),)))
        except AccessDenied as denied:
            return denied.finding.code
        return None

    def test_with_its_keys_audience_and_scopes(self):
        asked = self.both()
        assert self.ask(asked, "a", MINT, AUDIENCE, "read") is None
        assert self.ask(asked, "b", self.OTHER, "https://b.example.com", "write") is None
        assert self.ask(asked, "a", self.OTHER, AUDIENCE) is Code.KEY_UNKNOWN
        assert self.ask(asked, "b", MINT, "https://b.example.com") is Code.KEY_UNKNOWN
        assert self.ask(asked, "a", MINT, "https://b.example.com") is Code.WRONG_AUDIENCE
        assert self.ask(asked, "b", self.OTHER, AUDIENCE) is Code.WRONG_AUDIENCE
        assert self.ask(asked, "a", MINT, AUDIENCE, "write") is Code.SCOPE_IN_OTHER_CLAIM

    def test_beside_issuers_of_a_list(self):
        asked = ResourceServer(
            [make("https://login.example.com/"), IssuerResolver(TENANTS, make=make)], AUDIENCE, clock=CLOCK
        )
        assert outcome(asked, "https://login.example.com/") is None
        assert outcome(asked, ACME) is None
        assert outcome(asked, "https://evil.com/") is Code.WRONG_ISSUER
        assert [issuer.url for issuer in asked.issuers] == ["https://login.example.com/", ACME]

    def test_an_issuer_of_the_list_goes_before_the_pattern(self):
        special = make(ACME, scopes_from="permissions")
        asked = ResourceServer([special, IssuerResolver(TENANTS, make=make)], AUDIENCE, clock=CLOCK)
        assert outcome(asked, ACME, "read", permissions=["read"]) is None
        assert len(asked.verifier.pool) == 0


class TestWhatElseReadsIssuers:
    def test_a_server_that_waits_for_tenants_is_ready(self):
        asked = server(TENANTS)
        assert asked.ready
        asked.warm_up()
        asyncio.run(asked.awarm_up())
        asked.close()
        assert outcome(asked, ACME) is None

    def test_a_tenant_that_is_down_does_not_take_the_api_down(self):
        def unreachable(iss):
            return Issuer(iss, algorithms="ES256", key_set=RemoteKeySet("http://127.0.0.1:9/jwks.json"))

        asked = ResourceServer(IssuerResolver(TENANTS, make=unreachable), AUDIENCE, clock=CLOCK)
        assert outcome(asked, ACME) is Code.KEYS_UNAVAILABLE
        assert asked.ready

    def test_openapi_names_no_place_for_tokens(self):
        from fastapi import FastAPI
        from fastapi.security import HTTPBearer

        from jwtauthz.fastapi import JWTAuthz

        for issuers in (IssuerResolver(TENANTS), ["https://login.example.com/", IssuerResolver(TENANTS)]):
            app, authz = FastAPI(), JWTAuthz(ResourceServer(issuers, AUDIENCE))
            authz.init_app(app)

            @app.get("/users", dependencies=[authz.requires("read:users")])
            def users():
                return {}

            (scheme,) = app.openapi()["components"]["securitySchemes"].values()
            assert scheme == HTTPBearer(bearerFormat="JWT").model.model_dump(
                by_alias=True, exclude_none=True, mode="json"
            )

    @pytest.mark.parametrize(
        ("iss", "needle"),
        [
            case("an issuer that is not accepted", "https://evil.com/", TENANTS),
            case("one that can't be told", "https://boom.auth.example.com/", "raised"),
        ],
    )
    def test_an_explanation_shows_the_step(self, iss, needle):
        def make_or_raise(iss):
            return make(iss) if "boom" not in iss else 1 / 0

        asked = ResourceServer(IssuerResolver(TENANTS, make=make_or_raise), AUDIENCE, clock=CLOCK)
        explained = asked.explain(f"Bearer {MINT.token(iss=iss, scope='read')}", any_of("read", "write"))
        (failed,) = [each for each in explained.steps if each.verdict == "failed"]
        assert failed.name == "issuer"
        assert needle in str(failed.finding)
        assert explained.granted == ("read",)
        assert not explained.verified

    def test_a_key_set_is_the_resolvers_own_business(self):
        keys = KeySet.from_jwks(MINT.jwks())
        tenants = {ACME: make(ACME, key_set=keys)}
        asked = ResourceServer(IssuerResolver(tenants.get), AUDIENCE, clock=CLOCK)
        assert outcome(asked, ACME) is None
        assert asked.issuers == (tenants[ACME],)
