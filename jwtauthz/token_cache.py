"""Memory of verified tokens: a bounded map that forgets what is not used.

A signature is a pure function of token and key, so it need not be computed twice. What is remembered is only
that; expiry, the presence of the key, revocation and policy are looked at on every request (`verifier.py`).
"""

from __future__ import annotations

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class TokenCache(Generic[Key, Value]):
    """At most `size` values by key, in two generations; safe in threads without a lock.

    New values go into the young generation. When it is full it becomes the old one, and the old one is
    dropped; a hit in the old one moves its value back. So a look-up costs one or two dict look-ups, and what
    was not used during a whole generation is gone. Each step is one atomic operation on a dict or an
    attribute; a race can lose a value, which costs one signature check, and can never give a wrong one.
    """

    __slots__ = ("_half", "_keeps_old", "_old", "_young")

    def __init__(self, size: int) -> None:
        self._half = max(1, size // 2)
        self._keeps_old = size > 1
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def get(self, key: Key) -> Value | None:
        """The value of a key, or None."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Remember a value."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young if self._keeps_old else {}, {}
        self._young[key] = value

    def forget(self, key: Key) -> None:
        """Drop a value."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
