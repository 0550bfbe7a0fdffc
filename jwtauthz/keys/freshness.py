"""How long an answer may be kept, as its headers say it (RFC 9111 section 4.2, RFC 5861). Pure.

These are the origin's own words; `schedule.Timing` bounds them. We are a private cache of one document, so
`s-maxage`, `public` and `private` are not for us.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOREVER: Final = 2.0**31  # RFC 9111 section 1.2.2: what a delta-seconds too large to read stands for
# A directive: a token, and perhaps an argument that is a token or a quoted string (RFC 9111 section 5.2).
_DIRECTIVE: Final = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?')
_NO_STALE: Final = frozenset({"no-store", "no-cache", "must-revalidate"})


class Freshness(NamedTuple):
    """What one answer says of its own life.

    `lifetime` is in seconds from the moment the request was sent, None if the answer does not say.
    `stale_allowed` is False where the origin forbids any use past that, `stale_if_error` its own bound in
    seconds for such use (RFC 5861 section 4), None if it gives none.
    """

    lifetime: float | None = None
    stale_allowed: bool = True
    stale_if_error: float | None = None


def freshness(headers: Mapping[str, str], *, wall: float) -> Freshness:
    """Read Cache-Control, Expires, Date and Age of an answer that came at the wall-clock time `wall`.

    Header names are looked up in lower case; repeated headers are joined by commas.
    """
    directives = _directives(headers.get("cache-control", ""))
    lifetime = _lifetime(headers, directives, wall)
    if lifetime is not None:
        lifetime = max(0.0, lifetime - _age(headers, wall))
    bounds = directives.get("stale-if-error")
    return Freshness(
        lifetime=lifetime,
        stale_allowed=_NO_STALE.isdisjoint(directives),
        stale_if_error=None if bounds is None else min(map(_seconds_or_zero, bounds)),
    )


def retry_after(value: str | None, *, wall: float) -> float | None:
    """Read either form of Retry-After (RFC 9110 section 10.2.3): seconds from now; None if there is none."""
    if not value:
        return None
    seconds = _seconds(value.strip())
    if seconds is None and (date := _date(value)) is not None:
        seconds = max(0.0, date - wall)
    return seconds


def _lifetime(headers: Mapping[str, str], directives: Mapping[str, list[str]], wall: float) -> float | None:
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    if "max-age" in directives:  # Expires is ignored beside it (RFC 9111 section 5.3)
        # Of several the least, and one that cannot be read means "stale" (section 4.2.1).
        return min(map(_seconds_or_zero, directives["max-age"]))
    if (expires := headers.get("expires")) is None:
        return None
    date, end = _date(headers.get("date", "")), _date(expires)
    return 0.0 if end is None else max(0.0, end - (wall if date is None else date))


def _age(headers: Mapping[str, str], wall: float) -> float:
    """How old the answer already is: what caches say, or what its Date shows (RFC 9111 section 4.2.3)."""
    told = _seconds(headers.get("age", "").split(",")[0].strip()) or 0.0
    date = _date(headers.get("date", ""))
    return max(told, 0.0 if date is None else wall - date)


def _directives(value: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, argument in _DIRECTIVE.findall(value):
        text = re.sub(r"\\(.)", r"\1", argument[1:-1]) if argument.startswith('"') else argument
        found.setdefault(name.lower(), []).append(text)
    return found


def _seconds_or_zero(text: str) -> float:
    seconds = _seconds(text)
    return 0.0 if seconds is None else seconds


def _seconds(text: str) -> float | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), _FOREVER) if len(text) < 20 else _FOREVER


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
