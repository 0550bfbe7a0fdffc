"""An issuer that no other test shares, a server for it, and one question to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from jwtauthz import AccessDenied, ResourceServer
from jwtauthz.testing import MisbehavingIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def issuer() -> Iterator[MisbehavingIssuer]:
    with MisbehavingIssuer(algorithm="ES256") as issuer:
        yield issuer


@pytest.fixture
def make(issuer) -> Callable[..., ResourceServer]:
    """Builds a server for the issuer, with these hooks."""
    from jwtauthz import Issuer

    def build(*hooks: Any, **settings: Any) -> ResourceServer:
        return ResourceServer(
            Issuer(issuer.url, algorithms="ES256"), issuer.audience, hooks=list(hooks), **settings
        )

    return build


def status(server: ResourceServer, header: Any, *needs: Any, **options: Any) -> int:
    """What the server answers."""
    try:
        server.authorize(header, *(needs or ("read:users",)), **options)
    except AccessDenied as denied:
        return denied.status
    return 200


def soon(read: Callable[[], Any], expected: Any) -> None:
    """Assert it of what a fetch reports, which it does in its own thread, after it has woken its waiters."""
    end = time.monotonic() + 5
    while (found := read()) != expected and time.monotonic() < end:
        time.sleep(0.005)
    assert found == expected
