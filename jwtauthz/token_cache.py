"""Memory of verified tokens: a bounded map that forgets what is not used.

A signature is a pure function of token and key, so it need not be computed twice. What is remembered is only
that; expiry, the presence of the key, revocation and policy are looked at on every request (`verifier.py`).
"""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class TokenCache(Generic[Value]):
    """At most `size` values by digest, in two generations; safe in threads without a lock.

    New values go into the young generation. When it is full it becomes the old one, and the old one is
    dropped; a hit in the old one moves its value back. So a look-up costs one or two dict look-ups, and what
    was not used during a whole generation is gone. Each step is one atomic operation on a dict or an
    attribute; a race can lose a value, which costs one signature check, and can never give a wrong one.
    """

    __slots__ = ("_half", "_keeps_old", "_old", "_young")

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._keeps_old = size > 1
        self._young: dict[bytes, Value] = {}
        self._old: dict[bytes, Value] = {}

    def get(self, digest: bytes) -> Value | None:
        """The value of a digest, or None."""
        value = self._young.get(digest)
        if value is None:
            value = self._old.get(digest)
            if value is not None:
                self.put(digest, value)
        return value

    def put(self, digest: bytes, value: Value) -> None:
        """Remember a value."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young if self._keeps_old else {}, {}
        self._young[digest] = value

    def forget(self, digest: bytes) -> None:
        """Drop a value."""
        self._young.pop(digest, None)
        self._old.pop(digest, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
