"""Issuers that are not known when the API starts: which are accepted, and how one is made of its URL."""

from __future__ import annotations

import inspect
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from .checks import show
from .errors import Code, ConfigurationError, Finding
from .issuer import Issuer, several
from .issuer_pattern import MAX_ISSUER, IssuerPattern, is_sound
from .keys.remote import RemoteKeySet
from .signatures import is_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Make = Callable[[str], Issuer]
    Resolve = Callable[[str], Issuer | None]

logger = logging.getLogger("jwtauthz")

DEFAULT_LIMIT: Final = 100
DEFAULT_NEWCOMERS: Final = 20


class IssuerResolver:
    """Accepts issuers by pattern, or asks a function, for an API of many tenants.

        ResourceServer(IssuerResolver("https://*.auth.example.com/"), audience="https://api.example.com")

    An issuer is made when its first token comes, and its tokens are held against its own keys, algorithms and
    audience alone. Who writes a token chooses its `iss`, so what that may cause is bounded: at most `newcomers`
    new issuers at once and one per 10 s after that; an issuer counts as new until a token of it was verified,
    and no new one displaces one that is not. Beyond that, tokens of new issuers are answered 503.

    Args:
        allow: the issuers that are accepted, as URLs, where `*` stands for one label of the host or one segment
            of the path. Or a function `(iss) -> Issuer | None`, which is asked about each well-formed https `iss`
            that is not held yet; if it raises, the answer is 503. It is called in place, on the event loop
            too: let it look, not wait.
        make: makes the `Issuer` of a URL that a pattern allows, with algorithms, claims or audience of its own;
            `functools.partial(Issuer, algorithms="ES256")` will do. It must not fetch.
        limit: how many issuers found by a star or a function are kept; the one whose last good token is longest
            ago goes first. Those that `allow` names to the letter are kept beside them.
        newcomers: how many issuers may be new at once.
        private_addresses: whether the keys of an issuer whose host a token chose may be fetched from loopback,
            private, link-local and reserved addresses; and whether a function is asked about `http` on loopback.
        clock: seconds that never run backwards.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(
        self,
        allow: str | Iterable[str] | Resolve,
        *,
        make: Make | None = None,
        limit: int = DEFAULT_LIMIT,
        newcomers: int = DEFAULT_NEWCOMERS,
        private_addresses: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._function: Resolve | None = allow if callable(allow) else None
        self._patterns = () if callable(allow) else tuple(map(IssuerPattern.of, several(allow)))
        if self._function is None and not self._patterns:
            raise ConfigurationError(
                f"allow={allow!r} names no issuer. Write allow='https://*.auth.example.com/', or a function "
                "(iss) -> Issuer | None."
            )
        self._named = frozenset(pattern.text for pattern in self._patterns if pattern.is_exact)
        self._make = Issuer if make is None else make
        self._check_functions(make)
        for name, value in (("limit", limit), ("newcomers", newcomers)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r}: write how many issuers, 1 or more.")
        if not isinstance(private_addresses, bool):
            raise ConfigurationError(f"private_addresses={private_addresses!r}: write True or False.")
        self.limit = limit
        self.newcomers = newcomers
        self.private_addresses = private_addresses
        self.clock = clock

    def _check_functions(self, make: object) -> None:
        if make is not None and self._function is not None:
            raise ConfigurationError(
                "make= is for patterns; the function given as allow= makes the Issuer itself."
            )
        if not callable(self._make):
            raise ConfigurationError(f"make={make!r} can't be called. Write a function (iss) -> Issuer.")
        for name, function in (("allow", self._function), ("make", self._make)):
            if function is not None and is_async(function):
                raise ConfigurationError(
                    f"{name}={function!r} is async, and is asked where nothing can be awaited. Keep what it would "
                    "wait for in memory, and look there."
                )

    def resolve(self, iss: str) -> Issuer | Finding | None:
        """The issuer of this URL, made anew; None if it is not accepted, a finding if that can't be told."""
        if self._function is not None:
            if not is_sound(iss, private=self.private_addresses):
                return None
            return self._asked(self._function, iss, guarded=True)
        for pattern in self._patterns:
            if pattern.matches(iss):
                return self._asked(self._make, iss, guarded=pattern.any_host)
        return None

    def names(self, iss: str) -> bool:
        """Whether the application named this issuer to the letter."""
        return iss in self._named

    def example(self) -> Issuer | None:
        """An issuer as it would be made, to see whether it can be; None if that would ask the application."""
        make = self._make.func if isinstance(self._make, partial) else self._make
        return self._make(self._patterns[0].example()) if self._patterns and make is Issuer else None

    def describe(self) -> tuple[str, ...]:
        """What is accepted, for people."""
        if self._function is not None:
            return (f"what {getattr(self._function, '__qualname__', type(self._function).__name__)} knows",)
        return tuple(pattern.text for pattern in self._patterns)

    def hint(self, iss: object) -> str | None:
        """What to do about an issuer that is nearly accepted."""
        if not isinstance(iss, str) or len(iss) > MAX_ISSUER:
            return None
        other = iss[:-1] if iss.endswith("/") else f"{iss}/"
        if any(pattern.matches(other) for pattern in self._patterns):
            return "They differ by the last slash. Write allow= as the tokens say it."
        return None

    def _asked(self, function: Resolve | Make, iss: str, *, guarded: bool) -> Issuer | Finding | None:
        try:
            issuer: object = function(iss)
        except Exception:
            logger.exception(
                "The issuer resolver raised at %s; the request is answered 503", show(iss, MAX_ISSUER)
            )
            return _unresolved("raised; the traceback is in the log")
        if issuer is None and function is self._function:
            return None
        if not isinstance(issuer, Issuer):
            if inspect.iscoroutine(issuer):
                issuer.close()
            return _unresolved(f"returned {type(issuer).__name__}, which is no Issuer")
        if issuer.url != iss:
            # Its tokens would be held against the keys of somebody else.
            return _unresolved(f"returned another issuer, {show(issuer.url)}")
        if guarded and isinstance(issuer.key_set, RemoteKeySet):
            issuer.key_set.guard(public_only=not self.private_addresses)
        return issuer

    def __repr__(self) -> str:
        return f"<IssuerResolver {', '.join(map(repr, self.describe()))} limit={self.limit}>"


def _unresolved(what: str) -> Finding:
    return Finding(
        Code.ISSUER_UNRESOLVED,
        f"Whether the issuer of the token is accepted can't be told: the resolver {what}.",
        "iss",
    )
