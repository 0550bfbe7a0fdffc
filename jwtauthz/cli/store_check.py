"""What `jwtauthz doctor --redis` looks at: is the store of a fleet as its processes need it, from here?"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from jwtauthz import ConfigurationError
from jwtauthz.keys.fleet import Fleet
from jwtauthz.keys.redis_client import UrlClient
from jwtauthz.keys.shared_document import MAX_SEALED, Refused, Seal
from jwtauthz.keys.source import MAX_SKEW
from jwtauthz.keys.urls import is_loopback

from .lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 3.0  # seconds for the first connection; those that follow have to be quick
_BUDGET = 0.1
_OLDEST = 6  # of Redis; the first Valkey is 7.2


def examine_store(url: str, integrity_key: str | None, issuer: str) -> Iterator[Line]:
    """Look at everything in turn; ends early where the rest depends on what failed."""
    try:
        client = UrlClient(url, _PATIENCE, {})
        fleet = Fleet.from_url(url, integrity_key=integrity_key)
    except ConfigurationError as error:
        yield Line(False, "fleet", str(error), "correct the setting")
        return
    try:
        client.execute_command("PING")
        yield from _speed(client)
        yield from _version(client)
        yield from _writing(client)
        yield from _document(client, fleet, integrity_key, issuer)
    except Exception as error:  # noqa: BLE001  # whatever a client raises is what was found
        yield Line(
            False,
            "fleet",
            f"{client.where} fails with {type(error).__name__}",
            "check URL, password, rights and network; until then each process fetches for itself",
        )
        return
    if url.startswith("redis:") and not is_loopback(url.replace("redis:", "http:", 1)):
        yield Line(True, "fleet transport", "not encrypted: whoever is on the way can write (rediss:// is)")


def _speed(client: UrlClient) -> Iterator[Line]:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        client.execute_command("PING")
        times.append(time.perf_counter() - began)
    worst = max(times)
    yield Line(
        worst < _BUDGET,
        "fleet",
        f"{client.where} answers within {worst * 1000:.1f} ms (of {_BUDGET * 1000:.0f} ms)",
        "use a store that is nearer, or Fleet(..., timeout=...) of up to 1 s",
    )


def _version(client: UrlClient) -> Iterator[Line]:
    information = client.execute_command("INFO", "server")
    values: dict[str, Any] = information if isinstance(information, dict) else {}
    version = str(values.get("valkey_version") or values.get("redis_version") or "")
    name = "Valkey" if "valkey_version" in values else "Redis"
    major = re.match(r"\d+", version)
    yield Line(
        major is not None and int(major[0]) >= _OLDEST,
        "fleet version",
        f"{name} {version or 'of no version'}",
        f"Redis {_OLDEST} or newer, or Valkey, is needed",
    )


def _writing(client: UrlClient) -> Iterator[Line]:
    key = "jwtauthz:{doctor}:test"
    try:
        client.execute_command("SET", key, "?", "NX", "PX", 1000)
        client.execute_command("GETRANGE", key, 0, 9)
        client.execute_command("PTTL", key)
        client.execute_command("DEL", key)
    except Exception as error:  # noqa: BLE001  # the same
        found = f"a value can't be written: {type(error).__name__}"
        yield Line(
            False, "fleet writing", found, "it is full, a replica, or we lack rights: SET, GETRANGE, PTTL, DEL"
        )
        return
    yield Line(True, "fleet writing", "values can be written, read and taken away")


def _document(client: UrlClient, fleet: Fleet, integrity_key: str | None, issuer: str) -> Iterator[Line]:
    source = f"issuer {issuer}"
    names = fleet.names(source)
    budget = "spent" if client.execute_command("EXISTS", names.budget) else "there"
    yield Line(True, "fleet budget", f"for unknown key IDs: {budget}")
    if integrity_key is None:
        yield Line(True, "fleet keys", "not shared: no integrity key was given (JWTAUTHZ_INTEGRITY_KEY)")
        return
    sealed = client.execute_command("GETRANGE", names.document, 0, MAX_SEALED - 1)
    if not sealed:
        yield Line(True, "fleet keys", "none are shared yet for this issuer, under this integrity key")
        return
    now = time.time()
    try:
        document = Seal(integrity_key.encode(), source).open(bytes(sealed), now=now, max_ahead=MAX_SKEW)
    except Refused as refused:
        yield Line(False, "fleet keys", f"the shared document is refused: {refused}", "find out who wrote it")
        return
    yield Line(
        True,
        "fleet keys",
        f"shared: the issuer was asked {now - document.asked:.0f} s ago, "
        f"and that serves for {document.expires - now:.0f} s more",
    )
