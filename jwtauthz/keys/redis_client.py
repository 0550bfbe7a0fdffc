"""Clients of a Redis or Valkey: one that is made of a URL, and what any must be."""

from __future__ import annotations

import inspect
from typing import Any, Final, Protocol

from jwtauthz.errors import ConfigurationError

from .urls import redacted

_SCHEMES: Final = ("redis://", "rediss://", "unix://")


class Client(Protocol):
    """A client of redis-py, or anything else that sends a command and returns the reply."""

    def execute_command(self, *command: Any) -> Any:
        """Send one command; raise whatever goes wrong."""
        ...


class UrlClient:
    """A client for a URL. Connects when it is first asked.

    `timeout` is in seconds, `options` are those of `redis.Redis`. Raises ConfigurationError.
    """

    def __init__(self, url: str, timeout: float, options: dict[str, Any]) -> None:
        if not isinstance(url, str) or not url.startswith(_SCHEMES):
            shown = repr(redacted(url)) if isinstance(url, str) else type(url).__name__
            raise ConfigurationError(
                f"{shown} is no URL of a Redis. "
                "Write redis://host:6379, rediss://host:6379 for TLS, or unix:///path."
            )
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                f"A Redis needs {missing.name}. Write: pip install 'jwtauthz[redis]'"
            ) from missing
        "idna".encode("idna")  # imported now, and not by the first look-up of a name, in a thread, amid a fork
        self.where = redacted(url)
        self._arguments = url, timeout, options
        settings: dict[str, Any] = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),  # in the time of one command there is none for a second one
            "protocol": 2,
            **options,
        }
        try:
            client = redis.Redis.from_url(url, **settings)
            client.connection_pool.make_connection()  # which connects to nothing, but looks at the options
        except (ValueError, TypeError, redis.RedisError) as error:
            raise ConfigurationError(
                f"{self.where} cannot be used: redis-py raised {type(error).__name__}. "
                "Check port, database and options."
            ) from None
        self._client: Client = client
        self._pool: Any = client.connection_pool

    def execute_command(self, *command: Any) -> Any:
        """Send one command; raise whatever goes wrong."""
        return self._client.execute_command(*command)

    def hang_up(self) -> None:
        """Break off what is under way: a server that never ends its reply would fill the memory."""
        self._pool.disconnect()

    def renewed(self) -> UrlClient:
        """Make the same with connections of its own, for a forked child."""
        return UrlClient(*self._arguments)


def called(client: Client) -> str:
    """What to call a client's server in a log."""
    return client.where if isinstance(client, UrlClient) else type(client).__name__


def check_client(client: object) -> None:
    """Refuse what is no client, and what is an async one. Raises ConfigurationError."""
    send = getattr(client, "execute_command", None)
    if isinstance(client, type) or not callable(send):
        raise ConfigurationError(
            f"{type(client).__name__} is no client of redis-py. "
            "Write redis.Redis(...), or use from_url('redis://host:6379')."
        )
    if inspect.iscoroutinefunction(send):
        raise ConfigurationError(
            "This client is async. Write a sync one, redis.Redis(...): it is asked in threads of its own, "
            "and no event loop waits for it."
        )


def checked_timeout(timeout: object) -> float:
    """Seconds for one command. Raises ConfigurationError."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0.01 <= timeout <= 1:
        raise ConfigurationError(f"timeout={timeout!r}: write a number of seconds, 0.01 to 1.")
    return timeout


def key_prefix(prefix: object) -> str:
    """What the names of values begin with. Raises ConfigurationError."""
    if isinstance(prefix, str) and prefix and prefix.isprintable() and not set("{} ").intersection(prefix):
        return prefix
    raise ConfigurationError(f"prefix={prefix!r}: write a short name, without blanks and braces.")
