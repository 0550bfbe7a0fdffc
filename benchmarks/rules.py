"""What a decision takes at an API of 10, 100 and 1,000 routes, each with a rule of its own.

    python -m benchmarks rules [--quick] [--write]

Every request is for the next route of the table. The token is known already, so that what is measured is the
rule: looking it up and deciding. Ways to hold the rules: `built once` is what decorators do (a rule is made with
its view), `table` looks it up by method and path in a `RouteTable`, `look-up` is that without the decision, for
paths with two parameters, `look-up, one path` always the same one, and `look-up, no rule` a path that none covers;
`written at each call` gives `authorize` a scope as a string. `--write` keeps the result, in benchmarks/results and
benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING

from jwtauthz import Issuer, Request, ResourceServer, RouteTable, all_of, any_of, organization, public
from jwtauthz.testing import FakeIssuer

from . import _report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jwtauthz import Requirement

ROUTES = (10, 100, 1_000)
CALLS, QUICK_CALLS = 5_000, 1_000
ROUNDS, QUICK_ROUNDS = 9, 3
ORGANIZATION = "org_1"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("benchmarks rules", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few calls: to see that it runs")
    parser.add_argument("--write", action="store_true", help="keep the result in benchmarks/results")
    options = parser.parse_args(arguments)
    calls, rounds = (QUICK_CALLS, QUICK_ROUNDS) if options.quick else (CALLS, ROUNDS)
    results = measure(calls, rounds)
    print(table(results))
    if options.write:
        rows = [
            {"way": way, "microseconds": dict(zip(map(str, ROUTES), times, strict=True))} for way, times in results
        ]
        _report.write_json("rules", {"machine": _report.machine(), "calls": calls, "rounds": rounds}, rows)
        text = f"`python -m benchmarks rules --write`; {_report.machine()}\n\n{table(results)}"
        _report.write_into(_report.ROOT / "benchmarks" / "README.md", "rules", text)
    return 0


def table(results: list[tuple[str, list[float]]]) -> str:
    """Microseconds by way and number of routes, and how much more the most routes take than the fewest."""
    head = ["µs a decision, by routes", *(f"{count:,}" for count in ROUTES), "growth"]
    rows = [[way, *(f"{each:.1f}" for each in times), f"{times[-1] / times[0]:.2f}"] for way, times in results]
    return _report.table(head, rows)


def measure(calls: int, rounds: int) -> list[tuple[str, list[float]]]:
    """For each way the microseconds of a decision, for each number of routes: the median of interleaved rounds."""
    asks = [(way, [make(count) for count in ROUTES]) for way, make in ways().items()]
    times: dict[tuple[str, int], list[float]] = {}
    gc.disable()
    try:
        for _ in range(rounds):
            for way, by_count in asks:
                for place, ask in enumerate(by_count):
                    times.setdefault((way, place), []).append(_timed(ask, ROUTES[place], calls))
    finally:
        gc.enable()
    return [(way, [statistics.median(times[way, place]) * 1e6 for place in range(len(ROUTES))]) for way, _ in asks]


def _timed(ask: Callable[[int], object], routes: int, calls: int) -> float:
    order = list(islice(cycle(range(routes)), calls))
    begin = time.thread_time()  # what others do on this machine meanwhile does not count
    for route in order:
        ask(route)
    return (time.thread_time() - begin) / calls


def ways() -> dict[str, Callable[[int], Callable[[int], object]]]:
    """For each way a function that makes an API of so many routes, as a function that asks for one of them."""
    issuer = FakeIssuer(network=False)
    names = " ".join(f"s{number}" for number in range(500))
    text = issuer.token(scope=names, org_id=ORGANIZATION, permissions=["admin"])
    # 500 scopes are the most that a remembered token (4 KiB) may well have; rules ask for any of them.
    server = ResourceServer(Issuer(issuer.url, key_set=issuer.key_set), issuer.audience)
    asked = Request(f"Bearer {text}", path_params={"org_id": ORGANIZATION})
    server.authorize(asked, "s1")

    def rule(number: int) -> Requirement:
        one = f"s{number % 500}"
        return all_of(one, any_of(f"owner:{number}", "admin", claim="permissions"), organization("org_id"))

    def built_once(count: int) -> Callable[[int], object]:
        rules = [rule(number) for number in range(count)]
        return lambda number: server.authorize(asked, rules[number])

    def route_table(count: int) -> tuple[RouteTable, list[str]]:
        rules: dict[str, object] = {"/health": public()}
        rules |= {f"GET /v1/things{number}/{{org_id}}/parts/{{part:int}}": rule(number) for number in range(count)}
        return RouteTable(rules), [f"/v1/things{number}/{ORGANIZATION}/parts/7" for number in range(count)]

    def table(count: int) -> Callable[[int], object]:
        rules, paths = route_table(count)

        def ask(number: int) -> object:
            needed, asked.path_params, _ = rules.find("GET", paths[number])
            return server.authorize(asked, needed)

        return ask

    def table_alone(count: int) -> Callable[[int], object]:
        rules, paths = route_table(count)
        return lambda number: rules.find("GET", paths[number])

    def one_path(count: int) -> Callable[[int], object]:
        rules, paths = route_table(count)
        return lambda _: rules.find("GET", paths[count // 2])

    def no_rule(count: int) -> Callable[[int], object]:
        rules, paths = route_table(count)
        closed = [path.replace("/parts/", "/others/") for path in paths]
        return lambda number: rules.find("GET", closed[number])

    def written_at_each_call(count: int) -> Callable[[int], object]:
        scopes = [f"s{number % 500}" for number in range(count)]
        return lambda number: server.authorize(asked, scopes[number])

    return {
        "built once": built_once,
        "table": table,
        "look-up": table_alone,
        "look-up, one path": one_path,
        "look-up, no rule": no_rule,
        "written at each call": written_at_each_call,
    }
