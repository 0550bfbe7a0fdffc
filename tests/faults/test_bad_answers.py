"""Each bad answer there is, held against the three promises that hold for all of them.

Nothing held: 503 with Retry-After, and well again by itself. Keys held: they go on serving. A key ID that is
not held: 503 and not 401, because nobody can know.
"""

from __future__ import annotations

import tracemalloc

import pytest

from jwtauthz.errors import AccessDenied
from jwtauthz.events import FailureKind
from jwtauthz.testing import behaviours as b

from .conftest import SHORT, WITHIN

K = FailureKind
GONE = "http://127.0.0.1:9/"
# id, behaviour, what kind of failure it is reported as; None where it depends on who is first
ANSWERS = [
    ("F01 refused", b.refusing(), K.CONNECTION),
    ("F02 black hole", b.unreachable(), None),
    ("F03 hanging", b.hanging(), K.TIMEOUT),
    ("F05 dripping body", b.dripping_body(0.05), None),
    ("F06 dripping headers", b.dripping_headers(0.05), None),
    ("F07 reset before the status line", b.resetting(), K.CONNECTION),
    ("F08 cut off before its length", b.cut_off(), K.CONNECTION),
    ("F09 chunks cut off", b.cut_off(chunked=True), K.CONNECTION),
    *[(f"F18 {status}", b.failing(status), K.STATUS) for status in (500, 502, 503, 504, 599)],
    *[(f"F18 {status}, which is nothing", b.failing(status), K.STATUS) for status in (201, 206, 299, 418)],
    ("F19 429", b.throttling(1), K.STATUS),
    ("F19 429 without a word", b.throttling(None), K.STATUS),
    ("F19 429 with rubbish", b.throttling("soon"), K.STATUS),
    *[(f"F20 {status}", b.failing(status), K.STATUS) for status in (400, 401, 403, 404, 408, 410)],
    ("F21 204", b.empty(204), K.STATUS),
    ("F21 empty body", b.empty(), K.MALFORMED),
    ("F22 HTML", b.html(), K.MALFORMED),
    ("F22 HTML with a good key set's media type", b.sending(b"<html>"), K.MALFORMED),
    ("F25 redirect loop", b.redirecting(), K.REDIRECT),
    *[(f"F25 redirect {status}", b.redirecting(status=status), K.REDIRECT) for status in (301, 303, 307, 308)],
    ("F26 redirect to a file", b.redirecting("file:///etc/passwd"), K.REDIRECT),
    ("F26 redirect to data", b.redirecting('data:application/json,{"keys":[]}'), None),
    ("F26 redirect to ftp", b.redirecting("ftp://127.0.0.1/jwks.json"), K.REDIRECT),
    ("F27 redirect to another port", b.redirecting(GONE), K.REDIRECT),
    ("F27 redirect to a metadata service", b.redirecting("http://169.254.169.254/latest/meta-data/"), K.REDIRECT),
    ("F32 100 MB", b.huge(), K.TOO_LARGE),
    ("F32 one byte too many", b.sending(b"{" + b" " * 256 * 1024), K.TOO_LARGE),
    ("F33 endless", b.endless(), K.TOO_LARGE),
    ("F34 gzip bomb", b.gzip_bomb(), K.TOO_LARGE),
    ("F35 truncated", b.truncated(), K.MALFORMED),
    *[
        (f"F36 the top level is {text}", b.sending(text.encode()), K.MALFORMED)
        for text in ("[]", '"keys"', "null", "17", "true", '[{"keys": []}]')
    ],
    ("F37 no keys", b.altered(keys=None), K.MALFORMED),
    *[(f"F37 keys are {keys!r}", b.altered(keys=keys), K.MALFORMED) for keys in ({}, "", 17, False)],
    ("F37 keys are null", b.sending(b'{"keys": null}'), K.MALFORMED),
    ("F38 empty key set", b.altered(keys=[]), K.NO_USABLE_KEY),
    ("F39 nesting bomb", b.nested(), K.MALFORMED),
    ("F39 nesting bomb of objects", b.sending(b'{"a":' * 40_000 + b"1" + b"}" * 40_000), K.MALFORMED),
    ("F40 10,000 keys", b.too_many_keys(1_000), K.MALFORMED),
    ("F43 invalid UTF-8", b.sending(b'{"keys": [], "x": "\xff"}'), K.MALFORMED),
    ("F43 UTF-16", b.sending('{"keys": []}'.encode("utf-16")), K.MALFORMED),
    ("F43 NaN", b.altered(x=float("nan")), K.MALFORMED),
    ("F43 Infinity", b.altered(x=float("inf")), K.MALFORMED),
    ("F43 a name twice", b.sending(b'{"keys": [], "keys": []}'), K.MALFORMED),
    ("F43 a number of 100,000 digits", b.sending(b'{"keys": [], "x": ' + b"9" * 100_000 + b"}"), None),
    ("F44 br", b.miscoded("br"), K.MALFORMED),
    ("F44 zstd", b.miscoded("zstd"), K.MALFORMED),
    ("F44 deflate", b.miscoded("deflate"), K.MALFORMED),
    ("F44 a coding that is none", b.miscoded("gzip, gzip"), K.MALFORMED),
    ("F44 gzip that is not", b.failing(200, body=b"{}", headers={"Content-Encoding": "gzip"}), K.MALFORMED),
    ("F54 private keys alone", b.leaking_private_keys(), K.NO_USABLE_KEY),
]  # fmt: skip
ROWS = pytest.mark.parametrize(("behaviour", "kind"), [pytest.param(*row[1:], id=row[0]) for row in ANSWERS])


@ROWS
def test_with_nothing_held_the_answer_is_503_and_the_api_recovers_by_itself(make_rig, stopwatch, behaviour, kind):
    rig = make_rig(behaviour, timing=SHORT)
    with stopwatch(WITHIN):
        denied = rig.ask()
    assert denied.status == 503
    asked = rig.issuer.fetches()
    with stopwatch(0.3):  # during the back-off nobody waits, and nothing is fetched
        assert [rig.status() for _ in range(20)] == [503] * 20
    assert rig.issuer.fetches() == asked <= 2
    rig.settle()
    (failure,) = rig.failures
    assert kind in (None, failure.kind)
    rig.issuer.behave(None)
    rig.clock.advance(failure.retry_in + 0.01)
    assert rig.status() == 200


@ROWS
def test_keys_that_are_held_go_on_serving_and_an_unknown_key_id_is_no_401(make_rig, stopwatch, behaviour, kind):
    rig = make_rig(timing=SHORT)
    assert not rig.prime().stale
    rig.issuer.behave(behaviour)
    rig.clock.advance(601)
    with stopwatch(1.5):
        assert rig.ask().key_id == rig.issuer.kid
    rig.settle()
    with stopwatch(0.2):
        assert rig.ask().stale
        assert rig.status(rig.junk()) == 503
    if kind is not K.NO_USABLE_KEY:
        assert rig.failures[0].holding
    rig.issuer.behave(None)
    rig.clock.advance(30)
    rig.ask()
    rig.settle()
    assert not rig.ask().stale


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(b.huge(), id="F32 100 MB"),
        pytest.param(b.endless(), id="F33 endless"),
        pytest.param(b.gzip_bomb(), id="F34 gzip bomb"),
        pytest.param(b.nested(), id="F39 nesting bomb"),
    ],
)
def test_memory_stays_flat(make_rig, behaviour):
    rig = make_rig(behaviour)
    rig.status()  # what is imported and made once is not meant
    rig.clock.advance(30)
    tracemalloc.start()
    try:
        assert rig.status() == 503
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


def test_f22_no_html_of_the_issuer_in_what_the_client_gets(make_rig):
    denied = make_rig(b.html()).ask()
    told = f"{denied.body} {denied.headers} {denied}"
    assert "<" not in told
    assert "log in" not in told


def test_f27_f28_a_redirect_is_not_followed_not_even_to_good_keys(make_rig, https, trusting):
    other = make_rig()
    rig = make_rig(b.redirecting(other.issuer.jwks_url), tls=https(), client=lambda: client(trusting))
    assert rig.status() == 503
    assert other.issuer.requests == ()
    rig.issuer.behave(b.redirecting(other.issuer.jwks_url.replace("127.0.0.1", "localhost"), status=308))
    rig.clock.advance(30)
    assert rig.status() == 503
    assert other.issuer.connections == 0


def client(verify):
    import httpx

    return httpx.Client(verify=verify, trust_env=False, follow_redirects=True)


def test_f29_a_bad_answer_never_replaces_good_keys(make_rig):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.alternating(b.html(), None, b.altered(keys=[]), b.truncated()))
    for _ in range(12):
        rig.clock.advance(601)
        assert not isinstance(rig.ask(), AccessDenied)
        rig.settle()
        rig.clock.advance(31)
        assert rig.status() == 200
        rig.settle()
    assert len(rig.failures) > 5
