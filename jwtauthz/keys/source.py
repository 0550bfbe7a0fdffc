"""What one flight does: find the key set's URL, fetch it, read it. Knows nothing of threads and states."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from jwtauthz.events import FailureKind
from jwtauthz.token import json_object

from .discovery import discover
from .fetch import FetchFailed
from .freshness import freshness
from .jwk import KeySet
from .states import NEVER, Arrived
from .urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fetch import Answer, Fetcher, Session
    from .states import Plan

_KEPT_HEADERS: Final = ("cache-control", "expires", "etag", "last-modified")
_VALIDATORS: Final = (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))


@dataclass(frozen=True, slots=True)
class Memory:
    """What a flight tells the next one: where the keys were, and what names the document that they came in.

    `discovered` is when the metadata were read. `headers` are those of the document that a 304 leaves in
    force (RFC 9111 section 4.3.4).
    """

    url: str | None = None
    discovered: float = NEVER
    digest: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def without_document(self) -> Memory:
        """Keep only where the keys are."""
        return Memory(self.url, self.discovered)


class Source:
    """Where one key set comes from: a URL, or an issuer that says where."""

    def __init__(self, fetcher: Fetcher, *, jwks_url: str | None, issuer: str | None) -> None:
        self._fetcher = fetcher
        self._jwks_url = jwks_url
        self._issuer = issuer

    def fetch(self, plan: Plan, memory: Memory, keys: KeySet) -> tuple[Arrived, Memory]:
        """Fetch the keys. `keys` are those at hand, to which `memory` belongs. Raises FetchFailed."""
        with self._fetcher.session(may_retry=plan.may_retry) as session:
            memory = self._located(plan, memory, session)
            answer = session.get(memory.url or "", _request_headers(plan, memory))
        if answer.status == 304:
            kept = {**memory.headers, **answer.headers}
            return _arrived(keys, kept), replace(memory, headers=_to_keep(kept))
        digest = sha256(answer.body).digest()
        if digest != memory.digest:
            keys = _read(answer, memory.url or "", keys)
        memory = replace(memory, digest=digest, headers=_to_keep(answer.headers))
        return _arrived(keys, answer.headers), memory

    def _located(self, plan: Plan, memory: Memory, session: Session) -> Memory:
        """Say where the keys are, asking the issuer where that is due: after failures, and once a day."""
        if self._jwks_url is not None or self._issuer is None:
            return replace(memory, url=self._jwks_url)
        recent = plan.started - memory.discovered < self._fetcher.timing.rediscovery
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
            return replace(memory, discovered=plan.started)
        return Memory(url, discovered=plan.started)  # validators of another URL would be lies


def _request_headers(plan: Plan, memory: Memory) -> dict[str, str]:
    headers = {ours: memory.headers[theirs] for theirs, ours in _VALIDATORS if theirs in memory.headers}
    return {**headers, "Cache-Control": "no-cache"} if plan.past_caches else headers


def _read(answer: Answer, url: str, keys: KeySet) -> KeySet:
    where = redacted(url)
    try:
        fetched = KeySet.read(json_object(answer.body), reuse=keys.keys)
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


def _arrived(keys: KeySet, headers: Mapping[str, str]) -> Arrived:
    return Arrived(keys, freshness(headers, wall=time.time()))


def _to_keep(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    # A validator goes out again as it came in; one that no header can hold would fail each later fetch.
    return {name: value for name, value in kept.items() if value.isascii() and value.isprintable()}
