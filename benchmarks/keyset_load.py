"""What a fleet of processes costs its issuer, and what good tokens go through, in simulated hours.

    python -m benchmarks keyset_load [--quick] [--seed N] [--write]

Eight scenarios, fleets of 1, 100 and 10,000 processes, six policies. Nothing is measured in real time, so the
result depends on the seed alone. `--write` keeps it: JSON in benchmarks/results, plots in docs/assets, and the
tables in benchmarks/README.md and docs/keys.md.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from . import _report
from ._fleet import MINUTE, Phase, Scenario, Stream, simulate
from ._policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ._fleet import Tally
    from ._policies import Policy

Worked = TypeVar("Worked")

FLEETS = (1, 100, 10_000)
QUICK_FLEETS = (1, 20)
GOOD, OLD, JUNK = 1.0, 0.1, 5.0  # requests a second at each process


def phases(*steps: tuple[float, dict[str, Any]]) -> tuple[Phase, ...]:
    """Phases from (minute of the beginning, what is different from the phase before); the last one only ends."""
    phases: list[Phase] = []
    state: dict[str, Any] = {"published": frozenset("a"), "streams": (Stream("a", GOOD),), "up": True}
    for (begin, change), (end, _) in pairwise(steps):
        state |= change
        phases.append(Phase(begin * MINUTE, end * MINUTE, **state))
    return tuple(phases)


def streams(*kids: str, junk: float = 0.0) -> tuple[Stream, ...]:
    """Good traffic for the first key ID, what is left of it for the others, and junk."""
    rates = [GOOD, *[OLD] * len(kids)]
    streams = [Stream(kid, rate) for kid, rate in zip(kids, rates, strict=False)]
    return (*streams, Stream("junk", junk)) if junk else tuple(streams)


def scenarios() -> tuple[Scenario, ...]:
    """What happens, always from minute 64 on."""
    a, b = frozenset("a"), frozenset("b")
    flood = streams("a", junk=JUNK)
    return (
        Scenario("quiet", "nothing happens for three hours", phases((0, {}), (180, {})), (1200, 10_800)),
        Scenario(
            "rotation",
            "a new key is published and signs at once; the old one stays published",
            phases((0, {}), (64, {"published": a | b, "streams": streams("b", "a")}), (94, {})),
            (3840, 5640),
        ),
        Scenario(
            "removal",
            "a key that a tenth of the tokens still name is removed",
            phases((0, {"published": a | b, "streams": streams("a", "b")}), (64, {"published": a}), (94, {})),
            (3840, 5640),
        ),
        Scenario(
            "outage",
            "the issuer refuses every connection for half an hour",
            phases((0, {}), (64, {"up": False}), (94, {"up": True}), (124, {})),
            (3840, 5640),
        ),
        Scenario(
            "flood",
            "for ten minutes each process is sent five tokens a second with key IDs that nobody knows",
            phases((0, {}), (64, {"streams": flood}), (74, {"streams": streams("a")}), (94, {})),
            (3840, 4440),
        ),
        Scenario(
            "flood and outage",
            "the same, while the issuer refuses every connection",
            phases(
                (0, {}),
                (64, {"streams": flood, "up": False}),
                (74, {"streams": streams("a"), "up": True}),
                (94, {}),
            ),
            (3840, 4440),
        ),
        Scenario(
            "flood and rotation",
            "the same, and in the middle of it a new key is published and signs at once",
            phases(
                (0, {}),
                (64, {"streams": flood}),
                (68.75, {"published": a | b, "streams": streams("b", "a", junk=JUNK)}),
                (74, {"streams": streams("b", "a")}),
                (94, {}),
            ),
            (3840, 4440),
        ),
        Scenario(
            "flood and announced rotation",
            "the same, but the new key is published a minute before it signs",
            phases(
                (0, {}),
                (64, {"streams": flood}),
                (67.75, {"published": a | b}),
                (68.75, {"streams": streams("b", "a", junk=JUNK)}),
                (74, {"streams": streams("b", "a")}),
                (94, {}),
            ),
            (3840, 4440),
        ),
    )


@dataclass(frozen=True)
class Result:
    """One row: a fleet with a policy in a scenario. Times in seconds; None where nothing was to be measured."""

    scenario: str
    policy: str
    processes: int
    fetches_mean: float  # per minute of the window
    fetches_peak: int  # in any minute of it
    wrong_401: int
    no_answer_5xx: int
    good: float  # tokens shown in the window that should be accepted
    accept_median: float | None
    accept_worst: float | None
    refuse_median: float | None
    refuse_worst: float | None
    last_401: float  # since the key's publication
    fruitless: int  # of the one process that made most
    fetches: tuple[int, ...]  # per minute
    turned_away: tuple[int, ...]  # good tokens per minute


def run(policy: type[Policy], scenario: Scenario, processes: int, seed: int) -> Result:
    tally = simulate(policy, scenario, processes, seed)
    begin, end = scenario.window
    window = tally.fetches[int(begin / MINUTE) : math.ceil(end / MINUTE)]
    return Result(
        scenario=scenario.name,
        policy=policy.name,
        processes=processes,
        fetches_mean=sum(window) / (end - begin) * MINUTE,
        fetches_peak=max(window),
        wrong_401=sum(tally.refused),
        no_answer_5xx=sum(tally.unavailable),
        good=scenario.good(*scenario.window) * processes,
        accept_median=statistics.median(tally.accept) if tally.accept else None,
        accept_worst=max(tally.accept, default=None),
        refuse_median=statistics.median(tally.refuse) if tally.refuse else None,
        refuse_worst=max(tally.refuse, default=None),
        last_401=tally.last_refused,
        fruitless=tally.fruitless,
        fetches=tuple(tally.fetches),
        turned_away=_sums(tally),
    )


def _sums(tally: Tally) -> tuple[int, ...]:
    return tuple(map(sum, zip(tally.refused, tally.unavailable, strict=True)))


def run_all(
    fleets: Iterable[int] = FLEETS, seed: int = 1, *, jobs: int = 1, only: Sequence[str] = ()
) -> Iterator[Result]:
    """Every scenario with every fleet and every policy, in that order."""
    rows = [
        (policy, scenario, processes, seed)
        for scenario in scenarios()
        if not only or scenario.name in only
        for processes in fleets
        for policy in POLICIES
    ]
    yield from in_processes(run, rows, jobs)


def in_processes(work: Callable[..., Worked], rows: Sequence[tuple[Any, ...]], jobs: int) -> Iterator[Worked]:
    """What a work gives for each row of arguments, in their order, by so many processes."""
    if jobs == 1:
        yield from (work(*row) for row in rows)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(work, *zip(*rows, strict=True))


def tables(results: Sequence[Result]) -> str:
    """One Markdown table per scenario."""
    parts = []
    for scenario in scenarios():
        rows = [row for row in results if row.scenario == scenario.name]
        if rows:
            head = f"**{scenario.name.capitalize()}**: {scenario.about}."
            parts.append(f"{head}\n\n{_table(rows)}")
    return "\n\n".join(parts)


def summary(results: Sequence[Result]) -> str:
    """The largest fleet in two small tables, for the documentation."""
    processes = max(row.processes for row in results)
    rows = {(row.scenario, row.policy): row for row in results if row.processes == processes}
    names = [policy.name for policy in POLICIES]

    def cell(row: Result) -> str:
        away = _report.share(row.wrong_401 + row.no_answer_5xx, row.good)
        return f"{_report.rate(row.fetches_mean / processes)} · {away}"

    def times(row: Result, *, removed: bool) -> str:
        median, worst = (row.refuse_median, row.refuse_worst) if removed else (row.accept_median, row.accept_worst)
        return f"{_report.seconds(median)} · {_report.seconds(worst)}"

    load = [[s.name, *(cell(rows[s.name, name]) for name in names)] for s in scenarios()]
    timed = [
        ["new key accepted after", "rotation", False],
        ["the same during a flood", "flood and rotation", False],
        ["removed key refused after", "removal", True],
    ]
    course = [
        [text, *(times(rows[scenario, name], removed=removed) for name in names)]
        for text, scenario, removed in timed
    ]
    return (
        "Fetches a minute per process · good tokens that were answered 401 or 5xx:\n\n"
        f"{_report.table(['', *names], load)}\n\n"
        f"Median · worst of {processes:,} processes:\n\n{_report.table(['', *names], course)}"
    )


def _table(rows: Sequence[Result]) -> str:
    timed = any(row.accept_median is not None for row in rows)
    removed = any(row.refuse_median is not None for row in rows)
    head = ["processes", "policy", "fetches a minute", "peak", "good tokens: 401", "5xx", "of all"]
    head += ["new key accepted after: median", "worst"] if timed else []
    head += ["removed key refused after: median", "worst"] if removed else []

    def cells(row: Result) -> Iterator[str]:
        yield from (_report.number(row.processes), row.policy)
        yield from (_report.rate(row.fetches_mean), _report.number(row.fetches_peak))
        yield from (_report.number(row.wrong_401), _report.number(row.no_answer_5xx))
        yield _report.share(row.wrong_401 + row.no_answer_5xx, row.good)
        if timed:
            yield from (_report.seconds(row.accept_median), _report.seconds(row.accept_worst))
        if removed:
            yield from (_report.seconds(row.refuse_median), _report.seconds(row.refuse_worst))

    return _report.table(head, [list(cells(row)) for row in rows])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks keyset_load", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help=f"fleets of {QUICK_FLEETS} only: seconds")
    parser.add_argument("--seed", type=int, default=1, help="another course of chance")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that simulate")
    parser.add_argument("--write", action="store_true", help="keep results, plots and tables in the repository")
    parser.add_argument("--fleet", action="store_true", help="fleets that share a store: see keyset_fleet")
    options = parser.parse_args(arguments)
    if options.fleet:
        from . import keyset_fleet

        return keyset_fleet.main([each for each in arguments or () if each != "--fleet"])
    begin = time.perf_counter()
    fleets = QUICK_FLEETS if options.quick else FLEETS
    results = list(run_all(fleets, options.seed, jobs=1 if options.quick else options.jobs))
    print("Policies:\n")
    for policy in POLICIES:
        print(f"- {policy.name}: {policy.about}")
    print(f"\n{tables(results)}\n\nSeed {options.seed}, {time.perf_counter() - begin:.0f} s, {_report.machine()}.")
    if options.write:
        _write(results, options.seed)
    return 0


def _kept(row: Result) -> dict[str, Any]:
    """A result without its course, which the plots show."""
    values = {name: round(v, 3) if isinstance(v, float) else v for name, v in asdict(row).items()}
    return {name: value for name, value in values.items() if not isinstance(value, tuple)}


def _write(results: Sequence[Result], seed: int) -> None:
    from . import _plots

    paths = [
        _report.write_json("keyset_load", {"seed": seed}, [_kept(row) for row in results]),
        *_plots.keyset_load(results, scenarios()),
    ]
    everything = (
        f"`python -m benchmarks keyset_load --write`, seed {seed}; the result depends on the seed alone."
        f"\n\n{tables(results)}"
    )
    readme, keys = _report.ROOT / "benchmarks" / "README.md", _report.ROOT / "docs" / "keys.md"
    for path, text in ((readme, everything), (keys, summary(results))):
        if _report.write_into(path, "keyset_load", text):
            paths.append(path)
    for path in paths:
        print(f"wrote {path.relative_to(_report.ROOT)}")
