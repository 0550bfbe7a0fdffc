"""What every test may use: an issuer on loopback, a clock to turn, and the rule for what cannot run here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

from jwtauthz.testing import FakeClock, FakeIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
def cannot_run() -> Callable[[str], NoReturn]:
    """For a test that lacks something on this machine: it is skipped, but in CI (`CI=true`) it fails.

    CI must have everything; a skip there would hide that a test has stopped running.
    """

    def give_up(reason: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must be able to run this: {reason}", pytrace=False)
        pytest.skip(reason)

    return give_up
