"""What docs/keys.md says is so: its blocks run, its numbers are the defaults, its diagram is the machine's."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest

from docs_blocks import DOCS, blocks, furnish
from docs_blocks import run as run_block
from jwtauthz import KeySet
from jwtauthz.keys.schedule import Schedule
from jwtauthz.keys.states import Arrived, Snapshot, State
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import FakeIssuer

TEXT = (DOCS / "keys.md").read_text()
BLOCKS = [block.text for block in blocks("keys.md") if block.language == "python"]


@pytest.fixture
def run(issuer, tmp_path, monkeypatch):
    """Run a block in a folder that has the files it names, against an issuer on loopback."""
    furnish(tmp_path, issuer)
    monkeypatch.chdir(tmp_path)
    return lambda code: run_block(code, issuer.url, "keys.md")


def block(words: str) -> str:
    [found] = [block for block in BLOCKS if words in block]
    return found


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_runs_and_what_it_builds_works(number, run, issuer):
    names = run(BLOCKS[number])
    if "make_client" in names:
        names["make_client"]().close()
    elif "server" in names:
        assert names["server"].authorize(f"Bearer {issuer.token(scope='read')}", "read").subject == "user-1"
    else:
        names["keys"].warm_up()
        assert names["keys"].ready


def test_the_health_that_is_shown_has_the_members_of_the_real_one(run, capsys):
    run(block("health()"))
    ready, _, shown = capsys.readouterr().out.partition("\n")
    [told] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert ready == "True"
    assert list(json.loads(shown)) == list(json.loads(told))


def test_a_removed_key_dies_with_purge_and_refresh(run, issuer):
    assert run(block("keys.purge()"))["keys"].health()["keys"] == [issuer.kid]


def test_a_rotation_is_told(capsys):
    with FakeIssuer() as own:
        names = run_block(block("KeysRotated"), own.url)
        names["keys"].warm_up()
        old, new = own.kid, own.rotate(keep_old=False)
        names["keys"].refresh()
    assert capsys.readouterr().out == f"{own.url}: new ({new!r},), gone ({old!r},)\n"


def test_the_table_of_numbers_has_the_defaults_of_timing():
    rows = re.findall(r"^\| `(\w+)` \| ([\w.,]+)(?: s)? \|", TEXT, re.MULTILINE)
    told = {
        name: value == "yes" if value in ("yes", "no") else float(value.replace(",", "")) for name, value in rows
    }
    assert told == {field.name: field.default for field in fields(Timing)}
    assert [name for name, _ in rows] == [field.name for field in fields(Timing)]


def test_seconds_are_called_seconds():
    counts = {"refresh_from", "refresh_to", "unsafe_ignore_no_stale", "miss_burst", "miss_returns"}
    counts |= {"negative_size", "abandoned_threads"}
    with_unit = set(re.findall(r"^\| `(\w+)` \| [\d.,]+ s \|", TEXT, re.MULTILINE))
    assert with_unit == {field.name for field in fields(Timing)} - counts


def test_the_printed_guarantee_is_that_of_the_defaults():
    told = [float(number.replace(",", "")) for number in re.findall(r"at most \*\*([\d,]+) s\*\*", TEXT)]
    assert told == [Timing().removed_within, Timing().removed_within_outage]


def test_the_diagram_is_that_of_the_machine():
    assert "(assets/key-states.svg)" in TEXT
    drawn = re.findall(r'data-from="(\S+)" data-to="(\w+)"', (DOCS / "assets" / "key-states.svg").read_text())
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == transitions()


def transitions() -> set[tuple[str, str]]:
    """Every change of state there is: by time, by keys that arrive, by `purge`, and how it begins."""
    with FakeIssuer(network=False) as issuer:
        keys = Arrived(issuer.key_set)
    timing = Timing()
    seed = Snapshot.seed(KeySet(keys.keys.keys), 0.0, timing)
    found = {("[*]", "EMPTY"), ("[*]", seed.state(0.0).name)}
    for state in State:
        schedule, now = in_state(state, keys, timing)
        assert schedule.snapshot.state(now) is state
        for moment in (schedule.snapshot.refresh_at, schedule.snapshot.fresh_until, schedule.snapshot.stale_until):
            if moment > now:  # the next thing that time alone will do
                found.add((state.name, schedule.snapshot.state(moment).name))
                break
        flight = schedule.refresh(now).plan
        schedule.land(flight.number, keys, now, 0.5)
        found.add((state.name, schedule.snapshot.state(now).name))
        schedule, now = in_state(state, keys, timing)
        schedule.purge()
        found.add((state.name, schedule.snapshot.state(now).name))
    return {(before, after) for before, after in found if before != after}


def in_state(state: State, keys: Arrived, timing: Timing) -> tuple[Schedule, float]:
    """A machine in that state, and the moment in which it is."""
    schedule = Schedule(timing)
    if state is State.EMPTY:
        return schedule, 0.0
    schedule.land(schedule.refresh(0.0).plan.number, keys, 0.0, 0.5)
    snapshot = schedule.snapshot
    moments = {
        State.FRESH: 0.0,
        State.DUE: snapshot.refresh_at,
        State.STALE: snapshot.fresh_until,
        State.EXPIRED: snapshot.stale_until,
    }
    return schedule, moments[state]


def test_the_pictures_are_there_and_name_nobodys_machine():
    for name in re.findall(r"!\[.+?\]\((.+?)\)", TEXT):
        assert (DOCS / name).stat().st_size > 1000
        assert (DOCS / name).with_suffix(".png").exists() or name == "assets/key-states.svg", "a plot has both"
