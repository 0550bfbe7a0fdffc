"""What a fleet that shares a Redis costs issuer and Redis, up to 100,000 processes, in simulated time.

    python -m benchmarks keyset_fleet [--quick] [--seed N] [--write]
    python -m benchmarks keyset_load --fleet ...      # the same

Five scenarios, fleets of 100, 10,000 and 100,000 processes, without and with a fleet. Nothing is measured in real
time, so the result depends on the seed alone. `--write` keeps it: JSON in benchmarks/results, a plot in
docs/assets, and the table in docs/fleets.md.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from . import _report
from ._fleet import MINUTE, Scenario
from ._shared_fleet import MODES, simulate_shared
from .keyset_load import JUNK, in_processes, phases, streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ._shared_fleet import Alone

FLEETS = (100, 10_000, 100_000)
QUICK_FLEETS = (8, 100)
START = MINUTE  # a deployment is through in this time


def scenarios() -> tuple[Scenario, ...]:
    """What happens. Shorter than elsewhere: a hundred thousand processes make many events."""
    a, b = frozenset("a"), frozenset("b")
    flood = streams("a", junk=JUNK)
    return (
        Scenario("deployment", "all processes start within a minute", phases((0, {}), (2, {})), (0, 60)),
        Scenario("quiet", "nothing happens", phases((0, {}), (32, {})), (120, 1920)),
        Scenario(
            "rotation",
            "a new key is published and signs at once",
            phases((0, {}), (3, {"published": a | b, "streams": streams("b", "a")}), (5, {})),
            (180, 300),
        ),
        Scenario(
            "flood",
            "each process is sent five tokens a second with key IDs that nobody knows",
            phases((0, {}), (3, {"streams": flood}), (6, {})),
            (180, 360),
        ),
        Scenario(
            "flood and rotation",
            "the same, and in the middle of it a new key is published and signs at once",
            phases(
                (0, {}),
                (3, {"streams": flood}),
                (4, {"published": a | b, "streams": streams("b", "a", junk=JUNK)}),
                (6, {}),
            ),
            (180, 360),
        ),
        Scenario(
            "outage",
            "the issuer refuses every connection, for twelve minutes",
            phases((0, {}), (3, {"up": False}), (15, {})),
            (180, 900),
        ),
    )


@dataclass(frozen=True)
class Result:
    """One row. Fetches are per minute, commands per second, of the window; times in seconds."""

    scenario: str
    mode: str
    processes: int
    fetches_mean: float
    fetches_peak: int
    commands_mean: float
    commands_peak: int
    accept_median: float | None
    accept_worst: float | None
    turned_away: int  # good tokens that were answered 401 or 503
    good: float


def run(mode: type[Alone], scenario: Scenario, processes: int, seed: int) -> Result:
    tally, commands = simulate_shared(mode, scenario, processes, seed, start=START)
    begin, end = scenario.window
    window = tally.fetches[int(begin / MINUTE) : math.ceil(end / MINUTE)]
    seconds = [commands.get(second, 0) for second in range(int(begin), int(end))]
    return Result(
        scenario=scenario.name,
        mode=mode.name,
        processes=processes,
        fetches_mean=sum(window) / (end - begin) * MINUTE,
        fetches_peak=max(window),
        commands_mean=sum(seconds) / (end - begin),
        commands_peak=max(seconds),
        accept_median=statistics.median(tally.accept) if tally.accept else None,
        accept_worst=max(tally.accept, default=None),
        turned_away=sum(tally.refused) + sum(tally.unavailable),
        good=scenario.good(*scenario.window) * processes,
    )


def run_all(fleets: Iterable[int] = FLEETS, seed: int = 1, *, jobs: int = 1) -> Iterator[Result]:
    """Every scenario with every fleet and every mode, in that order."""
    rows = [(mode, scenario, size, seed) for scenario in scenarios() for size in fleets for mode in MODES]
    yield from in_processes(run, rows, jobs)


def tables(results: Sequence[Result]) -> str:
    """One Markdown table: a row for each scenario and mode, columns for each fleet."""
    sizes = sorted({row.processes for row in results})
    found = {(row.scenario, row.mode, row.processes): row for row in results}
    parts = []
    for scenario in scenarios():
        timed = any(found[scenario.name, mode.name, sizes[0]].accept_median is not None for mode in MODES)
        head = ["processes", "", "fetches a minute", "in the worst", "commands a second", "in the worst"]
        head += ["new key accepted after", "worst"] if timed else []
        head += ["good tokens turned away"]
        rows = []
        for size in sizes:
            for mode in MODES:
                row = found[scenario.name, mode.name, size]
                cells = [_report.number(size), row.mode, _report.rate(row.fetches_mean)]
                cells += [_report.number(row.fetches_peak), _report.rate(row.commands_mean)]
                cells += [_report.number(row.commands_peak)]
                cells += [_report.seconds(row.accept_median), _report.seconds(row.accept_worst)] if timed else []
                rows.append([*cells, _report.share(row.turned_away, row.good)])
        parts.append(f"**{scenario.name.capitalize()}**: {scenario.about}.\n\n{_report.table(head, rows)}")
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks keyset_fleet", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--quick", action="store_true", help=f"fleets of {QUICK_FLEETS} only: seconds")
    parser.add_argument("--seed", type=int, default=1, help="another course of chance")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that simulate")
    parser.add_argument("--write", action="store_true", help="keep results, plot and table in the repository")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    results = list(run_all(QUICK_FLEETS if options.quick else FLEETS, options.seed, jobs=options.jobs))
    text = tables(results)
    print(f"{text}\n\nSeed {options.seed}, {time.perf_counter() - begin:.0f} s, {_report.machine()}.")
    if options.write:
        _write(results, options.seed, text)
    return 0


def _write(results: Sequence[Result], seed: int, text: str) -> None:
    from . import _plots

    rows = [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(row).items()}
        for row in results
    ]
    paths = [_report.write_json("keyset_fleet", {"seed": seed}, rows), *_plots.keyset_fleet(results)]
    docs = _report.ROOT / "docs" / "fleets.md"
    if _report.write_into(docs, "keyset_fleet", text):
        paths.append(docs)
    for path in paths:
        print(f"wrote {path.relative_to(_report.ROOT)}")
