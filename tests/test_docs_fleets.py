"""What docs/fleets.md says is so: its blocks run, and its numbers are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from jwtauthz.keys.breaker import Breaker
from jwtauthz.keys.source import MAX_SKEW
from jwtauthz.keys.timing import Timing

pytest.importorskip("redis")

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "fleets.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def run(issuer, tmp_path, monkeypatch):
    """Run a block against an issuer on loopback, and a Redis that is not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jwks.json").write_text(json.dumps(issuer.jwks()))
    for name, value in {
        "FLEET_KEY": "i" * 40,
        "JWTAUTHZ_ISSUER": issuer.url,
        "JWTAUTHZ_AUDIENCE": issuer.audience,
        "JWTAUTHZ_REDIS_URL": "redis://127.0.0.1:1",
        "JWTAUTHZ_INTEGRITY_KEY": "i" * 40,
    }.items():
        monkeypatch.setenv(name, value)

    def execute(block: str) -> dict:
        block = block.replace("https://tenant.eu.auth0.com/", issuer.url)
        names: dict = {"__name__": "docs"}
        exec(compile(block.replace("cache.internal:6379", "127.0.0.1:1"), "fleets.md", "exec"), names)
        return names

    return execute


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_runs_and_what_it_builds_works_without_a_redis(number, run, issuer):
    names = run(BLOCKS[number])
    if "server" in names:
        assert names["server"].authorize(f"Bearer {issuer.token(scope='read')}", "read").subject == "user-1"
        assert "fleet" in names["server"].issuers[0].key_set.health()
    if "app" in names:
        assert names["app"].test_client().get("/ready").status_code == 200


def test_the_hook_is_told(run, capsys):
    [block] = [block for block in BLOCKS if "def tell" in block]
    run(block)["fleet"].refuse("an issuer", "a forged document")
    assert capsys.readouterr().out == "somebody writes to redis://127.0.0.1:1: a forged document\n"


def test_the_replay_store_answers_as_it_is_told(run, capsys):
    [block] = [block for block in BLOCKS if "MemoryReplayStore" in block]
    run(block)
    assert capsys.readouterr().out == "True\nFalse\n"


def test_the_numbers_are_those_of_the_code():
    timing = Timing()
    assert f"SET NX PX {timing.fleet_refill * 1000:.0f}" in TEXT
    assert f"({timing.flight / 2:.1f} s) at most" in TEXT
    assert f"wrong by more than {MAX_SKEW:.0f} s" in TEXT
    assert Breaker().limit == 3
    assert f"({timing.refresh_to:.0%} of the TTL)".replace("%", " %") in TEXT


def test_the_picture_is_there():
    for name in re.findall(r"!\[.+?\]\((.+?)\)", TEXT):
        assert (DOCS / name).stat().st_size > 1000
        assert (DOCS / name).with_suffix(".png").stat().st_size > 1000


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (DOCS / target).exists(), target
