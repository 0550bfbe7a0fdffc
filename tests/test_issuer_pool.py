"""A resolver's issuers are kept within bounds: what a flood of invented ones costs, and whom it can't touch."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from authorizing import AUDIENCE, CLOCK, MINT, case
from jwtauthz import AccessDenied, Code, Issuer, IssuerResolver, RemoteKeySet, ResourceServer, authenticated
from jwtauthz.errors import KeySetUnavailable
from jwtauthz.issuer_pool import REFILL
from jwtauthz.testing import FakeClock
from keys.tools import Request, answer, serving

KEYS = MINT.key_set
TENANTS = "https://*.auth.example.com/"


class Keys:
    """The keys of one tenant: told apart, counted, and out of reach if it was invented."""

    def __init__(self, iss: str, *, exists: bool) -> None:
        self.iss, self.exists = iss, exists
        self.asked = 0
        self.closed = False
        self.hooks: list = []
        self.ready = exists

    def find(self, kid, alg, *, after=None):
        self.asked += 1
        if not self.exists:
            raise KeySetUnavailable(f"no keys of {self.iss}: nobody is there")
        return KEYS.find(kid, alg)

    def recheck(self, found):
        """Keys of a test are never replaced."""

    def warm_up(self, timeout=None):
        """There is nothing to fetch."""

    async def awarm_up(self, timeout=None):  # noqa: ASYNC109
        """As `warm_up`."""

    def subscribe(self, hook):
        self.hooks.append(hook)

    def close(self):
        self.closed = True


class Api:
    """A server for tenants, and every key set that was made for it."""

    def __init__(self, allow=TENANTS, *, hooks=None, token_cache: int | None = 1_024, **settings) -> None:
        self.clock = FakeClock()
        self.made: list[Keys] = []
        self.server = ResourceServer(
            IssuerResolver(allow, make=self.make, clock=self.clock, **settings),
            AUDIENCE,
            clock=CLOCK,
            hooks=hooks,
            token_cache=token_cache,
        )

    def make(self, iss: str) -> Issuer:
        keys = Keys(iss, exists="invented" not in iss)
        self.made.append(keys)
        return Issuer(iss, key_set=keys, algorithms="ES256")

    def ask(self, tenant: str, *, forged: bool = False) -> int:
        mint = MINT.forged_token if forged else MINT.token
        return self.send(mint(iss=url(tenant)))

    def send(self, token: str) -> int:
        try:
            self.server.authorize(f"Bearer {token}", authenticated())
        except AccessDenied as denied:
            self.denied = denied
            return denied.status
        return 200

    @property
    def fetched(self) -> list[str]:
        """The tenants whose keys somebody asked for."""
        return [keys.iss for keys in self.made if keys.asked]

    @property
    def kept(self) -> set[str]:
        return set(self.server.verifier.pool._places)

    def held(self, *tenants: str) -> bool:
        return all(url(tenant) in self.kept for tenant in tenants)


def url(tenant: str) -> str:
    return f"https://{tenant}.auth.example.com/"


class TestAFlood:
    def test_of_invented_issuers_causes_few_fetches(self):
        api = Api(newcomers=20)
        answers = [api.ask(f"invented-{number}") for number in range(500)]
        assert len(set(api.fetched)) == 20
        assert set(answers) == {503}
        api.clock.advance(10 * REFILL)
        for number in range(500, 1_000):
            api.ask(f"invented-{number}")
        assert len(set(api.fetched)) == 30, "one more each ten seconds"
        assert len(api.kept) == 20

    def test_says_what_it_is(self):
        api = Api(newcomers=1)
        api.ask("invented-1")
        assert api.denied.finding.code is Code.KEYS_UNAVAILABLE
        api.ask("invented-2")
        assert api.denied.finding.code is Code.ISSUER_UNRESOLVED
        assert "newcomers" in api.denied.finding.hint
        assert api.denied.headers["Retry-After"] == "1"

    def test_pushes_out_no_issuer_that_has_proved_itself(self):
        api = Api(limit=3, newcomers=5)
        assert [api.ask(tenant) for tenant in ("a", "b", "c")] == [200] * 3
        for number in range(200):
            api.ask(f"invented-{number}")
            api.clock.advance(REFILL)
        assert api.held("a", "b", "c")
        assert [api.ask(tenant) for tenant in ("a", "b", "c")] == [200] * 3
        assert len([iss for iss in api.fetched if "invented" not in iss]) == 3
        assert len(api.kept) == 3 + 5

    def test_of_real_issuers_under_forged_signatures_pushes_out_none_either(self):
        """Their keys can be fetched, but nobody has shown a token of theirs."""
        api = Api(limit=3, newcomers=5)
        assert [api.ask(tenant) for tenant in ("a", "b", "c")] == [200] * 3
        answers = {api.ask(f"t{number}", forged=True) for number in range(100)}
        assert answers == {401, 503}
        assert api.held("a", "b", "c")
        assert len(set(api.fetched)) == 3 + 5

    def test_forged_tokens_of_one_that_is_kept_do_not_make_it_look_used(self):
        api = Api(limit=2)
        assert [api.ask(tenant) for tenant in ("old", "new")] == [200] * 2
        for _ in range(5):
            assert api.ask("old", forged=True) == 401
        assert api.ask("third") == 200
        assert api.held("new", "third")
        assert not api.held("old")

    def test_over_a_new_tenant_in_the_midst_of_it(self):
        """It gets in as soon as there is room in the budget, for a good token gives back what it took."""
        api = Api(newcomers=2)
        while api.ask("invented") and api.ask(f"invented-{len(api.made)}") and len(api.fetched) < 2:
            pass
        assert api.ask("good") == 503
        api.clock.advance(REFILL)
        assert api.ask("good") == 200
        assert api.ask("better") == 200, "what the good one took was given back"
        assert api.ask("invented-x") == 503
        assert api.denied.finding.code is Code.KEYS_UNAVAILABLE

    def test_the_one_budget_is_not_given_back_for_ever(self):
        """Somebody may have a thousand tenants, each with good tokens."""
        api = Api(limit=5, newcomers=2)
        answers = [api.ask(f"mine-{number}") for number in range(50)]
        assert answers.count(200) == 5 + 2
        api.clock.advance(300)
        assert api.ask("mine-51") == 200

    def test_the_same_invented_issuer_spends_once(self):
        api = Api(newcomers=2)
        assert {api.ask("invented") for _ in range(50)} == {503}
        assert len(api.made) == 1
        assert api.ask("good") == 200

    def test_is_told_to_no_hook_by_name(self):
        events = []
        api = Api(hooks=events.append)
        api.ask("invented")
        api.ask("good", forged=True)
        assert [keys.hooks for keys in api.made] == [[], []]
        assert api.server.issuers == ()
        api.ask("good")
        assert [len(keys.hooks) for keys in api.made] == [0, 1]
        assert [issuer.url for issuer in api.server.issuers] == [url("good")]


class TestWhatIsKept:
    def test_the_one_used_longest_ago_goes_first_and_is_closed(self):
        api = Api(limit=2)
        for tenant in ("a", "b", "a", "c"):
            assert api.ask(tenant) == 200
        assert api.held("a", "c")
        assert [keys.iss for keys in api.made if keys.closed] == [url("b")]

    def test_a_limit_that_is_too_small_is_told_now_and_then(self, caplog):
        api = Api(limit=1)
        for tenant in ("a", "b", "a"):
            api.ask(tenant)
        warned = [message for message in caplog.messages if "limit=1" in message]
        assert len(warned) == 1
        api.clock.advance(60)
        api.ask("b")
        assert len([message for message in caplog.messages if "limit=1" in message]) == 2

    def test_one_that_went_comes_again(self):
        api = Api(limit=1)
        for tenant in ("a", "b", "a", "b"):
            assert api.ask(tenant) == 200
        assert len(api.made) == 4

    def test_those_that_are_named_are_neither_counted_nor_pushed_out(self):
        api = Api([url(f"named-{number}") for number in range(5)] + [TENANTS], limit=1, newcomers=1)
        for number in range(5):
            assert api.ask(f"named-{number}", forged=True) == 401
        assert [api.ask(tenant) for tenant in ("a", "b")] == [200] * 2
        assert api.held("b", *(f"named-{number}" for number in range(5)))
        assert not api.held("a")
        assert len(api.server.issuers) == 6

    def test_closing_the_server_closes_them(self):
        api = Api()
        api.ask("a")
        api.ask("invented")
        api.server.close()
        assert [keys.closed for keys in api.made] == [True, True]

    def test_an_issuer_that_is_forgotten_is_closed_and_asked_about_anew(self):
        api = Api()
        assert api.ask("a") == 200
        assert api.server.forget_issuer(url("a"))
        assert not api.server.forget_issuer(url("a"))
        assert [keys.closed for keys in api.made] == [True]
        assert api.ask("a") == 200
        assert len(api.made) == 2

    def test_a_server_without_a_resolver_has_none_to_forget(self):
        assert not ResourceServer("https://issuer.test/", AUDIENCE).forget_issuer("https://issuer.test/")


class TestTheTokenCache:
    def test_a_remembered_token_keeps_its_issuer_in_use(self):
        api, token = Api(limit=2), MINT.token(iss=url("a"))
        assert api.send(token) == 200
        assert api.ask("b") == 200
        assert api.send(token) == 200
        assert api.ask("c") == 200
        assert api.held("a", "c")

    def test_a_token_of_an_issuer_that_went_is_verified_anew(self):
        api, token = Api(limit=1), MINT.token(iss=url("a"))
        assert api.send(token) == 200
        assert api.ask("b") == 200
        assert api.send(token) == 200
        assert [keys.iss for keys in api.made] == [url("a"), url("b"), url("a")]

    def test_a_token_of_an_issuer_that_is_gone_for_good_is_refused(self):
        tenants = {url("a"): Issuer(url("a"), key_set=KEYS, algorithms="ES256")}
        server = ResourceServer(IssuerResolver(tenants.get), AUDIENCE, clock=CLOCK)
        token = f"Bearer {MINT.token(iss=url('a'))}"
        for _ in range(2):
            assert server.authorize(token, authenticated()).issuer == url("a")
        del tenants[url("a")]
        server.forget_issuer(url("a"))
        with pytest.raises(AccessDenied) as denied:
            server.authorize(token, authenticated())
        assert denied.value.finding.code is Code.WRONG_ISSUER

    def test_a_token_is_not_judged_by_what_its_issuer_used_to_be(self):
        tenants = {url("a"): Issuer(url("a"), key_set=KEYS, algorithms="ES256")}
        server = ResourceServer(IssuerResolver(tenants.get), AUDIENCE, clock=CLOCK)
        token = f"Bearer {MINT.token(iss=url('a'))}"
        server.authorize(token, authenticated())
        tenants[url("a")] = Issuer(
            url("a"), key_set=KEYS, algorithms="ES256", audience="https://other.example.com"
        )
        server.forget_issuer(url("a"))
        with pytest.raises(AccessDenied) as denied:
            server.authorize(token, authenticated())
        assert denied.value.finding.code is Code.WRONG_AUDIENCE


class TestManyAtOnce:
    @pytest.mark.parametrize("token_cache", [case("with a cache", 1_024), case("without one", None)])
    def test_threads_that_push_out_each_others_issuers(self, token_cache):
        api = Api(limit=3, newcomers=1_000, token_cache=token_cache)
        tokens = {
            status: [mint(iss=url(f"{name}-{number}")) for number in range(8)]
            for status, mint, name in ((200, MINT.token, "t"), (401, MINT.forged_token, "t"))
        }

        def one(number: int) -> bool:
            # The budget is not given back for ever, so some may be refused for that; none is let in wrongly.
            status = (200, 401)[number % 3 == 0]
            return api.send(tokens[status][number % 8]) in {status, 503}

        with ThreadPoolExecutor(16) as threads:
            assert all(threads.map(one, range(3_000)))
        proven = api.server.issuers
        assert len(proven) <= 3
        still = {keys.iss for keys in api.made if not keys.closed}
        assert {issuer.url for issuer in proven} <= still

    def test_threads_that_meet_one_new_issuer_share_it(self):
        api, start = Api(newcomers=1), threading.Barrier(8)

        def one(_):
            start.wait(5)
            return api.ask("a")

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(one, range(8))) == {200}
        assert api.kept == {url("a")}
        assert len(api.fetched) == 1

    def test_asyncio(self):
        api = Api(limit=4)

        async def one(number):
            token = await api.server.aauthorize(f"Bearer {MINT.token(iss=url(f't{number % 4}'))}", authenticated())
            return token.issuer

        async def all_of_them():
            return await asyncio.gather(*map(one, range(40)))

        assert asyncio.run(all_of_them()) == [url(f"t{number % 4}") for number in range(40)]

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
    def test_a_fork_in_the_midst_of_it(self):
        api = Api()
        api.ask("a")
        api.server.verifier.pool._lock.acquire()  # as another thread of the parent may have
        child = os.fork()
        if child == 0:
            os._exit(0 if api.ask("a") == 200 and api.ask("b") == 200 else 1)
        api.server.verifier.pool._lock.release()
        assert os.waitpid(child, 0)[1] == 0


class TestOverTheWire:
    """Tenants as paths of a server on loopback, found by discovery."""

    @pytest.fixture
    def tenants(self):
        real = {"a", "b"}

        def respond(request: Request) -> bytes:
            import json

            name, _, rest = request.path.strip("/").partition("/")
            if name not in real:
                return answer(status="404 Not Found")
            iss = f"{served.url}/{name}"
            if rest == ".well-known/openid-configuration":
                return answer(json.dumps({"issuer": iss, "jwks_uri": f"{iss}/keys"}).encode())
            return answer(json.dumps(MINT.jwks()).encode())

        with serving(respond) as served:
            yield served

    def server(self, tenants, **settings) -> ResourceServer:
        def make(iss):
            return Issuer(iss, algorithms="ES256")

        return ResourceServer(IssuerResolver(f"{tenants.url}/*", make=make, **settings), AUDIENCE, clock=CLOCK)

    def status(self, server, iss) -> int:
        try:
            server.authorize(f"Bearer {MINT.token(iss=iss)}", authenticated())
        except AccessDenied as denied:
            return denied.status
        return 200

    def test_each_is_found_once(self, tenants):
        with self.server(tenants) as server:
            for _ in range(3):
                assert self.status(server, f"{tenants.url}/a") == 200
                assert self.status(server, f"{tenants.url}/b") == 200
            assert len(tenants.paths) == 4

    def test_a_flood_of_invented_ones(self, tenants, caplog):
        caplog.set_level(logging.ERROR)
        with self.server(tenants, newcomers=5) as server:
            assert self.status(server, f"{tenants.url}/a") == 200
            assert {self.status(server, f"{tenants.url}/x{number}") for number in range(60)} == {503}
            first_form = [path for path in tenants.paths if path.startswith("/x")]
            assert len(set(first_form)) == 5
            assert self.status(server, f"{tenants.url}/a") == 200

    def test_from_asyncio(self, tenants):
        async def ask(server):
            header = f"Bearer {MINT.token(iss=f'{tenants.url}/a')}"
            many = await asyncio.gather(*(server.aauthorize(header, authenticated()) for _ in range(10)))
            return {token.subject for token in many}

        with self.server(tenants) as server:
            assert asyncio.run(ask(server)) == {"user-1"}
        assert len(tenants.paths) == 2

    def test_one_that_is_pushed_out_while_it_is_fetched_is_answered(self, tenants):
        with self.server(tenants) as server:
            original = RemoteKeySet.find

            def find(self, *arguments, after=None):
                if after is not None:
                    server.forget_issuer(f"{tenants.url}/a")
                return original(self, *arguments, after=after)

            patch = pytest.MonkeyPatch()
            with patch.context() as context:
                context.setattr(RemoteKeySet, "find", find)
                assert self.status(server, f"{tenants.url}/a") in {200, 503}
            assert self.status(server, f"{tenants.url}/a") == 200
