"""What the settings of a resource server mean, and which of them make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .issuer import MAX_LEEWAY, Issuer, several

if TYPE_CHECKING:
    from collections.abc import Callable

    from .issuer_resolver import IssuerResolver


def issuers_of(given: object) -> tuple[list[Issuer], IssuerResolver | None]:
    """The issuers that `issuer=` lists, and the resolver among them."""
    values: list[Any] = [given] if isinstance(given, Issuer) or _is_resolver(given) else several(given)
    if not values:
        raise ConfigurationError(
            f"issuer={given!r} names no issuer. Write issuer='https://tenant.eu.auth0.com/', an Issuer(...), "
            "or a list of them."
        )
    resolvers = [value for value in values if _is_resolver(value)]
    if len(resolvers) > 1:
        raise ConfigurationError(
            "There are two resolvers. Write one IssuerResolver(allow=[...]) with all patterns."
        )
    issuers = [value for value in values if not _is_resolver(value)]
    return (
        [value if isinstance(value, Issuer) else Issuer(value) for value in issuers],
        resolvers[0] if resolvers else None,
    )


def _is_resolver(value: object) -> bool:
    if isinstance(value, (str, Issuer)):
        return False
    from .issuer_resolver import IssuerResolver

    return isinstance(value, IssuerResolver)


def leeway_seconds(leeway: object) -> float:
    """Seconds by which clocks may differ."""
    if isinstance(leeway, (int, float)) and not isinstance(leeway, bool) and 0 <= leeway <= MAX_LEEWAY:
        return float(leeway)
    raise ConfigurationError(
        f"leeway={leeway!r}: it is the number of seconds by which clocks may differ, 0 to {MAX_LEEWAY:g}. "
        "More would keep expired tokens alive (RFC 9068 section 4)."
    )


def cache_size(size: object) -> int | None:
    """How many verified tokens are remembered; None for none."""
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size > 0):
        return size
    raise ConfigurationError(f"token_cache={size!r}: write how many tokens to remember, or None for none.")


def wall_clock(clock: Callable[[], float]) -> Callable[[], float]:
    """A function that gives seconds since 1970."""
    if callable(clock):
        return clock
    raise ConfigurationError(f"clock={clock!r} can't be called. Write a function () -> seconds since 1970.")
