"""A fetched key set on its way from one process of a fleet to the others, sealed with a key that they share.

Whoever can write to the store must not be able to say what the keys are: that would be the right to mint tokens.
So the document is bound by an HMAC (RFC 2104) to where it came from and to when. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .fetch import MAX_BODY
from .freshness import Freshness

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SEALED: Final = MAX_BODY * 4 // 3 + 16 * 1024
"""Bytes of a sealed document that are read: the largest body in base64, and what goes with it."""
_PURPOSE: Final = b"jwtauthz shared document 1\0"


class Refused(Exception):
    """A sealed document that must not be used; the text is a sentence for the log, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class SharedDocument:
    """What the issuer answered, and when, so that it means the same in another process.

    `asked` and `expires` are by the wall clock: when the issuer was asked for it, and when nobody may use it any
    longer. `url` is where it was, `headers` name it to the issuer, `past_caches` as in `Plan`.
    """

    url: str
    body: bytes
    headers: Mapping[str, str]
    freshness: Freshness
    asked: float
    expires: float
    past_caches: bool


class Seal:
    """Seals the documents of one source, and opens them. `key` is the secret of the fleet."""

    def __init__(self, key: bytes, source: str) -> None:
        self._hmac = hmac.new(key, _PURPOSE + source.encode() + b"\0", hashlib.sha256)

    def close(self, document: SharedDocument) -> bytes:
        """Write a document as ASCII, with its HMAC before it."""
        told = document.freshness
        content = json.dumps(
            {
                "url": document.url,
                "body": b64encode(document.body).decode(),
                "headers": dict(document.headers),
                "freshness": [told.lifetime, told.stale_allowed, told.stale_if_error],
                "asked": document.asked,
                "expires": document.expires,
                "past_caches": document.past_caches,
            },
            separators=(",", ":"),
        ).encode()
        return self._mac(content) + b"." + content

    def open(self, sealed: bytes, *, now: float, max_ahead: float) -> SharedDocument:
        """Read what `close` wrote. Raises Refused for anything else, and for what is not of this time.

        `now` is the wall clock; a clock `max_ahead` seconds ahead of it may have been the writer's.
        """
        mac, dot, content = sealed.partition(b".")
        if not dot or not hmac.compare_digest(mac, self._mac(content)):
            raise Refused("it was not written with our integrity key, for this issuer")
        document = _document(json.loads(content))
        if document.asked > now + max_ahead:
            raise Refused(f"it is {document.asked - now:.0f} s ahead of our clock")
        if now >= document.expires:
            raise Refused(f"its time was over {now - document.expires:.0f} s ago")
        return document

    def _mac(self, content: bytes) -> bytes:
        mac = self._hmac.copy()
        mac.update(content)
        return mac.hexdigest().encode()


def _document(values: dict[str, Any]) -> SharedDocument:
    lifetime, stale_allowed, stale_if_error = values["freshness"]
    return SharedDocument(
        url=values["url"],
        body=b64decode(values["body"]),
        headers=values["headers"],
        freshness=Freshness(lifetime, stale_allowed, stale_if_error),
        asked=values["asked"],
        expires=values["expires"],
        past_caches=values["past_caches"],
    )
