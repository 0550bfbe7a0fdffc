"""What tests and demos need: an issuer with real keys on loopback, tokens made to measure, a clock to turn.

`MisbehavingIssuer` is for the day on which the issuer is not well: it hangs, drips, redirects, leaks, sends
web pages and bombs, one of the `behaviours` at a time.

    from jwtauthz.testing import FakeIssuer

    with FakeIssuer() as issuer:
        server = issuer.server()
        server.authorize("Bearer " + issuer.token(scope="read:users"), "read:users")

The pytest fixtures `jwtauthz_issuer`, `jwtauthz_token`, `jwtauthz_headers` and `jwtauthz_clock` are there as soon
as jwtauthz is installed; `docs/testing.md` shows them.

Nothing here turns a check off: every token carries a real signature, or one that is wrong on purpose.
"""

from . import behaviours
from .clock import FakeClock
from .issuer import FakeIssuer
from .misbehaving import MisbehavingIssuer
from .tokens import HeadersFactory, TokenFactory

__all__ = ["FakeClock", "FakeIssuer", "HeadersFactory", "MisbehavingIssuer", "TokenFactory", "behaviours"]
