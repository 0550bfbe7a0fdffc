"""An issuer that does what issuers do on bad days, on loopback, when a test says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from jwtauthz.errors import ConfigurationError

from .behaviours import Port, Presenting
from .issuer import METADATA_PATHS, FakeIssuer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from ._exchange import Exchange
    from ._loopback import LoopbackServer
    from .behaviours import Behaviour

    Where: TypeAlias = Literal["jwks", "metadata", "everywhere"]


class MisbehavingIssuer(FakeIssuer):
    """A `FakeIssuer` whose answers go wrong in the way that you choose, and well again when you say so.

        from jwtauthz.testing import MisbehavingIssuer, behaviours

        with MisbehavingIssuer(behaviours.hanging()) as issuer:
            server = ResourceServer(issuer=issuer.url, audience=issuer.audience)
            ...  # 503
            issuer.behave(behaviours.gzip_bomb())
            ...  # 503
            issuer.behave(None)
            ...  # let in

    Args:
        behaviour: How it begins; None is well. See `behaviours`.
        at: Which documents are concerned: the "jwks", the "metadata", or both, "everywhere".
        tls: Serve https with this context. For tests, `trustme` makes certificates for 127.0.0.1.
        **options: Those of `FakeIssuer`.
    """

    _http: LoopbackServer

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        at: Where = "jwks",
        tls: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        super().__init__(tls=tls, **{**options, "network": True})
        self._tls = tls
        self._listening = False
        self.behave(behaviour, at=at)

    def behave(self, behaviour: Behaviour | None, *, at: Where = "jwks") -> None:
        """Do that from the next request on, and nothing else; None is to behave well again.

        What has begun before goes on: a client that hangs is left hanging.
        """
        if isinstance(behaviour, Presenting) and self._tls is None:
            raise ConfigurationError("presenting(...) is about TLS: write MisbehavingIssuer(tls=...) first.")
        self._behaviour, self._at = behaviour, at
        self._http.tls = behaviour.tls if isinstance(behaviour, Presenting) else self._tls
        if self._listening:
            self.start()

    def start(self) -> None:
        """Begin, in whatever way; after `stop` on the same port as before."""
        self._listening = True
        if self._behaviour is Port.CLOSED:
            self._http.refuse()
        elif self._behaviour is Port.FULL:
            self._http.black_hole()
        else:
            self._http.start()

    def stop(self) -> None:
        """Break off what goes on, and give the port back."""
        self._listening = False
        self._http.stop()

    @property
    def connections(self) -> int:
        """How many connections were made to it, those included on which nothing was asked."""
        return self._http.connections

    @property
    def received(self) -> tuple[Mapping[str, str], ...]:
        """The headers of every request, in order, their names in lower case."""
        return tuple(headers for _, headers in self._http.log)

    def _answer(self, exchange: Exchange) -> None:
        exchange.issuer = self
        behaviour = self._behaviour
        at_metadata = exchange.path in METADATA_PATHS
        concerned = self._at == "everywhere" or at_metadata == (self._at == "metadata")
        if concerned and callable(behaviour):
            behaviour(exchange)
        else:
            super()._answer(exchange)
