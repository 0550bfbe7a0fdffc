"""Programs of their own, run beside an issuer of the test."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jwtauthz.testing import MisbehavingIssuer

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def environment(issuer: MisbehavingIssuer, **more: str) -> dict[str, str]:
    """What a program needs to know."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
        "ISSUER": issuer.url,
        "TOKEN": issuer.token(scope="read:users"),
        **more,
    }


BEGIN = """
import os, sys, threading, time
from jwtauthz import Issuer, ResourceServer
from jwtauthz.errors import AccessDenied
server = ResourceServer(Issuer(os.environ["ISSUER"], algorithms="ES256"), "https://api.example.com")
token = "Bearer " + os.environ["TOKEN"]
def status():
    try:
        server.authorize(token, "read:users")
    except AccessDenied as denied:
        return denied.status
    return 200
"""


@pytest.fixture
def issuer():
    with MisbehavingIssuer(algorithm="ES256") as issuer:
        yield issuer


@pytest.fixture
def run(issuer) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program to its end: `run(code)`. It finds `server`, `token` and `status()` ready."""

    def run_(code: str, *, first: str = "", timeout: float = 30) -> subprocess.CompletedProcess[str]:
        program = textwrap.dedent(first) + BEGIN + textwrap.dedent(code)
        command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", program]
        return subprocess.run(
            command, env=environment(issuer), capture_output=True, text=True, timeout=timeout, check=False
        )

    return run_
