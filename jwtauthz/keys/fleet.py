"""Many processes as one: what they share in a Redis or Valkey, so that they do not ask the issuer one by one.

    fleet = Fleet.from_url("redis://cache.internal:6379", integrity_key=os.environ["FLEET_KEY"])
    server = ResourceServer(issuer=..., audience=..., fleet=fleet)

It is a help and never a condition: with the store slow, down, full or forged, each process does what it does
without one. Nothing of a token is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import TYPE_CHECKING, Any, Final, Self

from jwtauthz.errors import ConfigurationError
from jwtauthz.events import FleetDataRefused

from .redis_client import UrlClient, called, check_client, checked_timeout, key_prefix
from .report import Teller
from .shared_document import Seal
from .shared_source import Names, SharedSource
from .store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .redis_client import Client
    from .report import FleetHook
    from .source import Source

MIN_KEY: Final = 32
"""Bytes of an integrity key at least: as many as its HMAC gives (RFC 2104 section 3)."""
_OPTIONS: Final = frozenset({"integrity_key", "prefix", "local_for", "on_event"})
logger = logging.getLogger("jwtauthz.fleet")


class Fleet:
    """What the processes of an API share. One serves all issuers; each process makes its own, all alike.

    Without an integrity key they share the budget for unknown key IDs: strangers cause one fetch per 10 s in the
    whole fleet. With one they share the key sets as well: one fetch per TTL and one per rotation.

    Args:
        client: a client of redis-py, sync, for Sentinel, Cluster and the like; see `from_url` for the usual case.
        integrity_key: a secret of at least 32 bytes, the same in each process, that is nowhere in the store.
            `openssl rand -base64 32` makes one.
        prefix: what the names of all values begin with.
        timeout: seconds that a command may take, 0.01 to 1.
        local_for: seconds without any command, after three failures in a row.
        on_event: gets the fleet's events of `jwtauthz.events`; one callable or several.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(
        self,
        client: Client,
        *,
        integrity_key: str | bytes | None = None,
        prefix: str = "jwtauthz",
        timeout: float = 0.1,
        local_for: float = 30.0,
        on_event: FleetHook | Iterable[FleetHook] | None = None,
    ) -> None:
        check_client(client)
        self._key = None if integrity_key is None else _key(integrity_key)
        self._prefix = key_prefix(prefix)
        if isinstance(local_for, bool) or not isinstance(local_for, int | float) or not 0 < local_for <= 3600:
            raise ConfigurationError(f"local_for={local_for!r}: write a number of seconds above 0, up to 3600.")
        self._teller = Teller(called(client), on_event)
        self._store = Store(client, timeout=checked_timeout(timeout), local_for=local_for, teller=self._teller)
        self._refused = 0

    @classmethod
    def from_url(cls, url: str, *, timeout: float = 0.1, **options: Any) -> Self:
        """A fleet at the Redis or Valkey of this URL: `redis://`, `rediss://` (TLS) or `unix://`.

        `options` are those of the constructor, and those of `redis.Redis`: `ssl_ca_certs`, `username`,
        `password`, … Nothing is connected before the first fetch.
        """
        own = {name: options.pop(name) for name in _OPTIONS & options.keys()}
        return cls(UrlClient(url, checked_timeout(timeout), options), timeout=timeout, **own)

    @property
    def shares_keys(self) -> bool:
        """Whether the key sets are shared, and not the budget alone."""
        return self._key is not None

    def subscribe(self, hook: FleetHook) -> None:
        """Tell one hook more of each event of the fleet from now on."""
        self._teller.subscribe(hook)

    def share(self, source: Source, shown: str) -> SharedSource:
        """Put a source of keys under the care of the fleet, for key sets to call. `shown` is what to call it."""
        timing = source.timing
        if timing.fleet_refill + 2 * timing.flight > timing.miss_refill:
            raise ConfigurationError(
                "Timing: a refusal may rest on what the fleet found, and on nothing older than miss_refill: "
                "write fleet_refill of at most miss_refill - 2 * flight."
            )
        seal = None if self._key is None else Seal(self._key, source.name)
        return SharedSource(source, self._store, self.names(source.name), seal, _Alarm(self, shown))

    def names(self, source: str) -> Names:
        """What the values of a source are called.

        Its name goes in as an HMAC: two applications with keys of their own do not meet, and a deployment that
        changes the key is two fleets until it is through. The braces keep the values together in a cluster.
        """
        name = hmac.new(self._key or b"", b"jwtauthz names 1\0" + source.encode(), hashlib.sha256)
        base = f"{self._prefix}:{{{name.hexdigest()[:32]}}}"
        return Names(f"{base}:budget", f"{base}:lease", f"{base}:document")

    def health(self) -> dict[str, object]:
        """Show the state in values that fit JSON, for a status page; seconds, where nothing else is said."""
        return {**self._store.health(), "shares_keys": self.shares_keys, "refused": self._refused}

    def refuse(self, source: str, reason: str) -> None:
        """Raise the alarm about what stands in the store and should not."""
        self._refused += 1
        logger.error("%s: %s", source, reason)
        self._teller.tell(FleetDataRefused(source=source, store=self._store.where, reason=reason))

    def __repr__(self) -> str:
        return f"<Fleet {self._store.where!r} {'keys' if self.shares_keys else 'budget'}>"


class _Alarm:
    """Raises the alarm for one source; of the same thing in a row once."""

    def __init__(self, fleet: Fleet, source: str) -> None:
        self._fleet = fleet
        self._source = source
        self._told = ""

    def __call__(self, reason: str) -> None:
        told, self._told = self._told, reason
        if reason != told:
            self._fleet.refuse(self._source, reason)


def _key(key: object) -> bytes:
    octets = key.encode() if isinstance(key, str) else key
    if not isinstance(octets, bytes):
        raise ConfigurationError(f"integrity_key={type(key).__name__}: write bytes or a string.")
    if len(octets) < MIN_KEY:
        raise ConfigurationError(
            f"integrity_key has {len(octets)} bytes. Whoever guesses it may mint tokens, so it must have "
            f"{MIN_KEY} at least, drawn by chance: `openssl rand -base64 32` makes one."
        )
    return octets
