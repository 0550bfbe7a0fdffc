"""Part A of the scenarios: what a connection can do, as far as the table of bad answers does not show it."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import warnings
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import trustme

from jwtauthz import Issuer, ResourceServer
from jwtauthz.errors import ConfigurationError, KeySetUnavailable
from jwtauthz.events import FailureKind
from jwtauthz.keys.remote import RemoteKeySet
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import MisbehavingIssuer
from jwtauthz.testing import behaviours as b

from .conftest import SHORT, WITHIN


def test_f01_an_issuer_that_is_down_at_start_does_not_keep_the_app_from_starting(make_rig):
    rig = make_rig(b.refusing())
    with pytest.raises(KeySetUnavailable):
        rig.server.warm_up()
    assert not rig.server.ready
    assert rig.status() == 503
    rig.issuer.behave(None)
    rig.clock.advance(1)
    assert rig.status() == 200
    assert rig.server.ready


async def _starts(server):
    async with server.lifespan():
        return True


def test_f01_an_asgi_app_starts_without_its_issuer(make_rig):
    import asyncio

    assert asyncio.run(_starts(make_rig(b.refusing()).server))


def test_f04_a_late_answer_is_taken_and_later_requests_do_not_wait(make_rig, stopwatch):
    rig = make_rig(b.slow(0.5))
    assert rig.status() == 200
    with stopwatch(0.1):
        assert [rig.status() for _ in range(5)] == [200] * 5
    assert rig.issuer.fetches() == 1


def test_f06_fetches_that_hang_on_for_ever_are_at_most_two(make_rig, stopwatch):
    rig = make_rig(b.dripping_headers(0.05), timing=SHORT)
    for _ in range(5):
        with stopwatch(WITHIN):
            assert rig.status() == 503
        rig.clock.advance(31)
    hanging = [thread for thread in threading.enumerate() if thread.name == "jwtauthz-keys"]
    assert len(hanging) == rig.issuer.fetches() == 2
    assert all(thread.daemon for thread in hanging)
    rig.issuer.stop()  # the ends of their connections
    for thread in hanging:
        thread.join(5)
    rig.issuer.behave(None)
    rig.issuer.start()
    rig.clock.advance(31)
    assert rig.status() == 200


def test_f06_a_late_answer_of_a_fetch_that_was_given_up_changes_nothing(make_rig):
    rig = make_rig(b.dripping_headers(0.012), timing=SHORT)  # done after some 2.5 s
    late = rig.issuer.token(scope="read:users")
    assert rig.status(late) == 503
    rig.issuer.behave(None)
    rig.issuer.rotate(keep_old=False)
    rig.clock.advance(31)
    assert rig.status() == 200
    for thread in threading.enumerate():
        if thread.name == "jwtauthz-keys":
            thread.join(10)
    assert rig.keys.health()["keys"] == [rig.issuer.kid]


def test_f07_a_reset_is_retried_once(make_rig):
    rig = make_rig(b.at_first(b.resetting()))
    assert rig.status() == 200
    assert rig.issuer.fetches() == 2


@pytest.mark.parametrize("bad", [b.failing(500), b.failing(503), b.failing(408)])
def test_f18_a_fleeting_error_is_retried_once(make_rig, bad):
    rig = make_rig(b.at_first(bad))
    assert rig.status() == 200
    assert rig.issuer.fetches() == 2


def test_f10_a_kept_connection_that_is_closed_between_two_requests_costs_a_retry(make_rig):
    rig = make_rig(b.closing_kept_connections(), at="everywhere", discovery=True)
    assert rig.status() == 200
    assert rig.issuer.connections == 2
    rig.clock.advance(601)
    assert rig.status() == 200  # and between two fetches no connection is kept at all
    assert not rig.failures


class Resolver:
    """Names as a test wants them: an address, several, an error to raise, or a function to call."""

    def __init__(self, monkeypatch):
        self.names, self._real, self.asked = {}, socket.getaddrinfo, []
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, *arguments, **options):
        host = host.decode() if isinstance(host, bytes) else host
        if host not in self.names:
            return self._real(host, port, *arguments, **options)
        self.asked.append(host)
        answer = self.names[host]
        answer = answer() if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in answer]


@pytest.fixture
def resolver(monkeypatch):
    return Resolver(monkeypatch)


def at(rig_or_issuer):
    """The address behind an issuer's URL."""
    issuer = getattr(rig_or_issuer, "issuer", rig_or_issuer)
    return "127.0.0.1", httpx.URL(issuer.url).port


@pytest.fixture
def named(make_rig, https, trusting, resolver):
    """A rig whose keys are fetched from https://keys.test/, which the resolver makes the issuer."""

    def make(**options):
        def client():
            return httpx.Client(verify=trusting, trust_env=False)

        url = "https://keys.test/.well-known/jwks.json"
        rig = make_rig(tls=https("keys.test"), jwks_url=url, client=client, **options)
        resolver.names["keys.test"] = [at(rig)]
        return rig

    return make


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), id="F11 NXDOMAIN"),
        pytest.param(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), id="F11 SERVFAIL"),
        pytest.param(UnicodeError("label too long"), id="F11 a name that is none"),
    ],
)
def test_f11_names_that_do_not_resolve(named, resolver, error):
    rig = named()
    good, resolver.names["keys.test"] = resolver.names["keys.test"], error
    assert rig.status() == 503
    resolver.names["keys.test"] = good
    rig.clock.advance(31)
    assert rig.status() == 200
    resolver.names["keys.test"] = error
    rig.clock.advance(601)
    assert rig.status() == 200
    assert rig.ask().stale


def test_f11_a_slow_resolver_is_bounded_by_the_deadline(named, resolver, stopwatch):
    rig, answered = named(timing=SHORT), threading.Event()

    def slow():
        answered.wait(10)
        return [at(rig)]

    resolver.names["keys.test"] = slow
    with stopwatch(WITHIN):
        assert rig.status() == 503
    answered.set()


def test_f12_the_next_fetch_resolves_anew(named, resolver, https):
    rig = named()
    rig.prime()
    with MisbehavingIssuer(algorithm="ES256", tls=https("keys.test")) as other:
        rig.issuer.stop()
        resolver.names["keys.test"] = [at(other)]
        rig.clock.advance(3)
        assert rig.status(other.token(scope="read:users", iss=rig.issuer.url)) == 200


def expired(ca):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return {"by": ca, "not_before": yesterday - timedelta(days=1), "not_after": yesterday}


@pytest.mark.parametrize(
    ("names", "options", "word"),
    [
        pytest.param([], expired, "expired", id="F13 expired"),
        pytest.param(["another.test"], lambda ca: {"by": ca}, "IP address mismatch", id="F13 wrong host"),
        pytest.param([], lambda ca: {"by": trustme.CA()}, "issuer certificate", id="F13 unknown CA"),
    ],
)
def test_f13_a_certificate_that_is_not_to_be_trusted(make_rig, https, ca, trusting, caplog, names, options, word):
    rig = make_rig(tls=https(), client=lambda: httpx.Client(verify=trusting, trust_env=False))
    rig.prime()
    rig.issuer.behave(b.presenting(https(*names, **options(ca))))
    rig.keys.purge()
    asked = len(rig.issuer.requests)
    with caplog.at_level(logging.WARNING, "jwtauthz.keys"):
        assert rig.status() == 503
    rig.settle()
    assert rig.failures[0].kind is FailureKind.CONNECTION
    assert word in rig.failures[0].reason
    assert word in caplog.text
    assert len(rig.issuer.requests) == asked  # nothing was asked over a line that is not to be trusted
    rig.issuer.behave(None)
    rig.clock.advance(31)
    assert rig.status() == 200


def test_f13_nothing_but_public_authorities_is_trusted_unless_told(make_rig, https):
    rig = make_rig(tls=https())
    assert rig.status() == 503
    rig.settle()
    assert "certificate" in rig.failures[0].reason
    assert rig.issuer.requests == ()


def test_f13_a_port_that_speaks_no_tls(make_rig, https, trusting):
    rig = make_rig(tls=https(), client=lambda: httpx.Client(verify=trusting, trust_env=False))
    rig.issuer.behave(b.presenting(None))
    assert rig.status() == 503
    assert rig.issuer.requests == ()


def test_f13_tls_1_0_alone(make_rig, ca, trusting):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1
    ca.issue_cert("127.0.0.1").configure_cert(old)
    rig = make_rig(tls=old, client=lambda: httpx.Client(verify=trusting, trust_env=False))
    assert rig.status() == 503
    assert rig.issuer.requests == ()


@pytest.mark.parametrize(
    "url", ["http://issuer.example/jwks.json", "http://10.0.0.1/", "ftp://127.0.0.1/", "file:///x"]
)
def test_f14_keys_over_a_line_that_anybody_can_change_are_refused_when_built(url):
    with pytest.raises(ConfigurationError):
        RemoteKeySet(url)
    with pytest.raises(ConfigurationError):
        ResourceServer(issuer=Issuer("https://issuer.example/", jwks_url=url), audience="a")


@pytest.mark.parametrize("dead", ["refusing", "unreachable"])
def test_f15_of_two_addresses_one_is_dead(named, resolver, dead):
    rig = named(timing=Timing(connect=0.5))
    with MisbehavingIssuer(getattr(b, dead)(), algorithm="ES256") as nobody:
        resolver.names["keys.test"] = [at(nobody), at(rig)]
        assert rig.status() == 200


@pytest.fixture
def proxy(monkeypatch):
    """Something that the environment calls a proxy. It counts who comes, and is of no use."""
    with MisbehavingIssuer(algorithm="ES256") as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield proxy


def test_f16_loopback_is_never_asked_through_a_proxy(make_rig, proxy):
    assert make_rig(discovery=True).status() == 200
    assert proxy.connections == 0


def test_f16_the_world_is_asked_through_the_proxy_of_the_environment(make_rig, proxy, resolver):
    resolver.names["keys.test"] = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    rig = make_rig(jwks_url="https://keys.test/jwks.json")
    assert rig.status() == 503
    assert proxy.connections > 0
    assert resolver.asked == []  # that is the proxy's business


def test_f16_no_proxy_is_honoured_and_so_is_ssl_cert_file(
    make_rig, https, ca, proxy, resolver, monkeypatch, tmp_path
):
    monkeypatch.setenv("NO_PROXY", "keys.test")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    rig = make_rig(tls=https("keys.test"), jwks_url="https://keys.test/.well-known/jwks.json")
    resolver.names["keys.test"] = [at(rig)]
    assert rig.status() == 200
    assert proxy.connections == 0


def test_f17_a_password_in_the_url_is_refused_without_being_repeated():
    with pytest.raises(ConfigurationError) as caught:
        RemoteKeySet("https://user:hunter2@issuer.example/jwks.json")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "bad", [b.failing(503), b.html(), b.refusing(), b.redirecting("https://x/?api_key=hunter2")]
)
def test_f17_a_secret_in_the_query_is_sent_and_never_shown(make_rig, caplog, bad):
    with MisbehavingIssuer(algorithm="ES256") as issuer, caplog.at_level(logging.DEBUG, "jwtauthz"):
        rig = make_rig(jwks_url=f"{issuer.jwks_url}?api_key=hunter2")
        assert rig.status(issuer.token(scope="read:users", iss=rig.issuer.url)) == 200
        issuer.behave(bad)
        rig.keys.purge()
        denied = rig.ask()
        assert denied.status == 503
        rig.settle()
        shown = (
            f"{denied} {denied.headers} {denied.body} {rig.keys!r} {rig.keys.health()} {rig.events} {caplog.text}"
        )
        assert "hunter2" not in shown
