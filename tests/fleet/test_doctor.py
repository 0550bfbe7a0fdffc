"""`jwtauthz doctor --redis`: what it says of a store that is well, and of one that is not."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from jwtauthz.cli.commands import cli

from .conftest import SECRET
from .test_faults import sealed


def doctor(issuer, url, *, key=None):
    arguments = ["doctor", "--issuer", issuer.url, "--audience", "a", "--algorithm", "ES256", "--json"]
    environment = {"JWTAUTHZ_INTEGRITY_KEY": key, "JWTAUTHZ_REDIS_URL": None}
    result = CliRunner().invoke(cli, [*arguments, "--redis", url], env=environment, catch_exceptions=False)
    lines = {line["what"]: line for line in json.loads(result.stdout) if line["what"].startswith("fleet")}
    assert all(line["ok"] or line["cure"] for line in lines.values())
    return result.exit_code, lines


def test_all_is_well(redis, join, issuer):
    code, lines = doctor(issuer, redis.url)
    assert code == 0
    assert "answers within" in lines["fleet"]["found"]
    assert lines["fleet version"]["found"].startswith(("Redis ", "Valkey "))
    assert lines["fleet writing"]["ok"]
    assert lines["fleet budget"]["found"].endswith("there")
    assert "not shared" in lines["fleet keys"]["found"]
    assert redis.names() == []


def test_what_the_fleet_shares_is_shown_to_who_has_the_key(redis, join, issuer):
    assert "none are shared yet" in doctor(issuer, redis.url, key=SECRET)[1]["fleet keys"]["found"]
    member = join(redis.url)
    assert member.status() == 200
    member.settle()
    code, lines = doctor(issuer, redis.url, key=SECRET)
    assert code == 0
    assert re.match(r"shared: the issuer was asked \d+ s ago, and", lines["fleet keys"]["found"])


def test_a_forged_document_is_an_alarm(redis, join, issuer):
    from jwtauthz.keys.fleet import Fleet

    redis.source = f"issuer {issuer.url}"
    names = Fleet.from_url(redis.url, integrity_key=SECRET).names(redis.source)
    redis.command("SET", names.document, sealed(redis, key="y" * 40))
    code, lines = doctor(issuer, redis.url, key=SECRET)
    assert code == 1
    assert "is refused: it was not written with our integrity key" in lines["fleet keys"]["found"]


@pytest.mark.parametrize(
    ("spoil", "what", "says"),
    [
        pytest.param(lambda redis: redis.kill(), "fleet", "ConnectionError", id="down"),
        pytest.param(
            lambda redis: redis.command("CONFIG", "SET", "maxmemory", "1"),
            "fleet writing",
            "OutOfMemory",
            id="full",
        ),
        pytest.param(
            lambda redis: redis.command("REPLICAOF", "127.0.0.1", "1"), "fleet writing", "ReadOnly", id="read-only"
        ),
        pytest.param(
            lambda redis: redis.command("CONFIG", "SET", "requirepass", "x"),
            "fleet",
            "Authentication",
            id="closed",
        ),
    ],
)
def test_what_is_wrong(redis, issuer, spoil, what, says):
    spoil(redis)
    code, lines = doctor(issuer, redis.url)
    assert code == 1
    assert says in lines[what]["found"]


def test_a_url_that_is_none(issuer):
    code, lines = doctor(issuer, "localhost:6379")
    assert code == 1
    assert "no URL of a Redis" in lines["fleet"]["found"]
