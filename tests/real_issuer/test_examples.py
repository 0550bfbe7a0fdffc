"""`examples/with_real_issuer.py`, started as its own words say."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "examples/with_real_issuer.py"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}  # a checkout that is not installed


@pytest.mark.usefixtures("node")
def test_a_machine_is_told_what_it_may_and_why_it_may_not():
    done = subprocess.run(
        [*COMMAND, "m2m"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    me, users, report = done.stdout.splitlines()
    assert me == 'GET /me: 200 {"sub":"robot","scopes":["read:users"]}'
    assert users == 'GET /users: 200 {"users":["ada","grace"]}'
    assert report.startswith("GET /admin/report: 403 insufficient_scope: ")
    assert report.endswith(". It needs read:reports")


@pytest.mark.usefixtures("node")
def test_the_page_is_where_it_says_until_it_is_interrupted():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [*COMMAND, "spa", "--port", str(port)], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert f"Open http://127.0.0.1:{port}/ " in process.stdout.readline()
            settings = soon(f"http://127.0.0.1:{port}/settings.json")
            assert settings["client_id"] == "browser"
            assert httpx.get(f"{settings['issuer']}/jwks", trust_env=False).is_success
        finally:
            process.send_signal(signal.SIGINT)
    with pytest.raises(httpx.ConnectError):  # the issuer has ended too
        httpx.get(f"{settings['issuer']}/jwks", trust_env=False)


def soon(url):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with suppress(httpx.ConnectError):
            return httpx.get(url, trust_env=False).raise_for_status().json()
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at {url}")
