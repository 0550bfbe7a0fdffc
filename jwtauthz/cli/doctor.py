"""`jwtauthz doctor`: is the issuer as an API needs it? Each line says what was found and what to do."""

from __future__ import annotations

import time
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from jwtauthz import ConfigurationError, KeySet
from jwtauthz.issuer import audiences, issuer_url
from jwtauthz.keys.discovery import metadata_urls
from jwtauthz.keys.timing import Timing
from jwtauthz.token import json_object

from .lines import Line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

_MAX_CLOCK_DIFFERENCE = 5.0
_MAX_DOCUMENT = 256 * 1024


def examine(
    issuer: str,
    audience: tuple[str, ...],
    algorithms: tuple[str, ...],
    redis: str | None = None,
    integrity_key: str | None = None,
) -> Iterator[Line]:
    """Look at everything in turn; ends early where the rest depends on what failed."""
    try:
        issuer_url(issuer)
        audiences(list(audience))
    except ConfigurationError as error:
        yield Line(False, "settings", str(error), "correct the setting")
        return
    yield Line(True, "settings", f"issuer {issuer}, audience {', '.join(audience)}")
    with httpx.Client(timeout=5, follow_redirects=False, trust_env=not _is_local(issuer)) as client:
        metadata = yield from _metadata(client, issuer)
        if metadata is not None:
            yield from _keys(client, str(metadata["jwks_uri"]), algorithms)
    if redis is not None:
        from .store_check import examine_store

        yield from examine_store(redis, integrity_key, issuer)
    timing = Timing()
    yield Line(
        True,
        "guarantee",
        f"T1: a key that the issuer removes is refused within {timing.removed_within:.0f} s; "
        f"T2: within {timing.removed_within_outage:.0f} s while the issuer can't be reached",
    )


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}


def _get(client: httpx.Client, url: str) -> tuple[httpx.Response, Mapping[str, Any] | None] | str:
    """The answer and its JSON object; a sentence if there is no answer."""
    try:
        with client.stream("GET", url) as response:
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MAX_DOCUMENT:
                    return f"{url} answers with more than {_MAX_DOCUMENT:,} bytes"
            return response, json_object(body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{url} can't be fetched: {type(error).__name__}: {error}"


def _metadata(client: httpx.Client, issuer: str) -> Generator[Line, None, Mapping[str, Any] | None]:
    for url in metadata_urls(issuer):
        got = _get(client, url)
        if not isinstance(got, str) and got[0].status_code == 200:
            break
    if isinstance(got, str):
        yield Line(False, "discovery", got, "check the URL, name resolution, proxy and certificate authority")
        return None
    response, metadata = got
    if response.status_code != 200 or metadata is None:
        yield Line(
            False,
            "discovery",
            f"{url} answers {response.status_code}{'' if metadata is not None else ' without a JSON object'}",
            "check the issuer; if it has no metadata, write Issuer(..., jwks_url=...)",
        )
        return None
    yield Line(True, "discovery", url)
    yield from _clock(response)
    if metadata.get("issuer") != issuer:
        yield Line(
            False,
            "issuer",
            f"the metadata say {metadata.get('issuer')!r}, not {issuer!r}",
            f"write issuer={metadata.get('issuer')!r}, if that is yours: it must be the same to the last slash",
        )
        return None
    yield Line(True, "issuer", "the metadata name the same issuer")
    if not isinstance(metadata.get("jwks_uri"), str):
        yield Line(False, "jwks_uri", "the metadata have none", "write Issuer(..., jwks_url=...)")
        return None
    return metadata


def _clock(response: httpx.Response) -> Iterator[Line]:
    try:
        theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return
    difference = time.time() - theirs
    yield Line(
        abs(difference) <= _MAX_CLOCK_DIFFERENCE,
        "clock",
        f"differs from the issuer's by {difference:+.0f} s",
        "set the clock of this machine by NTP; leeway= allows a few seconds",
    )


def _keys(client: httpx.Client, url: str, algorithms: tuple[str, ...]) -> Iterator[Line]:
    got = _get(client, url)
    if isinstance(got, str):
        yield Line(False, "JWKS", got, "check the URL, name resolution, proxy and certificate authority")
        return
    response, jwks = got
    if response.status_code != 200 or jwks is None:
        yield Line(False, "JWKS", f"{url} answers {response.status_code} or no JSON object", "tell the issuer")
        return
    try:
        keys = KeySet.from_jwks(jwks)
    except ConfigurationError as error:
        yield Line(False, "JWKS", f"{url}: {error}", "tell the issuer")
        return
    cached = response.headers.get("Cache-Control", "no Cache-Control")
    yield Line(True, "JWKS", f"{url}: {len(keys.keys)} usable keys ({cached})")
    fitting = [key for key in keys.keys if any(key.fits(name) for name in algorithms)]
    for key in keys.keys:
        yield Line(
            key in fitting or bool(fitting),
            "key",
            f"{key.kid or 'without kid'}: {key.kty} {key.crv or f'{key.bits} bits'}, alg {key.alg or 'not said'}",
            f"its tokens will not be accepted; allow them by algorithms=({(key.alg or 'its algorithm')!r},)",
        )
    for skipped in keys.skipped:
        yield Line(
            not skipped.alarming,
            "key skipped",
            f"{skipped.kid or 'without kid'}: {skipped.reason}",
            "tell the issuer",
        )


def as_json(lines: list[Line]) -> list[dict[str, Any]]:
    """The lines as JSON values."""
    return [asdict(line) for line in lines]
