"""What the headers of an answer say about how long it may be kept (RFC 9111, RFC 5861)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwtauthz.keys.freshness import Freshness, freshness, retry_after

WALL = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the moment of RFC 9110 section 5.6.7
NOW = "Sun, 06 Nov 1994 08:49:37 GMT"
IN_5_MINUTES = "Sun, 06 Nov 1994 08:54:37 GMT"
FIVE_AGO = "Sun, 06 Nov 1994 08:44:37 GMT"
CC = "cache-control"

LIFETIMES = [
    pytest.param({}, None, id="no word about it"),
    pytest.param({CC: "max-age=300"}, 300, id="R9111-01 max-age"),
    pytest.param({CC: "MAX-AGE=300, Public"}, 300, id="R9111-16 names in any case"),
    pytest.param({CC: 'max-age="300"'}, 300, id="R9111-16 a quoted value"),
    pytest.param({CC: "max-age = 300"}, 300, id="spaces around the sign"),
    pytest.param({CC: "colour=green, max-age=300, x"}, 300, id="R9111-16 unknown directives"),
    pytest.param({CC: 'note="max-age=5, no-store", max-age=300'}, 300, id="a directive inside a quoted string"),
    pytest.param({CC: "s-maxage=9, max-age=300"}, 300, id="R9111-01 s-maxage is not for a private cache"),
    pytest.param({CC: "s-maxage=9"}, None, id="R9111-01 not even alone"),
    pytest.param({CC: "max-age=300, max-age=60"}, 60, id="R9111-02 of two the least"),
    pytest.param({CC: "max-age=soon"}, 0, id="R9111-02 F30 rubbish means stale"),
    pytest.param({CC: "max-age=-1"}, 0, id="R9111-02 F30 a negative number"),
    pytest.param({CC: "max-age=1.5"}, 0, id="R9111-02 a fraction"),
    pytest.param({CC: "max-age=٣"}, 0, id="R9111-02 digits that are not ASCII"),
    pytest.param({CC: "max-age"}, 0, id="R9111-02 no value"),
    pytest.param({CC: "max-age=" + "9" * 5000}, 2**31, id="R9111-07 F30 a number beyond any"),
    pytest.param({CC: "max-age=0"}, 0, id="F30 max-age=0"),
    pytest.param({CC: "no-store"}, 0, id="F30 no-store"),
    pytest.param({CC: "no-cache, max-age=300"}, 0, id="R9111-13 no-cache beats max-age"),
    pytest.param({"expires": IN_5_MINUTES, "date": NOW}, 300, id="R9111-01 Expires minus Date"),
    pytest.param({"expires": IN_5_MINUTES}, 300, id="Expires without Date"),
    pytest.param({CC: "max-age=60", "expires": IN_5_MINUTES}, 60, id="R9111-03 Expires beside max-age is ignored"),
    pytest.param({"expires": "0"}, 0, id="R9111-04 Expires: 0"),
    pytest.param({"expires": "tomorrow"}, 0, id="R9111-04 an Expires that is no date"),
    pytest.param({"expires": FIVE_AGO, "date": NOW}, 0, id="an Expires in the past"),
    pytest.param({CC: "max-age=300", "age": "100"}, 200, id="R9111-05 Age counts"),
    pytest.param({CC: "max-age=300", "age": "100, 7"}, 200, id="R9111-05 of several the first"),
    pytest.param({CC: "max-age=300", "age": "-5"}, 300, id="R9111-05 an Age that cannot be is ignored"),
    pytest.param({CC: "max-age=300", "age": "9" * 400}, 0, id="an Age beyond any"),
    pytest.param({CC: "max-age=400", "date": FIVE_AGO}, 100, id="R9111-05 the apparent age of its Date"),
    pytest.param({CC: "max-age=400", "date": FIVE_AGO, "age": "350"}, 50, id="R9111-05 the greater of both ages"),
    pytest.param({CC: "max-age=400", "date": IN_5_MINUTES}, 400, id="a Date in the future makes nothing younger"),
    pytest.param({CC: "max-age=60", "age": "100"}, 0, id="older than its life"),
]


@pytest.mark.parametrize(("headers", "lifetime"), LIFETIMES)
def test_lifetime(headers: dict[str, str], lifetime: float | None) -> None:
    assert freshness(headers, wall=WALL).lifetime == lifetime


@pytest.mark.parametrize(
    ("value", "allowed", "bound"),
    [
        pytest.param("max-age=60", True, None, id="nothing is said"),
        pytest.param("no-store", False, None, id="R9111-14 no-store"),
        pytest.param("no-cache", False, None, id="R9111-13 no-cache"),
        pytest.param("max-age=60, must-revalidate", False, None, id="R9111-12 must-revalidate"),
        pytest.param("Must-Revalidate", False, None, id="R9111-16 in any case"),
        pytest.param("private", True, None, id="R9111-15 private is about shared stores"),
        pytest.param("stale-if-error=120", True, 120, id="R5861-02 stale-if-error"),
        pytest.param("stale-if-error=120, stale-if-error=60", True, 60, id="of two the least"),
        pytest.param("stale-if-error=long", True, 0, id="a bound that cannot be read allows nothing"),
        pytest.param("stale-if-error=120, must-revalidate", False, 120, id="R9111-12 must-revalidate wins"),
        pytest.param("stale-while-revalidate=60", True, None, id="R5861-01 needs no permission: refreshed ahead"),
    ],
)
def test_staleness(value: str, allowed: bool, bound: float | None) -> None:
    told = freshness({CC: value}, wall=WALL)
    assert (told.stale_allowed, told.stale_if_error) == (allowed, bound)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("60", 60, id="F19 seconds"),
        pytest.param(" 60 ", 60, id="with spaces"),
        pytest.param(IN_5_MINUTES, 300, id="F19 a date"),
        pytest.param("Sunday, 06-Nov-94 08:54:37 GMT", 300, id="a date of RFC 850"),
        pytest.param(FIVE_AGO, 0, id="a date in the past"),
        pytest.param("1000000000", 1e9, id="F19 10^9, which the schedule bounds"),
        pytest.param("soon", None, id="rubbish"),
        pytest.param("-5", None, id="a negative number"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, wall=WALL) == seconds


@given(st.dictionaries(st.sampled_from([CC, "expires", "age", "date"]), st.text(max_size=40)))
def test_no_header_whatever_raises_or_gives_a_negative_life(headers: dict[str, str]) -> None:
    told = freshness(headers, wall=WALL)
    assert told.lifetime is None or 0 <= told.lifetime <= 1e12
    assert isinstance(told, Freshness)
    retry_after(headers.get("date"), wall=WALL)
