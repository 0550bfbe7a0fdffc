"""A real gunicorn that loads the app, and with it the key set, before it forks its workers (F83)."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time

import httpx
import pytest

from jwtauthz.testing import behaviours as b

from .conftest import HERE, environment

pytest.importorskip("gunicorn")


@pytest.fixture
def gunicorn(issuer):
    """Starts it with two workers, and gives the URL that they answer."""
    running = []

    def start(before_fork: str, *arguments: str) -> str:
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0"]
        process = subprocess.Popen(
            [*command, "--no-control-socket", *arguments, "preloaded:app"],
            cwd=HERE,
            env=environment(issuer, BEFORE_FORK=before_fork),
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        running.append((process, watchdog))
        log = ""
        for line in process.stderr:
            log += line
            if found := re.search(r"Listening at: (http://\S+)", line):
                drain = threading.Thread(target=process.stderr.read, daemon=True)
                drain.start()
                return found[1]
        pytest.fail(f"gunicorn ended:\n{log}")

    yield start
    for process, watchdog in running:
        process.terminate()
        process.wait(10)
        watchdog.cancel()
        time.sleep(0.05)
        process.stderr.close()


def ask(url, token):
    answer = httpx.get(f"{url}/users", headers={"Authorization": f"Bearer {token}"}, timeout=15, trust_env=False)
    return answer.status_code, answer.json().get("pid")


def ask_both_workers(url, token):
    """The statuses, asking until both workers have answered."""
    statuses, pids, end = set(), set(), time.monotonic() + 20
    while len(pids) < 2:
        assert time.monotonic() < end, f"only {pids} answer"
        status, pid = ask(url, token)
        statuses.add(status)
        pids |= {pid} - {None}
    return statuses


KINDS = pytest.mark.parametrize("kind", [(), ("-k", "gthread", "--threads", "4")], ids=["sync", "gthread"])


@KINDS
def test_f83_workers_begin_with_the_keys_that_were_fetched_before_the_fork(gunicorn, issuer, kind):
    url = gunicorn("warm", *kind)
    assert ask_both_workers(url, issuer.token(scope="read:users")) == {200}
    assert issuer.fetches() == 1


@KINDS
def test_f83_workers_fetch_for_themselves_what_is_new(gunicorn, issuer, kind):
    url = gunicorn("warm", *kind)
    time.sleep(2)  # between two fetches, as for any unknown key ID
    issuer.rotate(keep_old=False)
    assert ask_both_workers(url, issuer.token(scope="read:users")) == {200}
    assert issuer.fetches() == 3


def test_f83_a_fork_in_the_middle_of_a_fetch_leaves_workers_that_work(gunicorn, issuer):
    issuer.behave(b.at_first(b.slow(3)))
    url = gunicorn("in flight")
    assert issuer.fetches() == 1
    assert ask_both_workers(url, issuer.token(scope="read:users")) == {200}
    assert issuer.fetches() == 3


def test_f83_an_issuer_that_was_down_at_the_fork_is_found_again(gunicorn, issuer):
    issuer.behave(b.refusing())
    url = gunicorn("nothing")
    assert ask(url, issuer.token(scope="read:users"))[0] == 503
    issuer.behave(None)
    time.sleep(1.1)
    assert ask_both_workers(url, issuer.token(scope="read:users")) == {200}
