"""Which addresses are public, and that a key set which is told to refuse the others sends them nothing."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jwtauthz import Issuer, IssuerResolver, KeySetUnavailable, RemoteKeySet
from jwtauthz.keys.addresses import is_public
from jwtauthz.keys.fetch import THREAD_NAME
from jwtauthz.keys.remote import MustWait

from .tools import answer, jwks, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("address", "public"),
    [
        pytest.param("93.184.216.34", True, id="an address of the internet"),
        pytest.param("2606:2800:220:1:248:1893:25c8:1946", True, id="one of IPv6"),
        pytest.param("127.0.0.1", False, id="loopback"),
        pytest.param("127.9.9.9", False, id="all of loopback"),
        pytest.param("0.0.0.0", False, id="no address"),
        pytest.param("10.1.2.3", False, id="private"),
        pytest.param("172.16.0.1", False, id="private too"),
        pytest.param("192.168.1.1", False, id="at home"),
        pytest.param("100.64.0.1", False, id="shared by a carrier"),
        pytest.param("169.254.169.254", False, id="link-local, where clouds keep their metadata"),
        pytest.param("192.0.2.1", False, id="for documentation"),
        pytest.param("224.0.0.1", False, id="multicast"),
        pytest.param("240.0.0.1", False, id="reserved"),
        pytest.param("255.255.255.255", False, id="broadcast"),
        pytest.param("::1", False, id="loopback of IPv6"),
        pytest.param("::", False, id="no address of IPv6"),
        pytest.param("fe80::1", False, id="link-local of IPv6"),
        pytest.param("fe80::1%eth0", False, id="with its interface"),
        pytest.param("fd00::1", False, id="unique local"),
        pytest.param("ff02::1", False, id="multicast of IPv6"),
        pytest.param("::ffff:127.0.0.1", False, id="loopback within IPv6"),
        pytest.param("::ffff:10.0.0.1", False, id="private within IPv6"),
        pytest.param("::ffff:93.184.216.34", True, id="public within IPv6"),
        pytest.param("64:ff9b::7f00:1", False, id="loopback behind NAT64"),
        pytest.param("64:ff9b::a9fe:a9fe", False, id="metadata of a cloud behind NAT64"),
        pytest.param("64:ff9b::5db8:d822", True, id="public behind NAT64"),
        pytest.param("2002:7f00:1::", False, id="loopback by 6to4"),
        pytest.param("", False, id="nothing"),
        pytest.param("/run/socket", False, id="a socket of this machine"),
    ],
)
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def plain() -> httpx.Client:
    return httpx.Client(trust_env=False)


@pytest.mark.parametrize(
    "client", [pytest.param(None, id="our client"), pytest.param(plain, id="an injected one")]
)
def test_a_private_address_is_sent_nothing(client: Any) -> None:
    with serving(lambda request: answer(jwks("one"))) as server:
        keys = RemoteKeySet(f"{server.url}/keys", client=client)
        keys.guard(public_only=True)
        with pytest.raises(KeySetUnavailable, match=r"not public \(127\.0\.0\.1\)"):
            keys.warm_up()
        assert server.requests == []
        # It is the address alone that was wrong.
        RemoteKeySet(f"{server.url}/keys", client=client).warm_up()
        assert len(server.requests) == 1


def test_what_the_name_says_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to a private address, as one that was rebound does."""
    with serving(lambda request: answer(jwks("one"))) as server:
        port, real, asked = httpx.URL(server.url).port, socket.getaddrinfo, []

        def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name != "acme.auth.example.com":
                return real(host, *arguments, **options)
            asked.append(name)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        keys = RemoteKeySet("https://acme.auth.example.com/keys", client=plain)
        keys.guard(public_only=True)
        with pytest.raises(KeySetUnavailable, match="not public"):
            keys.warm_up()
        assert asked == ["acme.auth.example.com"], "the very look-up whose answer is connected to"
        assert server.requests == []


def test_a_proxy_may_be_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the application that chose it; whom it connects to, only it knows."""
    with serving(lambda request: answer(status="502 Bad Gateway")) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        keys = RemoteKeySet("https://acme.auth.example.com/keys")
        keys.guard(public_only=True)
        with pytest.raises(KeySetUnavailable) as unavailable:
            keys.warm_up()
        assert "not public" not in str(unavailable.value)


@pytest.mark.parametrize(
    ("settings", "iss", "guarded"),
    [
        pytest.param(
            {"allow": "https://*.auth.example.com/"}, "https://a.auth.example.com/", True, id="a star in the host"
        ),
        pytest.param(
            {"allow": "https://*.corp.internal/realms/*"}, "https://a.corp.internal/realms/b", True, id="two stars"
        ),
        pytest.param({"allow": Issuer}, "https://a.auth.example.com/", True, id="a function"),
        pytest.param(
            {"allow": "https://sso.corp.internal/realms/*"},
            "https://sso.corp.internal/realms/a",
            False,
            id="a star in the path, for the application wrote the host",
        ),
        pytest.param(
            {"allow": "https://sso.corp.internal/"}, "https://sso.corp.internal/", False, id="a name to the letter"
        ),
        pytest.param(
            {"allow": "https://*.corp.internal/", "private_addresses": True},
            "https://a.corp.internal/",
            False,
            id="where they may be private",
        ),
    ],
)
def test_whom_a_resolver_guards(settings: Any, iss: str, guarded: bool) -> None:
    issuer: Any = IssuerResolver(**settings).resolve(iss)
    assert issuer.key_set._fetcher.public_only is guarded


def test_a_function_may_be_asked_about_this_machine() -> None:
    asked: list[str] = []
    resolver = IssuerResolver(asked.append, private_addresses=True)  # type: ignore[arg-type]
    for iss in ("http://127.0.0.1:8080/a", "https://localhost/", "http://10.0.0.1/", "http://a.example.com/"):
        resolver.resolve(iss)
    assert asked == ["http://127.0.0.1:8080/a", "https://localhost/"]


@pytest.mark.parametrize(
    "client", [pytest.param(None, id="our client"), pytest.param(plain, id="an injected one")]
)
def test_closing_a_guarded_key_set_frees_its_thread(client: Any) -> None:
    """A server that keeps us waiting can't hold more threads than there are key sets that are kept."""
    with slowly_dripping() as url:
        keys = RemoteKeySet(f"{url}/keys", client=client)
        keys.guard(public_only=False)
        with pytest.raises(MustWait) as wait:
            keys.find("one", "ES256")
        thread = next(each for each in threading.enumerate() if each.name == THREAD_NAME)
        time.sleep(0.2)
        assert thread.is_alive()
        keys.close()
        thread.join(2)
        assert not thread.is_alive()
        wait.value.flight.wait()
        assert keys._fetcher._watched == set()


@contextmanager
def slowly_dripping() -> Iterator[str]:
    """A server that sends a letter of a header now and then, and never comes to an end."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_one() -> None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        stop.set()
        thread.join(5)
