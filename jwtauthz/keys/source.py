"""What one flight does: find the key set's URL, fetch it, read it. Knows nothing of threads and states."""

from __future__ import annotations

import time
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from jwtauthz.failures import FailureKind
from jwtauthz.token import json_object

from .discovery import discover
from .fetch import FetchFailed
from .freshness import freshness
from .jwk import KeySet
from .states import NEVER, Arrived
from .urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .fetch import Answer, Fetcher, Session
    from .states import Plan, Spared

    Afterwards = list[Callable[[], None]]  # what is to be done when nobody waits any more

MAX_SKEW: Final = 5.0
"""Seconds by which the clocks of a fleet's machines may differ; what is further ahead is not believed."""
_KEPT_HEADERS: Final = ("cache-control", "expires", "etag", "last-modified")
_VALIDATORS: Final = (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))


class Memory(NamedTuple):
    """What a flight tells the next one: where the keys were, and what names the document that they came in.

    `discovered` is when the metadata were read. `headers` are those of the document that a 304 leaves in
    force (RFC 9111 section 4.3.4). `as_of` is when the issuer was asked for it, by the wall clock: no older one is
    taken from the fleet.
    """

    url: str | None = None
    discovered: float = NEVER
    digest: bytes | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    as_of: float = NEVER

    def without_document(self) -> Memory:
        """Keep only where the keys are, and how old they may be."""
        return Memory(self.url, self.discovered, as_of=self.as_of)

    def forgotten(self) -> Memory:
        """The same, where nothing will do that the issuer said before this moment, by any clock of the fleet."""
        return Memory(self.url, self.discovered, as_of=time.time() + MAX_SKEW)


class Origin(Protocol):
    """Where a flight gets its keys: from the issuer, or with the help of a fleet."""

    def fetch(
        self, plan: Plan, memory: Memory, keys: KeySet, later: Afterwards
    ) -> tuple[Arrived | Spared, Memory]:
        """Get the keys. `keys` are those at hand, to which `memory` belongs. Raises FetchFailed.

        What is added to `later` is done when everybody who waits for the keys has been told.
        """
        ...


class Source:
    """Where one key set comes from: a URL, or an issuer that says where."""

    def __init__(self, fetcher: Fetcher, *, jwks_url: str | None, issuer: str | None) -> None:
        self.timing = fetcher.timing
        self.name = f"issuer {issuer}" if jwks_url is None else f"jwks_url {jwks_url}"
        self._fetcher = fetcher
        self._jwks_url = jwks_url
        self._issuer = issuer

    def fetch(self, plan: Plan, memory: Memory, keys: KeySet, later: Afterwards) -> tuple[Arrived, Memory]:  # noqa: ARG002
        """Fetch the keys from the issuer; see `Origin`."""
        answer, memory = self.ask(plan, memory, self.timing.flight)
        return self.take(answer, memory, keys)

    def ask(self, plan: Plan, memory: Memory, within: float) -> tuple[Answer, Memory]:
        """Ask the issuer for its document. Raises FetchFailed, after so many seconds at the latest."""
        as_of = memory.as_of
        with self._fetcher.session(may_retry=plan.may_retry, within=within) as session:
            memory = self._located(plan, memory, session)
            asked = time.time()
            answer = session.get(memory.url or "", _request_headers(plan, memory))
        # It never falls, even if the clock was set back: what is older than this stays older.
        return answer, memory._replace(as_of=max(as_of, asked))

    def take(self, answer: Answer, memory: Memory, keys: KeySet) -> tuple[Arrived, Memory]:
        """Read what it answered. Raises FetchFailed."""
        if answer.status == 304:
            kept = {**memory.headers, **answer.headers}
            return _arrived(keys, kept), memory._replace(headers=_to_keep(kept))
        digest = sha256(answer.body).digest()
        if digest != memory.digest:
            keys = self.read(answer.body, memory.url or "", keys)
        memory = memory._replace(digest=digest, headers=_to_keep(answer.headers))
        return _arrived(keys, answer.headers), memory

    @staticmethod
    def read(body: bytes, url: str, keys: KeySet) -> KeySet:
        """Read a document from this URL. Raises FetchFailed if it holds no usable key."""
        where = redacted(url)
        try:
            fetched = KeySet.read(json_object(body), reuse=keys.keys)
        except ValueError as error:
            raise FetchFailed(FailureKind.MALFORMED, f"the key set at {where} cannot be used: {error}") from None
        if not fetched.keys:
            first = f"; the first one: {fetched.skipped[0].reason}" if fetched.skipped else ""
            raise FetchFailed(
                FailureKind.NO_USABLE_KEY,
                f"the key set at {where} holds no usable key among {len(fetched.skipped)}{first}",
                skipped=fetched.skipped,
            )
        return fetched

    def _located(self, plan: Plan, memory: Memory, session: Session) -> Memory:
        """Say where the keys are, asking the issuer where that is due: after failures, and once a day."""
        if self._jwks_url is not None or self._issuer is None:
            return memory._replace(url=self._jwks_url)
        recent = plan.started - memory.discovered < self.timing.rediscovery
        if memory.url is not None and recent and not plan.after_failure:
            return memory
        try:
            url = discover(self._issuer, session.get)
        except FetchFailed as failure:
            # Metadata out of reach are no reason to give up keys that may not be; odd metadata are.
            if memory.url is None or failure.kind is FailureKind.DISCOVERY:
                raise
            return memory
        if url == memory.url:
            return memory._replace(discovered=plan.started)
        return Memory(url, discovered=plan.started)  # validators of another URL would be lies


def _request_headers(plan: Plan, memory: Memory) -> dict[str, str]:
    headers = {ours: memory.headers[theirs] for theirs, ours in _VALIDATORS if theirs in memory.headers}
    return {**headers, "Cache-Control": "no-cache"} if plan.past_caches else headers


def _arrived(keys: KeySet, headers: Mapping[str, str]) -> Arrived:
    return Arrived(keys, freshness(headers, wall=time.time()))


def _to_keep(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    # A validator goes out again as it came in; one that no header can hold would fail each later fetch.
    return {name: value for name, value in kept.items() if value.isascii() and value.isprintable()}
