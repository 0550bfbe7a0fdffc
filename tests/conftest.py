"""What every test may use: an issuer on loopback, a clock to turn, and the rule for what cannot run here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from jwtauthz.testing import FakeClock, FakeIssuer
from real_issuer.process import CannotRun, RealIssuer, find_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def pytest_configure(config: pytest.Config) -> None:
    """Give a checkout that is not installed the plugin that an installed package brings along."""
    if not config.pluginmanager.has_plugin("jwtauthz"):
        from jwtauthz.testing import pytest_plugin

        config.pluginmanager.register(pytest_plugin, "jwtauthz")


@pytest.fixture(scope="session")
def issuer() -> Iterator[FakeIssuer]:
    """An issuer on loopback that all tests share: do not rotate or stop it, make your own for that."""
    with FakeIssuer() as shared:
        yield shared


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test advances it."""
    return FakeClock()


@pytest.fixture(scope="session")
def node(cannot_run: Callable[[str], NoReturn]) -> str:
    """The path of Node, with the packages that tests need installed."""
    try:
        return find_node()
    except CannotRun as reason:
        cannot_run(str(reason))


@pytest.fixture(scope="session")
def real_issuer(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealIssuer]:
    """oidc-provider on loopback, one for all tests: do not rotate or stop it."""
    issuer = RealIssuer(node, tmp_path_factory.mktemp("real-issuer"))
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture
def own_real_issuer(node: str, tmp_path: Path) -> Iterator[RealIssuer]:
    """oidc-provider on loopback for one test alone, to rotate and stop as it likes."""
    issuer = RealIssuer(node, tmp_path)
    issuer.start()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="session")
def cannot_run() -> Callable[[str], NoReturn]:
    """For a test that lacks something on this machine: it is skipped, but in CI (`CI=true`) it fails.

    CI must have everything; a skip there would hide that a test has stopped running.
    """

    def give_up(reason: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must be able to run this: {reason}", pytrace=False)
        pytest.skip(reason)

    return give_up
