"""A process that is frozen in the middle of a fetch, as AWS Lambda does it between two invocations."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from jwtauthz.testing import behaviours as b

from .conftest import HERE, environment

CODE = """
import os, sys
from jwtauthz import AccessDenied, Issuer, RemoteKeySet, ResourceServer
from jwtauthz.keys.timing import Timing
timing = Timing(flight=2, read=1.5, connect=1.5, stale_wait=1, backoff=0.2)
keys = RemoteKeySet(issuer=os.environ["ISSUER"], timing=timing)
server = ResourceServer(Issuer(os.environ["ISSUER"], key_set=keys, algorithms="ES256"), "https://api.example.com")
for token in sys.stdin:
    try:
        server.authorize("Bearer " + token.strip(), "read:users")
        print(200, flush=True)
    except AccessDenied as denied:
        print(denied.status, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes can't be stopped here")
def test_a_fetch_that_was_frozen_is_dropped_and_another_one_made(issuer):
    issuer.behave(b.at_first(b.slow(1)))
    process = subprocess.Popen(
        [sys.executable, "-c", CODE],
        cwd=HERE,
        env=environment(issuer),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ask(process, issuer.token(scope="read:users"))
        end = time.monotonic() + 20
        while not issuer.requests:
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(3)  # longer than a whole fetch may take
        os.kill(process.pid, signal.SIGCONT)
        # Which of the two depends on who is woken up first; it is no 401, and it does not hang.
        assert process.stdout.readline().strip() in {"200", "503"}
        time.sleep(0.5)
        ask(process, issuer.token(scope="read:users"))
        assert process.stdout.readline().strip() == "200"
    finally:
        process.kill()
        process.communicate()


def ask(process, token):
    process.stdin.write(token + "\n")
    process.stdin.flush()
