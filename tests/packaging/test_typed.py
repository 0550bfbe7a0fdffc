"""An application that has installed jwtauthz has its types, whichever of the two checkers it uses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

APPLICATION = Path(__file__).with_name("typed") / "every_door.py"


@pytest.fixture
def there(environment):
    made = environment("demo", "mypy", "pyright")
    shutil.copy(APPLICATION, made.folder)
    return made


def test_mypy(there):
    there.run("-m", "mypy", "--strict", "--config-file=", "--cache-dir=/dev/null", APPLICATION.name)


def test_pyright(there, cannot_run):
    if shutil.which("node") is None:
        cannot_run("Node.js is not installed, which pyright is written for")
    there.run("-m", "pyright", "--pythonpath", there.python, APPLICATION.name)


def test_without_py_typed_neither_would_know(there):
    """The other test's own test: what is told comes from the installed package."""
    (there.folder / "reveal.py").write_text("import jwtauthz\nreveal_type(jwtauthz.ResourceServer.authorize)\n")
    told = there.run("-m", "mypy", "--strict", "--config-file=", "--cache-dir=/dev/null", "reveal.py")
    assert "jwtauthz.verified_token.VerifiedToken" in told
