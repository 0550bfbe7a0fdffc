"""Forks, exits and imports: what happens to a key set with the process it lives in."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jwtauthz.keys.remote import RemoteKeySet, Timing

from .tools import Clock, Request, answer, eventually, find, hang, jwks, outcome, serving

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
GOOD = answer(jwks("one", "two"))

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
# Python warns that a process with threads should not fork; gunicorn --preload does it all the same.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def in_child(work: Callable[[], bool], within: float = 8.0) -> bool:
    """Whether `work` comes true in a forked child, in time."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + within
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


@needs_fork
def test_a_child_keeps_the_keys_and_fetches_for_itself() -> None:
    clock = Clock()
    with serving(lambda _: GOOD) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", clock=clock)
        keys.warm_up()
        found = find(keys)

        def work() -> bool:
            same = keys.find("one", "RS256") is found
            clock.advance(700)
            return same and outcome(keys) == "ok" and keys.health()["state"] == "fresh"

        assert in_child(work), "F83"
        assert len(server.requests) == 2
        assert outcome(keys) == "ok"


@needs_fork
def test_a_child_of_a_fetch_in_progress_makes_its_own() -> None:
    first = threading.Event()

    def handler(_: object) -> bytes:
        if not first.is_set():
            first.set()
            time.sleep(0.8)
        return GOOD

    with serving(handler) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        waiter = threading.Thread(target=find, args=(keys,))
        waiter.start()
        assert first.wait(3)

        def work() -> bool:
            started = time.monotonic()
            return outcome(keys) == "ok" and time.monotonic() - started < 0.7 and keys.health()["failures"] == 0

        assert in_child(work), "F83"
        waiter.join(3)
        assert keys.ready, "and the parent's fetch lands as if nothing had been"
        assert len(server.requests) == 2


@needs_fork
def test_a_lock_held_at_the_fork_is_not_held_in_the_child() -> None:
    with serving(lambda _: GOOD) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            with keys._driver._lock:
                held.set()
                release.wait(5)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(2)
        try:
            assert in_child(lambda: outcome(keys) == "ok"), "F83"
        finally:
            release.set()
            holder.join(2)


@needs_fork
def test_children_do_not_all_refresh_at_the_same_moment() -> None:
    chances = iter([0.0] * 2 + [0.0, 1.0])
    clock = Clock()
    with serving(lambda _: GOOD) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", clock=clock, random=lambda: next(chances, 1.0))
        keys.warm_up()
        before = keys.health()["refresh_in"]
        next(chances, None)
        next(chances, None)
        assert in_child(lambda: keys.health()["refresh_in"] != before)


def run(script: str, *arguments: str, within: float = 10.0) -> tuple[float, subprocess.CompletedProcess[str]]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments],
        capture_output=True,
        text=True,
        timeout=within,
        cwd=ROOT,
        check=False,
    )
    return time.monotonic() - started, done


def test_the_interpreter_exits_at_once_while_a_fetch_hangs(tmp_path: Path) -> None:
    script = """
        import os, sys, time
        from jwtauthz.keys.remote import MustWait, RemoteKeySet
        keys = RemoteKeySet(sys.argv[1])
        try:
            keys.find("one", "RS256")
        except MustWait:
            pass
        deadline = time.monotonic() + 4  # less than the fetch may take
        while not os.path.exists(sys.argv[2]) and time.monotonic() < deadline:
            time.sleep(0.01)
        print(time.monotonic())
    """
    asked = tmp_path / "asked"

    def tell_and_hang(request: Request) -> None:
        asked.touch()
        hang(request)

    with serving(tell_and_hang) as server:
        _, done = run(script, f"{server.url}/jwks", str(asked))
        exited = time.monotonic()
        assert server.requests, "the fetch was in the air"
    assert (done.returncode, done.stderr) == (0, ""), "F88: no traceback"
    assert exited - float(done.stdout) < 2, "F88"


def test_forgetting_it_warns_of_nothing() -> None:
    script = """
        import gc, sys
        from jwtauthz.keys.remote import RemoteKeySet
        keys = RemoteKeySet(sys.argv[1])
        keys.warm_up()
        assert keys.ready
        del keys
        gc.collect()
    """
    with serving(lambda _: GOOD) as server:
        _, done = run(script, f"{server.url}/jwks")
    assert (done.returncode, done.stderr) == (0, ""), "F89"


def test_importing_costs_no_http_client() -> None:
    script = """
        import sys
        import jwtauthz.keys.remote
        jwtauthz.keys.remote.RemoteKeySet("https://issuer.example/jwks")
        print([name for name in ("httpx", "trio", "asyncio.base_events") if name in sys.modules])
    """
    _, done = run(script)
    assert "httpx" not in done.stdout
    assert "trio" not in done.stdout
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "hook", [pytest.param("None", id="told to nobody"), pytest.param("lambda event: None", id="told to a hook")]
)
def test_a_fetch_imports_nothing_of_ours(hook: str) -> None:
    """Its thread must not: a child that is forked meanwhile would wait for that import for ever."""
    script = f"""
        import sys, threading
        from jwtauthz import RemoteKeySet
        keys = RemoteKeySet(sys.argv[1], on_event={hook})
        before = set(sys.modules)
        keys.refresh()
        for thread in set(threading.enumerate()) - {{threading.current_thread()}}:
            thread.join()  # hooks are told when the waiters have been
        print([name for name in set(sys.modules) - before if name.startswith("jwtauthz")])
    """
    with serving(lambda _: GOOD) as server:
        _, done = run(script, f"{server.url}/jwks")
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_the_wall_clock_is_not_asked_for_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: GOOD) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", timing=Timing())
        keys.warm_up()
        for wall in (0.0, 4e9):
            monkeypatch.setattr(time, "time", lambda wall=wall: wall)
            assert keys.health()["state"] == "fresh", "F74"
        monkeypatch.undo()
        assert eventually(lambda: len(server.requests) == 1)
