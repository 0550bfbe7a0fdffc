"""Hooks of a server are told of decisions and of its keys, and can break nothing."""

from __future__ import annotations

import pytest

from jwtauthz import AccessDenied, ConfigurationError, ResourceServer
from jwtauthz.testing import FakeClock, FakeIssuer


@pytest.fixture
def events() -> list:
    return []


@pytest.fixture
def issuer():
    with FakeIssuer() as issuer:
        yield issuer


def names(events: list) -> list[str]:
    return [type(event).__name__ for event in events]


def test_they_are_told_of_decisions_and_of_keys(issuer, events):
    server = ResourceServer(issuer.url, issuer.audience, hooks=events.append)
    server.warm_up()
    server.authorize(f"Bearer {issuer.token(scope='a')}", "a")
    with pytest.raises(AccessDenied):
        server.authorize(f"Bearer {issuer.token(scope='b')}", "a")
    assert sorted(names(events)) == ["Allowed", "Denied", "KeysFetched"]
    denied = next(event for event in events if type(event).__name__ == "Denied")
    assert (denied.denied.status, denied.enforced) == (403, True)
    allowed = next(event for event in events if type(event).__name__ == "Allowed")
    assert allowed.token.scopes == {"a"}


def test_a_rotation_is_told(issuer, events):
    server = ResourceServer(issuer.url, issuer.audience, hooks=[events.append])
    server.warm_up()
    old, new = issuer.kid, issuer.rotate(keep_old=False)
    server.issuers[0].key_set.refresh()
    rotated = next(event for event in events if type(event).__name__ == "KeysRotated")
    assert (rotated.added, rotated.removed) == ((new,), (old,))


def test_one_that_raises_is_logged_and_changes_no_answer(issuer, caplog):
    def broken(event):
        raise RuntimeError("the hook is out of order")

    server = ResourceServer(issuer.url, issuer.audience, hooks=broken)
    assert server.authorize(f"Bearer {issuer.token(scope='a')}", "a").subject == "user-1"
    with pytest.raises(AccessDenied):
        server.authorize(None, "a")
    assert "the hook is out of order" in caplog.text


def test_one_that_always_raises_does_not_fill_the_disk(issuer, caplog, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr("jwtauthz.hooks.monotonic", clock)

    def broken(event):
        raise RuntimeError("the hook is out of order")

    def broken_too(event):
        raise LookupError("and so is this one")

    server = ResourceServer(issuer.url, issuer.audience, hooks=[broken, broken_too])

    def deny(times: int) -> None:
        for _ in range(times):
            with pytest.raises(AccessDenied):
                server.authorize(None, "a")

    deny(100)
    assert caplog.text.count("failed on Denied") == 2
    assert "and so is this one" in caplog.text
    clock.advance(60)
    deny(1)
    assert caplog.text.count("failed on Denied") == 4
    assert "(99 more of its failures were not logged)" in caplog.text


def test_what_can_not_be_called_is_refused():
    with pytest.raises(ConfigurationError, match="can't be called"):
        ResourceServer("https://issuer.test/", "x", hooks=["print"])
