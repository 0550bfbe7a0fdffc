"""Two real gunicorns of four workers each, a real Redis between them, and an issuer that counts."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import pytest

from jwtauthz.testing import behaviours as b

from .conftest import SECRET

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORKERS = 8
FLOOD = float(os.environ.get("JWTAUTHZ_FLOOD_SECONDS", "8"))  # for a longer one: 60

pytest.importorskip("gunicorn")


class Workers:
    """Two masters with four workers each, that are found by asking until all have answered."""

    def __init__(self, issuer, redis, *arguments: str, key: str | None = SECRET) -> None:
        self.issuer, self.redis = issuer, redis
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
            "ISSUER": issuer.url,
            "REDIS": redis.url,
            **({} if key is None else {"FLEET_KEY": key}),
        }
        self.masters = [self._start(arguments) for _ in range(2)]
        self.hosts = [self._host(master) for master in self.masters]

    def _start(self, arguments):
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "4", "--bind", "127.0.0.1:0"]
        return subprocess.Popen(
            [*command, "--no-control-socket", "--graceful-timeout", "1", *arguments, "fleet_app:app"],
            cwd=HERE,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _host(self, master):
        log = ""
        for line in master.stderr:
            log += line
            if found := re.search(r"Listening at: http://(\S+)", line):
                threading.Thread(target=master.stderr.read, daemon=True).start()
                return found[1]
        return pytest.fail(f"gunicorn ended:\n{log}")

    def ask(self, token=None, master=0):
        """(status, process) of one request, on a connection of its own."""
        connection = HTTPConnection(self.hosts[master], timeout=60)
        authorization = f"Bearer {token or self.issuer.token(scope='read')}"
        try:
            connection.request("GET", "/users", headers={"Authorization": authorization})
            answer = connection.getresponse()
            return answer.status, json.load(answer).get("pid")
        finally:
            connection.close()

    def ask_all(self, token=None):
        """The statuses that all eight workers gave, many asking at once, until each has answered."""
        statuses, pids, end = set(), set(), time.monotonic() + 30
        token = token or self.issuer.token(scope="read")
        with ThreadPoolExecutor(8) as pool:
            while len(pids) < WORKERS:
                assert time.monotonic() < end, f"only {len(pids)} workers answer, with {statuses}"
                for status, pid in pool.map(lambda n: self.ask(token, n % 2), range(16)):
                    statuses.add(status)
                    pids |= {pid} - {None}
        return statuses

    def stop(self):
        for master in self.masters:
            master.terminate()
        for master in self.masters:
            master.wait(15)
            time.sleep(0.05)
            master.stderr.close()


@pytest.fixture
def start(issuer, redis):
    """Starts eight workers."""
    running = []

    def go(*arguments, **options):
        running.append(Workers(issuer, redis, *arguments, **options))
        return running[-1]

    yield go
    for workers in running:
        workers.stop()


@contextmanager
def flood(workers):
    """Junk key IDs, another in each request, at both gunicorns at once."""
    counts: Counter[int] = Counter()
    over = threading.Event()
    template = workers.issuer.token(scope="read")

    def pour(part):
        numbers = count(part, 4)
        while not over.is_set():
            number = next(numbers)
            counts[workers.ask(junk(template, number), number // 4 % 2)[0]] += 1

    threads = [threading.Thread(target=pour, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        over.set()
        for thread in threads:
            thread.join()


def junk(template, number):
    """The template with another key ID: its signature is not looked at, since there is no key for it."""
    header, rest = template.split(".", 1)
    values = json.loads(base64.urlsafe_b64decode(header + "=="))
    values["kid"] = f"junk-{number}"
    written = base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()
    return f"{written}.{rest}"


def test_a_cold_start_and_a_rotation_cost_one_fetch_each_and_a_flood_few(start, issuer, redis):
    workers = start()
    issuer.behave(b.slow(0.3))
    assert workers.ask_all() == {200}
    assert issuer.fetches() == 1
    issuer.behave(None)

    time.sleep(2)  # between two fetches, as for any unknown key ID
    old = issuer.token(scope="read")
    issuer.rotate()
    assert workers.ask_all() == {200}
    assert issuer.fetches() == 2

    assert workers.ask_all(old) == {200}
    before, began = issuer.fetches(), time.monotonic()
    with flood(workers) as counts:
        while time.monotonic() - began < FLOOD:
            assert workers.ask(old)[0] == 200  # nobody else is harmed by it
            time.sleep(0.2)
    seconds = time.monotonic() - began
    assert sum(counts.values()) > 100
    assert set(counts) <= {401, 503}
    assert issuer.fetches() - before <= 2 + seconds / 10


def test_good_tokens_are_let_in_through_everything_that_befalls_the_store(start, issuer, redis):
    workers = start()
    assert workers.ask_all() == {200}
    assert issuer.fetches() == 1

    redis.kill()
    assert workers.ask_all() == {200}
    time.sleep(2)
    issuer.rotate()
    assert workers.ask_all() == {200}  # each finds the new key by itself
    assert issuer.fetches() == 1 + WORKERS

    redis.start()
    time.sleep(2)  # the pause of the breaker, and that between two fetches
    issuer.rotate()
    assert workers.ask_all() == {200}
    assert len(redis.names("document")) == 1  # used again, without a restart
    assert issuer.fetches() <= 1 + 2 * WORKERS

    redis.command("CLIENT", "PAUSE", 3000, "ALL")
    assert workers.ask_all() == {200}
    time.sleep(2)
    issuer.rotate(keep_old=False)
    assert workers.ask_all() == {200}
    issuer.behave(b.refusing(), at="everywhere")
    assert workers.ask_all() == {200}
    assert set(workers.ask(junk(issuer.token(scope="read"), 1))) & {401, 503}


def test_without_an_integrity_key_the_budget_alone_is_shared(start, issuer, redis):
    workers = start("-k", "gthread", "--threads", "4", key=None)
    assert workers.ask_all() == {200}
    assert issuer.fetches() == WORKERS
    time.sleep(2)
    with flood(workers) as counts:
        time.sleep(2)
    assert set(counts) <= {401, 503}
    assert issuer.fetches() <= WORKERS + 2
