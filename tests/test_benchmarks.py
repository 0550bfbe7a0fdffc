"""The simulation behind the tables of docs/keys.md, small: what we claim there must hold for every process."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as command
from benchmarks import keyset_fleet, keyset_load
from benchmarks._policies import POLICIES, Jwtauthz
from jwtauthz.keys.timing import Timing

TIMING = Timing()
MINE = Jwtauthz.name


@pytest.fixture(scope="module")
def results():
    rows = list(keyset_load.run_all(keyset_load.QUICK_FLEETS, seed=1))
    return {(row.scenario, row.policy, row.processes): row for row in rows}


@pytest.fixture(params=keyset_load.QUICK_FLEETS, ids=lambda size: f"{size} processes")
def mine(results, request):
    return lambda scenario: results[scenario, MINE, request.param]


@pytest.mark.parametrize(
    "scenario", ["quiet", "removal", "outage", "flood", "flood and outage", "flood and announced rotation"]
)
def test_every_good_token_is_let_in(mine, scenario):
    row = mine(scenario)
    assert (row.wrong_401, row.no_answer_5xx) == (0, 0)


@pytest.mark.parametrize(
    ("scenario", "bound"), [("rotation", TIMING.miss_gap), ("flood and rotation", TIMING.miss_refill)]
)
def test_a_key_that_nobody_announced_is_refused_for_a_bounded_time(mine, scenario, bound):
    row = mine(scenario)
    assert row.last_401 <= bound
    assert row.no_answer_5xx == 0


@pytest.mark.parametrize(
    "scenario", [s for s in keyset_load.scenarios() if "flood" in s.name], ids=lambda s: s.name
)
def test_a_flood_costs_two_fetches_and_one_more_each_30_seconds(mine, scenario):
    begin, end = scenario.window
    assert mine(scenario.name).fruitless <= TIMING.miss_burst + (end - begin) / TIMING.miss_refill


def test_a_flood_without_a_limit_costs_a_fetch_each(results):
    assert results["flood", "unlimited", 20].fruitless > 2000


def test_a_removed_key_dies_with_the_next_refresh(mine):
    assert mine("removal").refuse_worst <= TIMING.ttl * TIMING.refresh_to + 5


def test_an_outage_is_asked_after_with_growing_pauses(mine):
    row = mine("outage")
    # At the cap a pause is 15 to 30 s, and each attempt may be made twice.
    assert row.fetches_mean / row.processes < 2 * 60 / (TIMING.backoff_cap / 2)


def test_the_same_seed_gives_the_same_result():
    first, again, other = (keyset_load.run(Jwtauthz, keyset_load.scenarios()[1], 5, seed) for seed in (3, 3, 4))
    assert first == again != other


def test_the_command_prints_a_table_per_scenario(capsys):
    assert command.main(["keyset_load", "--quick", "--seed", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("| processes |") == len(keyset_load.scenarios())
    for policy in POLICIES:
        assert printed.count(f"| {policy.name} ") == len(keyset_load.scenarios()) * 2


def test_every_benchmark_is_listed_with_what_it_is_for(capsys):
    assert command.main([]) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[2:]]
    assert [name for name, _ in listed] == command.names()
    assert all(about for _, about in listed)
    assert command.main(["no_such_benchmark"]) == 2


@pytest.fixture(scope="module")
def fleets():
    rows = list(keyset_fleet.run_all((20,), seed=1))
    return {(row.scenario, row.mode): row for row in rows}


@pytest.mark.parametrize("scenario", ["deployment", "rotation"])
def test_a_fleet_that_shares_its_keys_makes_one_fetch(fleets, scenario):
    row = fleets[scenario, "keys shared"]
    begin, end = next(each.window for each in keyset_fleet.scenarios() if each.name == scenario)
    assert row.fetches_mean * (end - begin) / 60 == pytest.approx(1)
    assert fleets[scenario, "alone"].fetches_peak == 20


def test_a_fleet_that_shares_its_keys_makes_one_fetch_per_ttl(fleets):
    # Each begins at 75 to 85 % of the TTL, and the first of them fetches.
    assert fleets["quiet", "keys shared"].fetches_mean <= 60 / (TIMING.ttl * TIMING.refresh_from)


@pytest.mark.parametrize("mode", ["budget shared", "keys shared"])
def test_a_flood_costs_a_fleet_one_fetch_each_10_seconds(fleets, mode):
    assert fleets["flood", mode].fetches_peak <= 2 + 60 / TIMING.fleet_refill


@pytest.mark.parametrize("mode", ["alone", "budget shared", "keys shared"])
def test_good_tokens_of_a_fleet_are_let_in_whatever_happens_but_a_flood_with_a_rotation(fleets, mode):
    for scenario in ("deployment", "quiet", "flood", "outage"):
        assert fleets[scenario, mode].turned_away == 0
    # The budget's time until somebody fetches, and once more until a process may look again.
    assert fleets["flood and rotation", mode].accept_worst <= max(2 * TIMING.fleet_refill + 5, TIMING.miss_refill)


def test_the_simulated_fleet_depends_on_its_seed_alone(capsys):
    assert command.main(["keyset_load", "--fleet", "--quick", "--jobs", "1"]) == 0
    first = capsys.readouterr().out.partition("Seed")[0]
    assert command.main(["keyset_fleet", "--quick", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.partition("Seed")[0] == first
