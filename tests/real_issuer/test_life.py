"""An API goes on without a restart through all that becomes of its issuer, which is not ours."""

from __future__ import annotations

import time

import pytest

from jwtauthz import Issuer, ResourceServer
from jwtauthz.errors import AccessDenied
from jwtauthz.keys.remote import RemoteKeySet


class WarpClock:
    """A clock that goes as time goes, and may be sent ahead."""

    def __init__(self):
        self._ahead = 0.0

    def __call__(self):
        return time.monotonic() + self._ahead

    def advance(self, seconds):
        self._ahead += seconds


class Api:
    """A resource server that knows its issuer's URL and nothing else; `clock` is that of its keys."""

    def __init__(self, issuer):
        self.clock = WarpClock()
        self.keys = RemoteKeySet(issuer=issuer.url, clock=self.clock)
        self.server = ResourceServer(Issuer(issuer.url, key_set=self.keys), issuer.audience)

    def ask(self, token):
        try:
            return self.server.authorize(f"Bearer {token}", "read:users")
        except AccessDenied as denied:
            return denied

    def status(self, token):
        return getattr(self.ask(token), "status", 200)

    def later(self, seconds):
        """Let time pass, without a fetch that is under way being cut short by it."""
        end = time.monotonic() + 10
        while self.keys.health()["fetching"]:
            assert time.monotonic() < end
            time.sleep(0.01)
        self.clock.advance(seconds)


@pytest.fixture
def api(own_real_issuer):
    api = Api(own_real_issuer)
    assert api.status(own_real_issuer.token()) == 200
    yield api
    api.server.close()


def test_it_rotates_with_overlap(api, own_real_issuer):
    old = own_real_issuer.token()
    api.later(3)
    own_real_issuer.rotate()
    assert [api.status(own_real_issuer.token()), api.status(old)] == [200, 200]


def test_it_rotates_without_overlap(api, own_real_issuer):
    old = own_real_issuer.token()
    api.later(3)
    own_real_issuer.rotate(keep_old=False)
    assert [api.status(own_real_issuer.token()), api.status(old)] == [200, 401]


def test_it_restarts_with_a_new_key(api, own_real_issuer):
    old = own_real_issuer.token()
    own_real_issuer.restart_with_new_keys()
    api.later(3)
    assert [api.status(own_real_issuer.token()), api.status(old)] == [200, 401]


def test_it_goes_away_and_comes_back(api, own_real_issuer):
    token = own_real_issuer.token()
    own_real_issuer.stop()
    assert api.status(token) == 200  # fresh still
    api.later(3700)
    assert api.ask(token).stale
    api.later(3700)
    denied = api.ask(token)
    assert (denied.status, denied.challenge) == (503, None)
    assert not api.server.ready
    own_real_issuer.start()
    api.later(31)
    assert api.status(token) == 200
    assert not api.ask(token).stale
    assert api.server.ready


def test_it_comes_back_with_a_new_key(api, own_real_issuer):
    old = own_real_issuer.token()
    own_real_issuer.stop()
    api.later(3700)
    assert api.ask(old).stale
    own_real_issuer.start()
    own_real_issuer.rotate(keep_old=False)
    new = own_real_issuer.token()
    api.later(31)
    assert [api.status(new), api.status(old)] == [200, 401]


def test_it_is_not_there_when_the_api_starts(own_real_issuer):
    token = own_real_issuer.token()
    own_real_issuer.stop()
    api = Api(own_real_issuer)
    assert api.status(token) == 503
    own_real_issuer.start()
    api.later(31)
    assert api.status(token) == 200


def test_it_moves_its_jwks_uri_and_rotates(api, own_real_issuer):
    old = own_real_issuer.token()
    own_real_issuer.move_jwks("/keys/2")
    own_real_issuer.rotate(keep_old=False)
    assert own_real_issuer.metadata()["jwks_uri"].endswith("/keys/2")
    new = own_real_issuer.token()
    api.later(3)
    assert api.status(new) == 503  # the old place is gone: nobody knows, so nobody is told that the token is bad
    api.later(31)
    assert [api.status(new), api.status(old)] == [200, 401]


def test_it_moves_its_jwks_uri_in_silence_and_the_api_follows_by_the_next_day(api, own_real_issuer):
    own_real_issuer.move_jwks("/keys/2")
    token = own_real_issuer.token()
    assert api.status(token) == 200
    api.later(86_400)
    assert api.status(token) == 200
    assert not api.ask(token).stale
