"""A fixed set of keys: read from a JWKS, a PEM or a file, and asked by key ID and algorithm.

`RemoteKeySet` keeps one of these inside each snapshot, so that what is usable, and which key is meant, is
decided in one place whether the keys came over the network or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from jwtauthz.checks import ALGORITHMS, show
from jwtauthz.errors import ConfigurationError
from jwtauthz.token import json_object

from .key import Key
from .parse import Unusable, key_from_jwk, key_from_pem

if TYPE_CHECKING:
    import os
    from typing import Self

__all__ = ["ALGORITHMS", "MAX_KEYS", "Found", "Key", "KeySet", "KeyUnknown", "SkippedKey"]

MAX_KEYS: Final = 100
"""A set of more keys than this is refused as a whole: it is an accident or an attack."""
MAX_CANDIDATES: Final = 4
"""As many keys of one key ID and type are tried on a signature (RFC 7517 section 4.5)."""


@dataclass(frozen=True, slots=True)
class SkippedKey:
    """An entry of a JWKS that is not used, and why; `alarming` means that it published a secret."""

    index: int
    kid: str | None
    reason: str
    alarming: bool = False


class Found(NamedTuple):
    """The answer of a look-up: the 1 to 4 keys to try, and whether they are older than they should be."""

    keys: tuple[Key, ...]
    stale: bool = False


class KeyUnknown(Exception):  # a signal between us, not an error that anybody sees
    """No key of the set is meant by this key ID and algorithm. `reason` is a sentence for the log.

    `ambiguous`: the token names no key and several would do (RFC 7517 section 4.5).
    """

    def __init__(self, reason: str, *, ambiguous: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ambiguous = ambiguous


class KeySet:
    """Keys that do not change: for tests, for issuers without a JWKS, for processes without a network.

    `keys` are the usable ones in their order, `skipped` says what was left out and why. Immutable, so it may
    be shared between threads and processes. `table` answers every (key ID, algorithm) that has an answer.
    """

    __slots__ = ("_any_kid", "keys", "skipped", "table")

    def __init__(self, keys: Iterable[Key], skipped: Iterable[SkippedKey] = (), *, any_kid: bool = False) -> None:
        self.keys: tuple[Key, ...] = tuple(dict.fromkeys(keys))  # the same key twice is one key
        self.skipped: tuple[SkippedKey, ...] = tuple(skipped)
        self._any_kid = any_kid
        self.table: Mapping[tuple[str | None, str], Found] = _table(self.keys)

    @classmethod
    def from_jwks(cls, jwks: Mapping[str, object] | str | bytes) -> Self:
        """Build a set from a JWKS (RFC 7517 section 5), as a mapping or as JSON text.

        Entries that cannot be used are skipped. Raises ConfigurationError if none is left.
        """
        try:
            text = jwks.encode() if isinstance(jwks, str) else jwks
            key_set = cls.read(json_object(text) if isinstance(text, bytes) else text)
        except ValueError as error:
            raise ConfigurationError(f"This JWKS cannot be used: {error}.") from None
        if not key_set.keys:
            reasons = "; ".join(f"key {skip.index}: {skip.reason}" for skip in key_set.skipped)
            raise ConfigurationError(
                f"This JWKS holds no usable key ({reasons or 'it is empty'}). "
                "Give it at least one public RSA, EC or Ed25519 signature key."
            )
        return key_set

    @classmethod
    def from_pem(cls, pem: str | bytes, *, kid: str | None = None, algorithm: str | None = None) -> Self:
        """Build a set of one key from a PEM public key or certificate.

        A PEM cannot name a key ID: without `kid` the key answers for tokens with any key ID or none.
        Raises ConfigurationError, also for a private key.
        """
        if algorithm is not None and algorithm not in ALGORITHMS:
            raise ConfigurationError(f"algorithm={algorithm!r} is not one of {', '.join(sorted(ALGORITHMS))}.")
        try:
            key = key_from_pem(pem.encode() if isinstance(pem, str) else pem, kid=kid, alg=algorithm)
        except Unusable as error:
            raise ConfigurationError(f"This PEM cannot be used: {error}.") from None
        return cls([key], any_kid=kid is None)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Build a set from a file that holds a JWKS or a PEM. Raises ConfigurationError."""
        from pathlib import Path  # a fiftieth of the whole import, and most key sets are in no file

        try:
            content = Path(path).read_bytes()
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConfigurationError(f"The key file {str(path)!r} cannot be read: {why}.") from None
        return cls.from_pem(content) if b"-----BEGIN " in content else cls.from_jwks(content)

    @classmethod
    def read(cls, document: object, *, reuse: Iterable[Key] = ()) -> Self:
        """Read a parsed JWKS: skip the bad entries, keep the good ones. The set may turn out empty.

        Keys equal to one of `reuse` are replaced by it, so that what is known of that object (a verified
        token, say) stays true. Raises ValueError if the document is no JWKS at all.
        """
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, list | tuple):
            raise ValueError("it is not a JSON object with an array named 'keys' (RFC 7517 section 5)")  # noqa: TRY004
        if len(entries) > MAX_KEYS:
            raise ValueError(f"it holds {len(entries)} keys, more than {MAX_KEYS}")
        known = {key: key for key in reuse}
        keys, skipped = [], []
        for index, entry in enumerate(entries):
            try:
                key = key_from_jwk(entry)
            except Unusable as error:
                kid = entry.get("kid") if isinstance(entry, Mapping) else None
                name = kid if isinstance(kid, str) else None
                skipped.append(SkippedKey(index, name, str(error), error.alarming))
            else:
                keys.append(known.get(key, key))
        return cls(keys, skipped)

    def find(self, kid: str | None, alg: str, *, after: object | None = None) -> Found:  # noqa: ARG002
        """Look up the keys to try for this key ID and algorithm. Raises KeyUnknown; never waits."""
        found = self.table.get((None if self._any_kid else kid, alg))
        if found is None:
            raise self._unknown(kid, alg)
        return found

    def decides(self, kid: str | None, alg: str) -> bool:
        """Whether the answer of `find` would be the same for a newer set: a key is found, or too many are."""
        try:
            self.find(kid, alg)
        except KeyUnknown as unknown:
            return unknown.ambiguous
        return True

    def _unknown(self, kid: str | None, alg: str) -> KeyUnknown:
        if kid is not None and not self._any_kid:
            wrong_type = any(key.kid == kid for key in self.keys)
            which = f"no {alg} key with the key ID {show(kid)}" if wrong_type else f"no key {show(kid)}"
            return KeyUnknown(f"the key set has {which} (it has {self._described()})")
        fitting = sum(key.fits(alg) for key in self.keys)
        if fitting:
            return KeyUnknown(f"the token names no key, and {fitting} {alg} keys would do", ambiguous=True)
        return KeyUnknown(f"the token names no key, and the key set has no {show(alg)} key")

    def recheck(self, found: Found) -> None:
        """Nothing to do after a bad signature: these keys are all there will ever be."""

    @property
    def ready(self) -> Literal[True]:
        """Whether tokens can be judged."""
        return True

    def warm_up(self, timeout: float | None = None) -> None:
        """Nothing to fetch."""

    async def awarm_up(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # as RemoteKeySet
        """Nothing to fetch."""

    def close(self) -> None:
        """Nothing to close."""

    def health(self) -> dict[str, object]:
        """Show the set's state, for a status page."""
        return {"state": "static", "keys": [key.name for key in self.keys], "skipped": len(self.skipped)}

    def _described(self) -> str:
        names = [show(key.name, 24) for key in self.keys[:4]]
        return ", ".join(names + ["…"] * (len(self.keys) > 4)) or "none"

    def __repr__(self) -> str:
        return f"<KeySet {self._described()}>"


def _table(keys: tuple[Key, ...]) -> Mapping[tuple[str | None, str], Found]:
    """Answer every question beforehand; there are few, and it makes each look-up one of a dictionary.

    A token without a key ID is answered only where a single key fits (RFC 7517 section 4.5).
    """
    fitting: dict[tuple[str | None, str], list[Key]] = {}
    for key in keys:
        for alg in key.algorithms:
            fitting.setdefault((None, alg), []).append(key)
            if key.kid is not None:
                fitting.setdefault((key.kid, alg), []).append(key)
    return {
        (kid, alg): Found(tuple(same[:MAX_CANDIDATES]))
        for (kid, alg), same in fitting.items()
        if kid is not None or len(same) == 1
    }
