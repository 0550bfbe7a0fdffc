"""Whether this process can judge tokens, for a load balancer that asks: what `health_endpoint` answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .issuer import KeySource
    from .resource_server import ResourceServer

HEADERS: Final = {"Cache-Control": "no-store"}


def key_set_health(key_set: KeySource) -> dict[str, object] | None:
    """What a key set says of itself; None for one of the application's own that says nothing."""
    health = getattr(key_set, "health", None)
    return None if health is None else dict(health())


class Health:
    """What the health endpoint of one server answers.

    Args:
        server: the server in question.
        details: whether `server.health()` is shown to whoever asks, and not only whether it is ready.
        liveness: whether the status is 200 even without keys: a process must not be restarted because its
            issuer is down.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(self, server: ResourceServer, *, details: bool, liveness: bool) -> None:
        if not callable(getattr(server, "health", None)):
            raise ConfigurationError(
                f"health_endpoint({server!r}) has no server to ask. "
                "Write health_endpoint(ResourceServer(issuer=..., audience=...))."
            )
        for name, value in (("details", details), ("liveness", liveness)):
            if not isinstance(value, bool):
                raise ConfigurationError(f"{name}={value!r}: write True or False.")
        self._server = server
        self._details = details
        self._liveness = liveness

    def answer(self) -> tuple[int, bytes]:
        """The status, 200 or 503, and the JSON body. It waits for nothing.

        It begins the fetches that are due: keys are fetched when a request needs them, and a process that is not
        ready gets no requests, so it would stay so for ever.
        """
        for issuer in self._server.issuers:
            if (prefetch := getattr(issuer.key_set, "prefetch", None)) is not None:
                prefetch()
        body = self._server.health() if self._details else {"ready": self._server.ready}
        status = 200 if self._liveness or body["ready"] else 503
        return status, json.dumps(body, separators=(",", ":"), default=str).encode()
