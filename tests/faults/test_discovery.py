"""Part H of the scenarios: the metadata that say where the keys are."""

from __future__ import annotations

import pytest

from jwtauthz.errors import AccessDenied
from jwtauthz.testing import MisbehavingIssuer
from jwtauthz.testing import behaviours as b

from .conftest import SHORT, WITHIN
from .test_bad_answers import ANSWERS

ALSO_METADATA = [
    pytest.param(behaviour, id=f"F93 {name}")
    for name, behaviour, _ in ANSWERS
    if name[:3] not in ("F37", "F38", "F40", "F54")
]


@pytest.mark.parametrize("behaviour", ALSO_METADATA)
def test_f93_bad_metadata_are_held_to_the_rules_of_bad_key_sets(make_rig, stopwatch, behaviour):
    rig = make_rig(behaviour, at="metadata", discovery=True, timing=SHORT)
    with stopwatch(WITHIN):
        assert rig.status() == 503
    assert rig.issuer.fetches() == 0
    with stopwatch(0.3):
        assert [rig.status() for _ in range(10)] == [503] * 10
    rig.settle()
    (failure,) = rig.failures
    rig.issuer.behave(None)
    rig.clock.advance(failure.retry_in + 0.01)
    assert rig.status() == 200


@pytest.mark.parametrize("behaviour", [b.failing(503), b.html(), b.refusing(), b.altered(issuer="https://x/")])
def test_f93_metadata_out_of_reach_cost_nobody_the_keys_at_hand(make_rig, behaviour):
    rig = make_rig(discovery=True)
    rig.prime()
    rig.issuer.behave(behaviour, at="everywhere")
    for _ in range(5):
        rig.clock.advance(601)
        assert not isinstance(rig.ask(), AccessDenied)
        rig.settle()


def test_f93_keys_that_can_be_reached_are_refreshed_though_the_metadata_cannot(make_rig):
    rig = make_rig(discovery=True)
    rig.prime()
    rig.issuer.behave(b.failing(503), at="metadata")
    for _ in range(3):
        rig.clock.advance(601)
        rig.ask()
        rig.settle()
    assert not rig.ask().stale


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda url: "https://evil.example/", id="F91 another issuer"),
        pytest.param(lambda url: url.rstrip("/"), id="F91 without the slash at the end"),
        pytest.param(lambda url: url.upper(), id="F91 in capitals"),
        pytest.param(lambda url: url + "?", id="F91 with a query"),
        pytest.param(lambda url: None, id="F91 without a name"),
        pytest.param(lambda url: [url], id="F91 a list"),
        pytest.param(lambda url: 17, id="F91 a number"),
    ],
)
def test_f91_metadata_of_another_issuer_are_refused(make_rig, change):
    rig = make_rig(discovery=True)
    rig.issuer.behave(b.altered(issuer=change(rig.issuer.url)), at="metadata")
    assert rig.status() == 503
    assert rig.issuer.fetches() == 0
    rig.settle()
    assert rig.failures[0].kind == "discovery"


@pytest.mark.parametrize(
    "jwks_uri",
    [
        pytest.param("http://issuer.example/jwks.json", id="F92 http"),
        pytest.param("ftp://127.0.0.1/jwks.json", id="F92 ftp"),
        pytest.param("file:///etc/passwd", id="F92 a file"),
        pytest.param("data:application/json,{}", id="F92 data"),
        pytest.param("/jwks.json", id="F92 relative"),
        pytest.param("https://user:secret@issuer.example/", id="F92 with a password"),
        pytest.param("https://", id="F92 without a host"),
        pytest.param("https://[", id="F92 no URL"),
        pytest.param("https://a\r\nb/", id="F92 with a line break"),
        pytest.param("", id="F92 empty"),
        pytest.param(None, id="F92 missing"),
        pytest.param(17, id="F92 a number"),
        pytest.param(["https://issuer.example/"], id="F92 a list"),
    ],
)
def test_f92_an_unfit_jwks_uri_is_refused(make_rig, jwks_uri):
    rig = make_rig(b.altered(jwks_uri=jwks_uri), at="metadata", discovery=True)
    denied = rig.ask()
    assert denied.status == 503
    assert "secret" not in str(denied)
    rig.settle()
    assert rig.failures[0].kind == "discovery"


def test_f94_an_issuer_that_moves_its_keys_is_followed(make_rig):
    rig = make_rig(discovery=True)
    rig.prime()
    rig.issuer.move_jwks("/keys/2")
    rig.issuer.rotate(keep_old=False)
    rig.clock.advance(601)
    assert rig.status() in (200, 401, 503)  # the old place is gone; that is found out now
    rig.settle()
    rig.clock.advance(30)
    assert rig.status() == 200
    assert rig.issuer.fetches("/keys/2") == 1


def test_f94_it_is_followed_also_if_the_old_place_goes_on_answering(make_rig):
    rig = make_rig(discovery=True)
    old = rig.issuer.token(scope="read:users")
    rig.status(old)
    with MisbehavingIssuer(algorithm="ES256") as new_place:
        rig.issuer.behave(b.altered(jwks_uri=new_place.jwks_url), at="metadata")
        rig.clock.advance(86_400)
        assert rig.status(old) == 401
        assert rig.status(new_place.token(scope="read:users", iss=rig.issuer.url)) == 200


def test_f94_a_validator_of_the_old_place_is_not_sent_to_the_new_one(make_rig):
    rig = make_rig(discovery=True)
    rig.prime()
    rig.issuer.move_jwks("/keys/2")
    rig.clock.advance(86_400)
    assert rig.status() == 200
    sent = [
        headers
        for path, headers in zip(rig.issuer.requests, rig.issuer.received, strict=True)
        if path == "/keys/2"
    ]
    assert len(sent) == 1
    assert "if-none-match" not in sent[0]
