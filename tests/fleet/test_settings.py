"""What a fleet can be built of, and what is refused with a word on what to write instead."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from jwtauthz import Issuer, KeySet, RemoteKeySet, ResourceServer
from jwtauthz.errors import ConfigurationError
from jwtauthz.keys.fleet import Fleet
from jwtauthz.keys.timing import Timing
from jwtauthz.replay import RedisReplayStore

pytest.importorskip("redis")
URL = "redis://127.0.0.1:1/0"
API = {"issuer": "https://issuer.example/", "audience": "https://api.example.com"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"url": "http://127.0.0.1"}, "no URL of a Redis", id="a URL of something else"),
        pytest.param({"url": "127.0.0.1:6379"}, "redis://host:6379", id="a URL without a scheme"),
        pytest.param({"url": None}, "NoneType is no URL", id="no URL"),
        pytest.param({"url": "redis://127.0.0.1:port"}, "cannot be used", id="a port that is no number"),
        pytest.param(
            {"no_such_option": 1}, "cannot be used|TypeError", id="an option that redis-py does not know"
        ),
        pytest.param({"integrity_key": ""}, "has 0 bytes", id="an empty integrity key"),
        pytest.param({"integrity_key": "short"}, "openssl rand", id="a short integrity key"),
        pytest.param({"integrity_key": b"x" * 31}, "has 31 bytes", id="one byte too few"),
        pytest.param({"integrity_key": ["x" * 40]}, "bytes or a string", id="a list of them"),
        pytest.param({"prefix": ""}, "prefix=", id="an empty prefix"),
        pytest.param({"prefix": "a{b}"}, "braces", id="a prefix with braces"),
        pytest.param({"timeout": 0}, "0.01 to 1", id="no time at all"),
        pytest.param({"timeout": 30}, "0.01 to 1", id="all the time in the world"),
        pytest.param({"timeout": True}, "0.01 to 1", id="a truth for a time"),
        pytest.param({"local_for": 0}, "local_for=", id="no pause"),
        pytest.param({"local_for": float("nan")}, "local_for=", id="a pause that is no number"),
        pytest.param({"on_event": "print"}, "cannot be called", id="a hook that is a name"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, says):
    with pytest.raises(ConfigurationError, match=says):
        Fleet.from_url(**{"url": URL, **settings})


def test_no_message_and_no_repr_holds_a_password():
    url = "redis://user:hunter2@127.0.0.1:1/0?password=hunter3"
    fleet = Fleet.from_url(url, integrity_key="i" * 40)
    with pytest.raises(ConfigurationError) as caught:
        Fleet.from_url("redis://user:hunter2@127.0.0.1:port")
    for text in (repr(fleet), str(fleet.health()), str(caught.value)):
        assert "hunter" not in text
        assert "iiii" not in text


def test_clients_that_are_none_are_refused():
    import redis
    import redis.asyncio

    for client in (None, "redis://", redis.Redis, object()):
        with pytest.raises(ConfigurationError, match="no client of redis-py"):
            Fleet(client)
    for kind in (Fleet, RedisReplayStore):
        with pytest.raises(ConfigurationError, match="async"):
            kind(redis.asyncio.Redis())


@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "text"])
def test_a_client_of_the_application_will_do(redis, join, issuer, decode):
    members = [
        join(None, fleet=Fleet(redis.client(decode_responses=decode), integrity_key="i" * 40)) for _ in range(2)
    ]
    assert [member.status() for member in members] == [200] * 2
    assert issuer.fetches() == 1
    assert members[0].fleet.health()["store"] == "Redis"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_cluster(make_redis, join, issuer, tmp_path):
    from redis.cluster import RedisCluster

    bus = str(free_port())  # the one by default is the port's number and 10,000, which may be none
    node = make_redis("--cluster-enabled", "yes", "--cluster-port", bus, "--dir", str(tmp_path))
    node.command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    end = time.monotonic() + 10
    while b"cluster_state:ok" not in str(node.command("CLUSTER", "INFO")).encode():
        assert time.monotonic() < end
        time.sleep(0.02)
    members = [
        join(
            None,
            timing=Timing(),
            fleet=Fleet(RedisCluster(host="127.0.0.1", port=node.port), integrity_key="i" * 40),
        )
        for _ in range(3)
    ]
    assert [member.status() for member in members] == [200] * 3
    assert issuer.fetches() == 1
    issuer.rotate()
    for member in members:
        member.clock.advance(2)
        assert member.status() == 200
    assert issuer.fetches() == 2
    assert members[0].fleet.health()["last_error"] is None


def test_tls(make_redis, join, issuer, tmp_path):
    import trustme

    ca = trustme.CA()
    server = ca.issue_cert("127.0.0.1")
    (tmp_path / "key.pem").write_bytes(server.private_key_pem.bytes())
    (tmp_path / "cert.pem").write_bytes(server.cert_chain_pems[0].bytes())
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    port = free_port()
    files = ["--tls-cert-file", tmp_path / "cert.pem", "--tls-key-file", tmp_path / "key.pem"]
    make_redis(
        "--tls-port",
        str(port),
        *map(str, files),
        "--tls-ca-cert-file",
        str(tmp_path / "ca.pem"),
        "--tls-auth-clients",
        "no",
    )
    url = f"rediss://127.0.0.1:{port}"
    trusting = [join(url, ssl_ca_certs=str(tmp_path / "ca.pem"), timeout=1.0) for _ in range(2)]
    assert [member.status() for member in trusting] == [200] * 2
    assert issuer.fetches() == 1
    stranger = join(url, timeout=1.0)  # does not trust that certificate, so it is on its own
    assert stranger.status() == 200
    assert issuer.fetches() == 2
    assert stranger.fleet.health()["last_error_kind"] == "connection"


def test_a_client_with_limits_of_its_own_cannot_hold_a_flight_up(redis, join, issuer):
    member = join(None, fleet=Fleet(redis.client(), integrity_key="i" * 40))  # which waits for five seconds
    redis.command("CLIENT", "PAUSE", 60_000, "ALL")
    began = time.monotonic()
    assert member.status() == 200
    assert time.monotonic() - began < 0.7


@pytest.mark.parametrize(
    ("fleet", "says"),
    [
        pytest.param("redis://127.0.0.1", "Fleet.from_url", id="a URL"),
        pytest.param(Fleet, "Write fleet=", id="the class"),
    ],
)
def test_a_server_wants_a_fleet(fleet, says):
    with pytest.raises(ConfigurationError, match=says):
        ResourceServer(**API, fleet=fleet)


def test_a_server_without_keys_to_fetch_has_no_use_for_one():
    from jwtauthz.testing import FakeIssuer

    keys = FakeIssuer(network=False).key_set
    assert isinstance(keys, KeySet)
    with pytest.raises(ConfigurationError, match="no issuer here has any to fetch"):
        ResourceServer(Issuer("https://issuer.example/", key_set=keys), "a", fleet=Fleet.from_url(URL))


def test_a_key_set_whose_refusals_could_rest_on_nothing_cannot_join():
    timing = Timing(miss_refill=12, negative_ttl=12)
    with pytest.raises(ConfigurationError, match="write fleet_refill"):
        RemoteKeySet("https://issuer.example/jwks", timing=timing, fleet=Fleet.from_url(URL))
    RemoteKeySet("https://issuer.example/jwks", timing=timing)  # alone it may


def test_from_the_environment():
    environment = {"JWTAUTHZ_ISSUER": API["issuer"], "JWTAUTHZ_AUDIENCE": API["audience"]}
    server = ResourceServer.from_env({**environment, "JWTAUTHZ_REDIS_URL": URL})
    assert server.issuers[0].key_set.health()["fleet"]["shares_keys"] is False
    environment["JWTAUTHZ_INTEGRITY_KEY"] = "i" * 40
    with pytest.raises(ConfigurationError, match="Set JWTAUTHZ_REDIS_URL as well"):
        ResourceServer.from_env(environment)
    server = ResourceServer.from_env({**environment, "JWTAUTHZ_REDIS_URL": URL})
    assert server.issuers[0].key_set.health()["fleet"]["shares_keys"] is True


def test_two_applications_with_keys_of_their_own_do_not_meet():
    names = {Fleet.from_url(URL, integrity_key=key).names("issuer a") for key in (None, "a" * 32, "b" * 32)}
    assert len(names) == 3
    assert Fleet.from_url(URL).names("issuer a") != Fleet.from_url(URL).names("issuer b")
    for one in names:
        tags = {name[name.index("{") : name.index("}")] for name in one}
        assert len(tags) == 1  # together in a cluster


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_server_without_a_fleet_loads_none_of_it():
    shown = run(
        "import sys, jwtauthz, jwtauthz.keys.remote\n"
        "jwtauthz.ResourceServer('https://issuer.example/', 'a')\n"
        "print([name for name in sys.modules if 'fleet' in name or 'shared' in name or name == 'redis'])"
    )
    assert shown == "[]\n"


def test_without_redis_py_it_is_said_what_to_install():
    shown = run(
        "import sys; sys.modules['redis'] = None\n"
        "from jwtauthz.keys.fleet import Fleet\n"
        "try: Fleet.from_url('redis://127.0.0.1')\n"
        "except ValueError as error: print(error)"
    )
    assert "pip install 'jwtauthz[redis]'" in shown


FORK = """
import os, signal, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from jwtauthz import Issuer, RemoteKeySet, ResourceServer
from jwtauthz.keys.fleet import Fleet
url, redis, token, audience = sys.argv[1:]
fleet = Fleet.from_url(redis, integrity_key="i" * 40)
server = ResourceServer(Issuer(url, algorithms="ES256"), audience, fleet=fleet)
keys = server.issuers[0].key_set
server.authorize("Bearer " + token, "read")
children = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        keys.purge()
        server.authorize("Bearer " + token, "read")
        import threading
        for thread in threading.enumerate():
            if thread is not threading.current_thread(): thread.join(2)
        os._exit(0 if fleet.health()["last_error"] is None and fleet.health()["commands"] > 1 else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_forked_children_have_connections_of_their_own(redis, issuer):
    arguments = [issuer.url, redis.url, issuer.token(scope="read"), issuer.audience]
    done = subprocess.run(
        [sys.executable, "-c", FORK, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[0, 0, 0, 0]\n", done.stderr
