"""What becomes of a key set when its process forks, copies it, patches its threads, or ends."""

from __future__ import annotations

import copy
import pickle
import time

import pytest

from jwtauthz import Issuer, ResourceServer
from jwtauthz.keys.remote import RemoteKeySet
from jwtauthz.testing import behaviours as b

FORK = """
import signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python's own warning of what is tested here
def children(count):
    codes = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            os._exit(0 if status() == 200 else 1)
        codes.append(pid)
        time.sleep(0.003)
    return [os.waitpid(pid, 0)[1] for pid in codes]
"""


def test_f83_children_have_the_keys(run, issuer):
    done = run(FORK + "print(status(), children(5))")
    assert done.stdout == "200 [0, 0, 0, 0, 0]\n", done.stderr
    assert issuer.fetches() == 1


def test_f83_children_of_a_fork_in_the_middle_of_a_fetch_fetch_themselves(run, issuer):
    issuer.behave(b.at_first(b.slow(1)))
    done = run(
        FORK
        + """
import httpcore, httpx
waiting = threading.Thread(target=status); waiting.start()
time.sleep(0.5)
print(children(3)); waiting.join(); print(status())
"""
    )
    assert done.stdout == "[0, 0, 0]\n200\n", done.stderr
    assert issuer.fetches() == 4


BUSY = """
stop = False
def busy():
    keys = server.issuers[0].key_set
    while not stop:
        status(); keys.health()
        try: keys.refresh()
        except Exception: pass
threads = [threading.Thread(target=busy) for _ in range(3)]
[thread.start() for thread in threads]
print(set(children(20)))
stop = True
[thread.join() for thread in threads]
"""


def test_f83_forks_while_all_locks_are_busy(run, issuer):
    done = run(FORK + "status()" + BUSY)
    assert done.stdout == "{0}\n", done.stderr


def test_f83_forks_while_the_first_fetch_still_imports_its_http_client(run, issuer):
    """Locks of Python's own import system stay locked in a child, if a thread of its parent held them."""
    done = run(FORK + BUSY)
    assert done.stdout == "{0}\n", done.stderr


def test_f83_a_child_that_is_told_to_wait_by_its_parent_is_not_left_waiting(run, issuer):
    """The look-up was answered "wait" before the fork; the thread that fetches stays behind in the parent."""
    issuer.behave(b.at_first(b.hanging()))
    done = run(
        """
import signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from jwtauthz.keys.remote import MustWait
keys = server.issuers[0].key_set
import httpcore, httpx
try: keys.find("a", "ES256")
except MustWait as wait: flight = wait.flight
time.sleep(0.5)
if os.fork() == 0:
    signal.alarm(20)
    began = time.monotonic(); flight.wait(); took = time.monotonic() - began
    os._exit(0 if took < 6 and status() == 200 else 1)
print(os.wait()[1], flush=True)
os._exit(0)
"""
    )
    assert done.stdout == "0\n", done.stderr


@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_f84_a_remote_key_set_says_clearly_that_it_cannot_be_copied(how):
    keys = RemoteKeySet("https://issuer.example/jwks.json")
    with pytest.raises(TypeError, match="Build one in each process"):
        how(keys)


@pytest.mark.parametrize("how", [pickle.dumps, copy.deepcopy])
def test_f84_and_so_does_a_server_that_holds_one(how):
    server = ResourceServer("https://issuer.example/", "https://api.example.com")
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        how(server)


def test_f84_a_key_set_of_its_own_keys_can_be_copied(issuer):
    keys = issuer.key_set
    for other in (pickle.loads(pickle.dumps(keys)), copy.deepcopy(keys)):
        assert other.keys == keys.keys
        server = ResourceServer(Issuer(issuer.url, key_set=other, algorithms="ES256"), issuer.audience)
        assert server.authorize(f"Bearer {issuer.token(scope='a')}", "a")


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "threading.Thread(target=status, daemon=True).start(); time.sleep(0.6)", id="F88 in a thread"
        ),
        pytest.param(
            """
import asyncio
async def main():
    task = asyncio.create_task(server.aauthorize(token, "read:users"))
    await asyncio.sleep(0.6)
asyncio.run(main())
""",
            id="F88 in asyncio",
        ),
        pytest.param(
            """
import trio
async def main():
    with trio.move_on_after(0.6):
        await server.aauthorize(token, "read:users")
trio.run(main)
""",
            id="F88 in trio",
        ),
        pytest.param(
            """
import signal
main = threading.main_thread().ident
threading.Timer(0.6, signal.pthread_kill, (main, signal.SIGINT)).start()
try: status()
except KeyboardInterrupt: pass
""",
            id="F88 by Ctrl-C",
        ),
        pytest.param("threading.Timer(0.6, server.close).start(); print(status())", id="F88 after close"),
    ],
)
def test_f88_the_interpreter_exits_promptly_while_a_fetch_hangs(run, issuer, code):
    issuer.behave(b.hanging(), at="everywhere")
    began = time.monotonic()
    done = run(code)
    assert time.monotonic() - began < (6.5 if "close" in code else 2.9)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_f88_a_token_that_is_asked_about_while_the_interpreter_ends_gets_an_answer(run, issuer):
    done = run("import atexit; atexit.register(lambda: print(status()))")
    assert done.stdout.strip() in ("200", "503"), done.stderr
    assert done.returncode == 0


def test_a_process_without_a_thread_to_spare_answers_503(run, issuer):
    done = run(
        """
def no_thread(self): raise RuntimeError("can't start new thread")
start, threading.Thread.start = threading.Thread.start, no_thread
print(status()); threading.Thread.start = start; time.sleep(1.1); print(status())
"""
    )
    assert done.stdout == "503\n200\n", done.stderr


def test_f85_greenlets_of_a_process_that_gevent_has_patched_share_a_fetch(run, issuer):
    pytest.importorskip("gevent")
    issuer.behave(b.slow(0.5))
    done = run(
        """
import gevent
ticks = 0
def tick():
    global ticks
    while True: gevent.sleep(0.02); ticks += 1
ticking = gevent.spawn(tick)
asking = [gevent.spawn(status) for _ in range(20)]
gevent.joinall(asking, timeout=20)
print({each.value for each in asking}, ticks > 5)
""",
        first="""
from gevent import monkey; monkey.patch_all()
""",
    )
    assert done.stdout == "{200} True\n", done.stderr
    assert issuer.fetches() == 1
