"""Parts B and C of the scenarios: statuses, headers, bodies, as far as the table of bad answers does not go."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from jwtauthz.events import KeyDropped, KeysFetched
from jwtauthz.testing import behaviours as b

from .conftest import SHORT


@pytest.mark.parametrize("status", [500, 502, 503, 404])
def test_f18_f20_no_fetch_per_request_during_an_outage(make_rig, status):
    rig = make_rig(b.failing(status))
    for _ in range(60):  # half a minute, two requests a second
        assert rig.status() == 503
        rig.clock.advance(0.5)
    assert len(rig.failures) <= 6  # 1, 2, 4, 8, 16 s apart, or half of that
    rig.issuer.behave(None)
    rig.clock.advance(30)
    assert rig.status() == 200


def in_a_minute() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=61), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [
        pytest.param(60, 60, id="F19 seconds"),
        pytest.param(in_a_minute, 60, id="F19 a date"),
        pytest.param(1_000_000_000, 300, id="F19 thirty years"),
        pytest.param("9" * 5000, 300, id="F19 more than there is"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 300, id="F19 a date in 9999"),
    ],
)
def test_f19_no_fetch_before_retry_after_which_is_bounded(make_rig, retry_after, pause):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.throttling(retry_after() if callable(retry_after) else retry_after))
    rig.clock.advance(601)
    assert rig.ask().key_id
    asked = rig.issuer.fetches()
    rig.clock.advance(pause - 3)
    assert rig.ask().stale
    denied = rig.ask(rig.junk())
    assert denied.status == 503
    assert rig.issuer.fetches() == asked
    rig.issuer.behave(None)
    rig.clock.advance(5)
    rig.ask()
    rig.settle()
    assert rig.issuer.fetches() == asked + 1
    assert not rig.ask().stale


def test_f19_without_keys_the_client_is_told_to_wait_as_long(make_rig):
    rig = make_rig(b.throttling(60))
    rig.ask()
    assert 55 <= int(rig.ask().headers["Retry-After"]) <= 60


@pytest.mark.parametrize("retry_after", ["-1", "soon", "", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "٣"])
def test_f19_a_retry_after_that_makes_no_sense_is_as_good_as_none(make_rig, retry_after):
    rig = make_rig(b.failing(429, headers={"Retry-After": retry_after.encode().decode("latin-1")}))
    assert rig.status() == 503
    rig.issuer.behave(None)
    rig.clock.advance(1)
    assert rig.status() == 200


def test_f23_a_304_keeps_the_keys_and_renews_their_freshness(make_rig):
    rig = make_rig()
    rig.prime()
    for _ in range(3):
        rig.clock.advance(590)
        assert rig.status() == 200
        rig.settle()
        assert rig.keys.state == "fresh"
    assert rig.issuer.fetches() == 4
    assert [headers.get("if-none-match") is not None for headers in rig.issuer.received] == [
        False,
        True,
        True,
        True,
    ]
    assert [event.confirmed for event in rig.events if isinstance(event, KeysFetched)] == [False, True, True, True]


def test_f24_a_304_when_nothing_is_held_is_a_failed_fetch(make_rig):
    rig = make_rig(b.not_modified(), timing=SHORT)
    assert rig.status() == 503
    rig.issuer.behave(None)
    rig.clock.advance(1)
    assert rig.status() == 200


def test_f24_a_304_to_a_request_without_a_validator_is_a_failed_fetch(make_rig):
    rig = make_rig(b.with_headers({"ETag": None}))
    rig.prime()
    rig.issuer.behave(b.not_modified())
    rig.clock.advance(601)
    rig.ask()
    rig.settle()
    assert rig.ask().stale


WILD = ["max-age=0", "no-store", "max-age=1000000000", "max-age=-1", "max-age=9" + "9" * 400, "no-cache",
        "rubbish,,=;;", "max-age", 'max-age="600"', "max-age=600, max-age=0", "=", ",", "x" * 5_000]  # fmt: skip


@pytest.mark.parametrize("value", [pytest.param(value, id=f"F30 {value[:20]}") for value in WILD])
def test_f30_freshness_has_a_floor_and_a_ceiling(make_rig, value):
    rig = make_rig(b.with_headers({"Cache-Control": value}))
    old = rig.issuer.token(scope="read:users")
    assert [rig.status(old) for _ in range(20)] == [200] * 20
    assert rig.issuer.fetches() == 1  # none per request
    rig.clock.advance(40)
    assert rig.status(old) == 200
    rig.settle()
    assert rig.issuer.fetches() == 1
    rig.issuer.rotate(keep_old=False)
    rig.clock.advance(3600)
    assert rig.status(old) == 401  # and none for ever


def test_f31_cookies_and_challenges_are_not_sent_back(make_rig):
    rig = make_rig(
        b.with_headers({"Set-Cookie": "sid=1; Path=/", "WWW-Authenticate": "Basic realm=x", "ETag": None})
    )
    rig.prime()
    rig.clock.advance(601)
    rig.prime()
    rig.issuer.behave(b.failing(401, headers={"WWW-Authenticate": "Negotiate", "Set-Cookie": "sid=2"}))
    rig.clock.advance(601)
    rig.ask()
    rig.settle()
    assert rig.issuer.fetches() == 3
    assert not any({"cookie", "authorization"} & headers.keys() for headers in rig.issuer.received)


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/jwk-set+json; charset=utf-8", "text/html", "?"]
)
def test_f41_the_media_type_is_the_senders_affair(make_rig, media_type):
    assert make_rig(b.with_headers({"Content-Type": media_type})).status() == 200


def with_bom(exchange):
    exchange.reply(exchange.whole.with_body(b"\xef\xbb\xbf" + exchange.whole.body))


def test_f42_a_byte_order_mark_is_a_failed_fetch_and_nothing_worse(make_rig):
    rig = make_rig(with_bom)
    assert rig.status() == 503
    rig.issuer.behave(None)
    rig.clock.advance(1)
    rig.prime()
    rig.issuer.behave(with_bom)
    rig.clock.advance(601)
    assert rig.status() == 200


def test_f44_only_gzip_is_asked_for_and_gzip_is_read(make_rig):
    rig = make_rig(b.miscoded("gzip"))
    assert rig.status() == 200
    assert rig.issuer.received[0]["accept-encoding"] == "gzip"


def test_f44_gzip_with_something_behind_it_is_a_failed_fetch(make_rig):
    def two_members(exchange):
        body = gzip.compress(exchange.whole.body) + gzip.compress(b"{}")
        exchange.reply(exchange.whole.with_body(body).with_headers({"Content-Encoding": "gzip"}))

    assert make_rig(two_members).status() == 503


def test_f40_a_hundred_keys_are_not_too_many(make_rig):
    assert make_rig(b.too_many_keys(99)).status() == 200
    assert make_rig(b.too_many_keys(100)).status() == 503


def test_f32_the_largest_body_that_is_read_is_256_kib(make_rig):
    def just_fitting(exchange):
        body = exchange.whole.body
        exchange.reply(exchange.whole.with_body(body + b" " * (256 * 1024 - len(body))))

    assert make_rig(just_fitting).status() == 200


def test_f38_an_empty_key_set_costs_nobody_the_keys_at_hand_and_is_no_success(make_rig, caplog):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.altered(keys=[]))
    with caplog.at_level("WARNING", "jwtauthz.keys"):
        rig.clock.advance(601)
        rig.ask()
        rig.settle()
    assert "no usable key" in caplog.text
    assert rig.ask().stale
    rig.clock.advance(3600)  # beyond the stale time
    assert rig.status() == 503


def test_f54_a_leak_is_told_and_not_repeated(make_rig, caplog):
    rig = make_rig()
    private = {**rig.issuer.private_jwks()[0], "kid": "leaked"}
    rig.issuer.behave(b.publishing(private))
    with caplog.at_level("DEBUG", "jwtauthz"):
        assert rig.status() == 200  # by the key beside it
        assert rig.status(rig.junk("leaked")) == 401
        rig.settle()
    (dropped,) = [event for event in rig.events if isinstance(event, KeyDropped)]
    assert dropped.kid == "leaked"
    assert "private" in caplog.text
    assert private["d"] not in f"{caplog.text} {rig.events} {rig.keys.health()} {rig.keys!r}"


def test_f54_a_leak_of_every_key_is_told_too(make_rig):
    rig = make_rig(b.leaking_private_keys())
    assert rig.status() == 503
    rig.settle()
    shown = json.dumps([str(event) for event in rig.events])
    assert "private" in shown
    assert rig.issuer.private_jwks()[0]["d"] not in shown
    assert any(isinstance(event, KeyDropped) for event in rig.events)
